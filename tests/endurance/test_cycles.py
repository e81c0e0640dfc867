# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures that come and go, mounts, reloads and a bus that is lost: nothing grows by them."""

import asyncio
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.endurance.conftest import Say
from tests.endurance.listener import PATIENCE
from tests.support.cores import Crash, flattened
from tests.support.daemon import READY, Kdumpd, Setup, started
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.message_bus import Bus
from tests.support.namespace import needs_root, unmount
from tests.support.process import output

pytestmark = [pytest.mark.endurance, pytest.mark.bus, needs_root]

# So many lives of the bus, and cycles in each: an hour has as many as it has minutes.
SHORT, HOUR, LONG_LIFE = (1, 4), (3, 20), (1, 200)
WARM = 8  # cycles, after which all that is cached is there, but for SQLite's pages
AT_ONCE = 10  # captures
# Bytes that are no leak, however many the cycles: SQLite's cache fills its 256 KiB meanwhile, and
# free memory below 128 KiB is not given back.
GROWTH = 512 << 10


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a daemon holds while it rests."""

    descriptors: int
    threads: int
    watches: int
    memory: int  # bytes that nobody else has: not what was read of files

    @property
    def counted(self) -> tuple[int, int, int]:
        """What has to be the same again."""
        return self.descriptors, self.threads, self.watches


def holdings(kdumpd: Kdumpd) -> Holdings:
    """Return what the daemon holds now."""
    process = Path(f"/proc/{kdumpd.process.pid}")
    watches, fds = 0, list((process / "fdinfo").iterdir())
    for path in fds:
        with suppress(FileNotFoundError):  # closed meanwhile: it does not rest yet
            watches += path.read_text().count("inotify wd:")
    rollup = (process / "smaps_rollup").read_text().splitlines()
    return Holdings(
        descriptors=len(fds),
        threads=len(list((process / "task").iterdir())),
        watches=watches,
        memory=next(
            int(line.split()[1]) << 10 for line in rollup if line.startswith("Private_Dirty:")
        ),
    )


async def at_rest(kdumpd: Kdumpd) -> Holdings:
    """Return what the daemon holds once that does not change."""
    async with asyncio.timeout(PATIENCE):
        before = holdings(kdumpd)
        while True:
            await asyncio.sleep(0.3)
            now = holdings(kdumpd)
            if now.counted == before.counted:
                return now
            before = now


@dataclass(slots=True)
class Hour:
    """A machine on which things come and go."""

    machine: Machine
    setup: Setup
    journal: Journal

    async def cycle(self, kdumpd: Kdumpd) -> None:
        """Have captures come and go, a file system come and go, and the configuration read."""
        async with dbus_next_client(self.setup.bus) as client:
            directories = [
                self.machine.kdump_tools(
                    str(202611230000 + number), flattened(Crash(crash_time=1_795_000_000 + number))
                ).parent
                for number in range(AT_ONCE)
            ]
            await until(client, {"complete": AT_ONCE})
            crash = str(self.machine.crash)
            await output(*self.journal.prefix, "mount", "-t", "tmpfs", "tmpfs", crash)
            await client.call("org.kdumpd1.Manager", "Rescan")
            await unmount(self.journal.prefix, crash)
            await until(client, {"complete": AT_ONCE})
            for directory in directories:
                shutil.rmtree(directory)
            await until(client, {"gone": AT_ONCE})
        ready = kdumpd.told.count(READY)
        kdumpd.process.send_signal(signal.SIGHUP)  # also leaves the bus, and comes back
        await kdumpd.wait_until_told(READY, ready + 1, seconds=PATIENCE)


async def until(client: DbusNextClient, states: Mapping[str, int]) -> None:
    """Return once there are so many captures in each state, and no others."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await client.call("org.kdumpd1.Manager", "Rescan")
            found = [str(one["State"]) for one in (await client.captures()).values()]
            if {state: found.count(state) for state in set(found)} == states:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "extent",
    [SHORT, *(pytest.param(extent, marks=pytest.mark.long) for extent in (HOUR, LONG_LIFE))],
    ids=str,
)
async def test_nothing_grows(  # noqa: PLR0913, PLR0917  # what pytest gives
    extent: tuple[int, int],
    machine: Machine,
    setup: Setup,
    bus: Bus,
    journal: Journal,
    say: Say,
) -> None:
    lives, cycles = extent
    hour = Hour(machine, replace(setup, settle=0.1, prefix=journal.prefix), journal)
    of_lives = []
    for _ in range(lives):
        async with started(hour.setup) as kdumpd:
            await kdumpd.wait_until_told(READY, seconds=PATIENCE)
            for _ in range(WARM):
                await hour.cycle(kdumpd)
            before = await at_rest(kdumpd)
            for _ in range(cycles):
                await hour.cycle(kdumpd)
            after = await at_rest(kdumpd)
            assert after.counted == before.counted
            assert after.memory <= before.memory + GROWTH
            assert "Traceback" not in kdumpd.log
            await bus.restart()
            async with asyncio.timeout(PATIENCE):
                assert await kdumpd.process.wait() == 1
        of_lives.append(after)
        say(f"before {cycles} cycles {before}, after them {after}")
    assert len({one.counted for one in of_lives}) == 1
