# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl on a terminal: page by page, and what is wrong in a colour."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdumpd.ctl.dmesg import highlighted
from kdumpd.ctl.options import VERBS
from kdumpd.ctl.terminal import Screen, pager_of
from tests.ctl.crashes import shared_daemon
from tests.ctl.terminal import printed, shown
from tests.support.rights import as_root

TERM = {"TERM": "xterm"}
RED = "\x1b[1;31m"


@pytest.mark.parametrize(
    ("environment", "command"),
    [
        ({"PAGER": "more -d"}, ["more", "-d"]),
        ({"SYSTEMD_PAGER": "less -S", "PAGER": "more"}, ["less", "-S"]),
        ({"SYSTEMD_PAGER": "", "PAGER": "more"}, []),
        ({"PAGER": "cat"}, []),
        ({"PAGER": "it's"}, []),
        ({"PAGER": "more", "TERM": "dumb"}, []),
    ],
)
def test_which(environment: dict[str, str], command: list[str]) -> None:
    assert pager_of(TERM | environment) == command


def test_lines_are_whole_wherever_the_text_is_cut() -> None:
    text = "[    1.0] fine\n[    1.500000] Kernel panic - not syncing: Fatal exception\nend"
    screen = Screen(width=80, colour=True)
    whole = list(highlighted([text], screen))
    assert [RED in line for line in whole] == [False, True, False]
    for cut in range(len(text)):
        assert list(highlighted([text[:cut], text[cut:]], screen)) == whole
    assert "".join(highlighted([text], Screen(width=80))) == text


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with shared_daemon(tmp_path_factory, 1) as bus:
        yield bus


def pager(tmp_path: Path, script: str) -> dict[str, str]:
    path = tmp_path / "pager"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"SYSTEMD_PAGER": str(path)}


@as_root
@pytest.mark.bus
async def test_log_goes_through_the_pager_of_a_person(bus: str, tmp_path: Path) -> None:
    counting = pager(tmp_path, 'echo "paged $LESS $LESSSECURE $(wc -l)"')
    log = (await printed("dmesg", "--bus", bus, environment=counting)).out
    paged = await shown("dmesg", "--bus", bus, environment=counting)
    assert paged.out == f"paged FRSXMK 1 {log.count(chr(10))}\n"
    plain = await shown("dmesg", "--no-pager", "--bus", bus, environment=counting)
    (oops,) = [line for line in plain.out.splitlines() if "NULL pointer dereference" in line]
    assert oops.startswith(RED)


@as_root
@pytest.mark.bus
async def test_pager_that_has_seen_enough_or_is_not_there(bus: str, tmp_path: Path) -> None:
    enough = pager(tmp_path, "read line; echo seen")
    seen = await shown("dmesg", "--bus", bus, environment=enough)
    assert (seen.status, seen.out) == (0, "seen\n")
    gone = await shown("dmesg", "--bus", bus, environment={"SYSTEMD_PAGER": "/nowhere/pager"})
    assert gone.status == 0
    assert "Linux version" in gone.out


@pytest.mark.bus
@pytest.mark.parametrize("verb", ["list", "info", "report", "check"])
async def test_what_may_be_long_goes_through_a_pager_on_a_terminal(
    bus: str, tmp_path: Path, verb: str
) -> None:
    counting = pager(tmp_path, 'echo "paged $(wc -l)"')
    printed_ = await printed(verb, "--bus", bus, environment=counting)
    lines = printed_.out.count("\n")
    paged = await shown(verb, "--bus", bus, width=200, environment=counting)
    assert (paged.status, paged.out) == (0, f"paged {lines}\n")
    for where in (("--no-pager", verb), (verb, "--no-pager")):
        plain = await shown(*where, "--bus", bus, width=200, environment=counting)
        assert "paged" not in plain.out
        assert plain.out.count("\n") == lines
    assert "paged" not in printed_.out
    record = await shown(verb, "--json=short", "--bus", bus, environment=counting)
    assert "paged" not in record.out


@pytest.mark.bus
@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
async def test_each_command_takes_no_pager(verb: str) -> None:
    wrong = await printed(verb, "--no-pager", "--bus=unix:path=/nowhere")
    assert "unrecognized" not in wrong.words
    assert "cannot connect to the bus" in wrong.words
