# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon under attack: what must hold of it, whatever strangers do."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.security.unopened_files import RELEASE
from tests.support.cores import Crash, elf, flattened, kdump
from tests.support.daemon import Kdumpd, Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.machine import Machine

MOST_MEMORY = 160 << 20  # bytes that the daemon may ever hold (VmHWM), where nothing else is said
WATCHDOG = "WATCHDOG=1"
FEEDS = 3  # of the watchdog, awaited at the end
PATIENCE = 120.0  # seconds for what must happen at some time
HONEST_RELEASE = "6.1.0-56-honest"

Properties = dict[str, Any]


@dataclass(slots=True)
class AttackedDaemon:
    """A daemon that is watched, and asked all the time."""

    kdumpd: Kdumpd
    client: DbusNextClient
    answers: int = 0

    async def rescan(self, times: int = 1) -> None:
        """Have the daemon look again; where a look takes longer than a call, until it is done."""
        async with asyncio.timeout(PATIENCE):
            while times:
                # Two looks that wait for a directory take as long as a call.
                with suppress(TimeoutError):
                    answer = await self.client.call("org.kdumpd1.Manager", "Rescan")
                    times -= not answer.body

    async def captures(self) -> list[Properties]:
        """Return the properties of every capture."""
        return list((await self.client.captures()).values())

    async def until_settled(self) -> None:
        """Return once nothing counts as being written any more."""
        async with asyncio.timeout(PATIENCE):
            while (await self.client.manager())["Settling"]:  # noqa: ASYNC110 - as a user would
                await asyncio.sleep(0.1)

    async def until_honest_are_listed(self, count: int) -> None:
        """Return once all of the honest captures are listed, complete; or TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while True:
                listed = [one for one in await self.captures() if is_honest(one)]
                if len(listed) == count and all(one["State"] == "complete" for one in listed):
                    return
                await self.rescan()

    async def ask(self) -> None:
        """Ask for all properties, for ever; a call that gets no answer is an error."""
        while True:
            assert (await self.client.manager())["Version"]
            self.answers += 1
            await asyncio.sleep(0.05)

    @property
    def memory(self) -> int:
        """The most bytes that the daemon ever held."""
        status = Path(f"/proc/{self.kdumpd.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) << 10

    async def descriptors(self) -> int:
        """Return how many descriptors the daemon has between two looks: the fewest of many."""
        counts = []
        for _ in range(4):
            counts.append(self.kdumpd.descriptors)
            await asyncio.sleep(0.05)
        return min(counts)


def is_honest(capture: Properties) -> bool:
    """Return whether it is one of those that `be_honest` wrote."""
    return str(capture["KernelRelease"]) == HONEST_RELEASE


def be_honest(machine: Machine) -> int:
    """Write captures as the tools do, and return their number."""
    crashes = [Crash(release=HONEST_RELEASE, crash_time=1_795_000_000 + n) for n in range(5)]
    machine.kdump_tools("202611190100", flattened(crashes[0]))
    machine.kdump_tools("202611290100", flattened(crashes[1], compressed=False))
    machine.kdump_utils("2026-11-19-01:00:00", kdump(crashes[2]))
    machine.kdump_utils("2026-11-29-01:00:00", elf(crashes[3]))
    wrapped = machine.crash / "202611250100"  # a child process must read this one
    wrapped.mkdir()
    (wrapped / "dump.202611250100.gz").write_bytes(gzip.compress(kdump(crashes[4])))
    return len(crashes)


@asynccontextmanager
async def attacked(
    setup: Setup, honest: int, memory: int = MOST_MEMORY
) -> AsyncIterator[AttackedDaemon]:
    """Run the daemon, and check at the end all that must hold: the attack is over by then, or not.

    Neither a time nor an order is asserted: only that all of it happens.
    """
    setup = replace(setup, environment={"WATCHDOG_USEC": "200000"})
    async with running(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        one = AttackedDaemon(kdumpd, client)
        asking = asyncio.create_task(one.ask())
        try:
            await one.rescan(2)
            descriptors = await one.descriptors()
            yield one
            await one.rescan(2)
            await one.until_settled()
            await one.until_honest_are_listed(honest)
            await _check(one, memory)
            assert await one.descriptors() <= descriptors
            assert not asking.done(), asking.exception()
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
        assert await kdumpd.stop() == 0
        assert "Traceback" not in kdumpd.log


async def _check(one: AttackedDaemon, memory: int) -> None:
    answers = one.answers
    fed = one.kdumpd.told.count(WATCHDOG)
    await one.kdumpd.wait_until_told(WATCHDOG, fed + FEEDS, PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while one.answers == answers:  # noqa: ASYNC110 - as a user would
            await asyncio.sleep(0.05)
    assert one.kdumpd.process.returncode is None, one.kdumpd.log
    assert one.memory < memory
    assert "\x1b" not in one.kdumpd.log
    assert RELEASE not in one.kdumpd.log
    for capture in await one.captures():
        assert RELEASE not in repr(capture)
        for name, value in capture.items():
            assert not isinstance(value, str) or value.isprintable(), (name, value)
