# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl report: what stands in it, and what does not."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ctl.crashes import daemon_of, shared_daemon
from tests.ctl.golden import assert_golden
from tests.ctl.terminal import printed
from tests.support.machine import Machine
from tests.support.rights import as_root

# Without polkit only root may read a log.
pytestmark = [pytest.mark.bus, as_root]


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with shared_daemon(tmp_path_factory, 1) as bus:
        yield bus


async def test_what_stands_in_it(bus: str) -> None:
    report = await printed("report", "--bus", bus)
    assert (report.status, report.words) == (0, "")
    assert_golden("report", report.out)
    assert "db7.example" not in report.out
    assert "crasher_null+0x5/0x20" in report.out
    assert not re.search(r"[0-9a-f]{12,}", re.sub("(Build id|Signature): .*", "", report.out))
    assert "Linux version" not in report.out


async def test_more_is_told_only_when_asked_for(bus: str) -> None:
    full = await printed("report", "--addresses", "--host", "--bus", bus)
    assert "Host: db7.example\n" in full.out
    assert "RAX: ffffffffc0493000" in full.out
    assert full.words == "It holds addresses of the kernel: think before you publish it.\n"


async def test_json(bus: str) -> None:
    report = json.loads((await printed("report", "--json", "--bus", bus)).out)
    assert report["where"] == "crasher_null [crasher]"
    assert report["host"] == ""
    assert report["log"][0].endswith("BUG: kernel NULL pointer dereference, address: *")


async def test_of_a_log_that_tells_of_no_crash_the_end_is_shown(
    machine: Machine, tmp_path: Path
) -> None:
    machine.pstore("1795396414", b"[    0.000001] all is well on db7\n" * 100, "dmesg-efi-1")
    async with daemon_of(machine, tmp_path, 1) as bus:
        report = await printed("report", "--bus", bus)
        assert report.out.count("all is well") == 60
