# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines on which kernels have crashed, with logs of real crashes, and a daemon that knows it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.background import in_background
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus

LOGS = Path(__file__).parents[1] / "samples/logs"
FIRST = datetime(2026, 11, 23, 1, 13, 34, tzinfo=UTC)
MINUTE = 60
# One after the other, an hour apart.
DEATHS = ("null", "sysrq", "soft-lockup", "machine-check", "out-of-memory")
CUT = 2


def write_crashes(machine: Machine, count: int, cut: int = CUT) -> None:
    """Write so many captures, of which the core with this number is cut off."""
    for number in range(count):
        crash_time = int(FIRST.timestamp()) + 60 * MINUTE * number
        core = flattened(Crash(crash_time=crash_time, host="db7.example"))
        stamp = f"{datetime.fromtimestamp(crash_time, UTC):%Y%m%d%H%M}"
        log = (LOGS / f"{DEATHS[number % len(DEATHS)]}.txt").read_bytes()
        machine.kdump_tools(stamp, core[:-1] if number == cut else core, log)


@asynccontextmanager
async def daemon_of(
    machine: Machine, tmp_path: Path, count: int, readiness: str = "ready"
) -> AsyncIterator[str]:
    """Run a daemon that knows so many captures, on a bus whose address is yielded."""
    (tmp_path / "bus").mkdir()
    async with private_bus(tmp_path / "bus", Broker.DBUS_DAEMON) as bus:
        setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address, settle=0.1)
        async with running(setup) as kdumpd:
            if count:
                captures = f"{count} capture{'' if count == 1 else 's'}"
                await kdumpd.wait_until_told(f"STATUS={readiness}; {captures}", seconds=300)
            yield bus.address


@contextmanager
def shared_daemon(directories: pytest.TempPathFactory, count: int) -> Iterator[str]:
    """Run a daemon that knows so many captures, for tests that change nothing."""
    directory = directories.mktemp("shared")
    machine = Machine(directory / "machine")
    write_crashes(machine, count)
    with in_background(daemon_of(machine, directory, count)) as bus:
        yield bus
