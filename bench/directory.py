# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with as many captures as are asked for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.cores import Crash, kdump
from tests.support.machine import Machine

FIRST = datetime(2000, 1, 1, tzinfo=UTC)
APART = timedelta(minutes=31)  # no loop of crashes


def crash_at(number: int) -> datetime:
    """Return when the crash of this number was."""
    return FIRST + number * APART


def machine_with(root: Path, captures: int) -> Machine:
    """Return a machine below a new directory with so many captures of kdump-tools."""
    machine = Machine(root)
    for number in range(captures):
        add_capture(machine, number)
    return machine


def add_capture(machine: Machine, number: int) -> Path:
    """Write the capture of this number, and return its core."""
    at = crash_at(number)
    log = b"[    0.0] Kernel panic - not syncing: %d\n" % number
    return machine.kdump_tools(f"{at:%Y%m%d%H%M}", core_of(number), log)


def core_of(number: int) -> bytes:
    """Return a complete core of a few KiB."""
    return kdump(Crash(crash_time=int(crash_at(number).timestamp())))
