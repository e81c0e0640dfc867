# SPDX-License-Identifier: GPL-2.0-or-later
"""Which captures `kdumpdctl list` shows, and several of them by `info`."""

import json
from collections.abc import Iterator

import pytest

from kdumpd.model.vocabulary import CaptureState, CrashClass
from tests.ctl.crashes import shared_daemon
from tests.ctl.terminal import printed

pytestmark = pytest.mark.bus
HOURS = ["01:13", "02:13", "03:13", "04:13", "05:13"]


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with shared_daemon(tmp_path_factory, len(HOURS)) as bus:
        yield bus


async def test_choices(bus: str) -> None:
    for arguments, hours in (
        ((), HOURS),
        (("-n", "2"), HOURS[-2:]),
        (("--lines=0",), []),
        (("-r",), HOURS[::-1]),
        (("-r", "-n2"), ["05:13", "04:13"]),
        (("--since", "2026-11-23 03:13:34"), HOURS[2:]),
        (("--since", "2026-11-23 03:13:35"), HOURS[3:]),
        (("-U", "2026-11-23 03:13:34"), HOURS[:3]),
        (("-S", "2026-11-23 02:00", "-U", "2026-11-23 04:00"), HOURS[1:3]),
        (("-S", "-100y"), HOURS),
        (("--until", "100 years ago"), []),
        (("--state=incomplete",), HOURS[2:3]),
        (("--state=incomplete,gone",), HOURS[2:3]),
        (("--class", "sysrq,machine-check"), [HOURS[1], HOURS[3]]),
        (("--class=sysrq", "--state=incomplete"), []),
    ):
        listed = await printed("list", "--no-legend", *arguments, "--bus", bus)
        assert [line.split()[2][:5] for line in listed.out.splitlines()] == hours, arguments
        assert listed.status == (0 if hours else 1)
        assert listed.words == ("" if hours else "No captures match.\n")


async def test_mistakes_name_what_would_be_none() -> None:
    for arguments, words in (
        (("--state=whole",), f"'whole' is not one of: {', '.join(CaptureState)}, untrusted\n"),
        (("--class=sysrq,boom",), f"'boom' is not one of: {', '.join(CrashClass)}\n"),
        (("--since=soon",), "'soon' is no time: write 2026-11-23, "),
        (("-n", "few"), "'few' is not a number\n"),
        (("-n-1",), "'-1' is not a number\n"),
        (("--root=/nowhere",), "'/nowhere' is not a directory\n"),
        (("extra",), "unrecognized arguments: extra\n"),
    ):
        wrong = await printed("list", *arguments)
        assert (wrong.status, wrong.out) == (64, "")
        assert words in wrong.words


async def test_info_of_several(bus: str) -> None:
    captures = json.loads((await printed("list", "--json=short", "--bus", bus)).out)
    first, last = captures[0]["id"], captures[-1]["id"]
    both = await printed("info", last[:6], first, "--bus", bus)
    alone = [await printed("info", id_, "--bus", bus) for id_ in (last, first)]
    assert both.out == "\n".join(one.out for one in alone)
    told = json.loads((await printed("info", last, first, "--json", "--bus", bus)).out)
    assert told == [captures[-1], captures[0]]
    assert (await printed("info", first, "ffff", "--bus", bus)).status == 1
