# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole Debian that panics and comes back, with a capture and without: what it then knows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.namespace import needs_root
from tests.vm.boots import CAPTURED, LOOK, NOT_CAPTURED, REBOOTED, boot_ids
from tests.vm.debian import Series, build_debian, run_series
from tests.vm.guest import GuestError
from tests.vm.image import default_cache
from tests.vm.journal_export import parse_export

pytestmark = [pytest.mark.vm, needs_root]

PANIC = b"Kernel panic - not syncing: sysrq triggered crash"
JOURNAL_STOPPED = "d93fb3c9c24d451a97cea615ce59c00b"  # SD_MESSAGE_JOURNAL_STOP


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the journal has of a boot."""

    cmdline: str
    last: Mapping[str, str]  # the fields of its last entry


def remembered(host: Path) -> list[Remembered]:
    found = []
    for boot_id in boot_ids(host):
        entries = list(parse_export((host / "exports" / boot_id).read_bytes()))
        messages = (entry.fields["MESSAGE"] for entry in entries)
        cmdline = next(message for message in messages if message.startswith("Command line: "))
        found.append(Remembered(cmdline=cmdline, last=entries[-1].fields))
    return found


async def test_a_debian_crashes_twice_and_reboots_once_in_between(tmp_path: Path) -> None:
    image = await build_debian(default_cache())
    before = image.disk.stat()
    turns = (CAPTURED, REBOOTED, NOT_CAPTURED, LOOK)
    outcomes = await run_series(image, Series(turns=turns, records=True), tmp_path)
    assert [outcome.status for outcome in outcomes] == [None, 0, None, 0]
    assert image.disk.stat().st_mtime_ns == before.st_mtime_ns

    captured, capture_kernel, rebooted, not_captured, _ = remembered(tmp_path)
    assert "elfcorehdr=" in capture_kernel.cmdline
    assert "systemd.unit=kdump-tools-dump.service" in capture_kernel.cmdline
    for boot in (captured, rebooted, not_captured):
        assert "crashkernel=384M" in boot.cmdline
        assert "elfcorehdr=" not in boot.cmdline
    assert rebooted.last["MESSAGE_ID"] == JOURNAL_STOPPED
    for boot in (captured, capture_kernel, not_captured):
        assert boot.last.get("MESSAGE_ID") != JOURNAL_STOPPED

    (folder,) = (path for path in (tmp_path / "crash").iterdir() if path.is_dir())
    assert PANIC in (folder / f"dmesg.{folder.name}").read_bytes()
    assert (folder / f"dump.{folder.name}").read_bytes().endswith(b"\xff" * 16)

    (log,) = (tmp_path / "pstore").glob("*/dmesg.txt")
    assert PANIC in log.read_bytes()
    record = next(path for path in log.parent.iterdir() if path != log)
    assert re.fullmatch("dmesg-erst-[0-9]{19}", record.name)


async def test_a_machine_that_never_ends_is_switched_off(tmp_path: Path) -> None:
    image = await build_debian(default_cache())
    with pytest.raises(GuestError, match="no end within 2 s"):
        await run_series(image, Series(turns=(CAPTURED, LOOK), seconds=2), tmp_path)
