# SPDX-License-Identifier: GPL-2.0-or-later
"""Killed at any moment while captures come: none is lost, none is forgotten, none has two names."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from tests.bus.daemon import READY, Setup, running, started
from tests.bus.machine import Machine
from tests.endurance.conftest import Say
from tests.endurance.stream import Stream, streaming
from tests.endurance.testimony import (
    COMPLETE,
    INCOMPLETE,
    announced,
    event_ids,
    recorded,
    remembered,
)
from tests.services.dbus_next import DbusNextClient, dbus_next_client
from tests.services.journal import Journal
from tests.services.namespace import needs_root

pytestmark = [pytest.mark.endurance, pytest.mark.bus, needs_root]

FEW, MANY, TIMES = 12, 50, 20  # kills with one ledger; 20 times 50 is the full form
START, WORK = 1.5, 0.5  # seconds: killed at most so long after the start, or after READY
HUNG = 0.2  # of the lives pass with a journald that reads nothing
REMOVED = 0.3  # of the lives see a capture go that was announced
PATIENCE = 120.0  # seconds for what must happen at some time


@pytest.fixture
def setup(setup: Setup, journal: Journal) -> Setup:
    return replace(setup, settle=0.1, prefix=journal.prefix)


@dataclass(slots=True)
class Lives:
    """A daemon that is killed again and again, and what is known of it from outside."""

    setup: Setup
    journal: Journal
    client: DbusNextClient
    stream: Stream
    random: Random
    told: dict[str, bytes] = field(default_factory=dict)

    async def live_and_die(self) -> None:
        """Run the daemon for a moment, kill it, and see whether it knows what it has said."""
        if hung := self.random.random() < HUNG:
            self.journal.pause()
        async with started(self.setup) as kdumpd:
            if self.random.random() < 0.5:
                await asyncio.sleep(self.random.uniform(0, START))
            else:
                await kdumpd.wait_until_told(READY, seconds=PATIENCE)
                await asyncio.sleep(self.random.uniform(0, WORK))
            await kdumpd.kill()
            assert "damaged" not in kdumpd.log
            assert "Traceback" not in kdumpd.log
        if hung:
            self.journal.resume()
        self.told |= announced(self.client)
        if self.told:
            assert self.told.keys() <= remembered(self.setup.ledger), "forgotten after the signal"
        if self.random.random() < REMOVED:
            self._remove()

    def _remove(self) -> None:
        there = sorted(set(self.told.values()) - self.stream.removed)
        if there:
            self.stream.remove(self.random.choice(there))

    async def check(self) -> int:
        """Run the daemon to the end, compare all that it knows, and return the repetitions."""
        async with running(self.setup):
            await self._until_all_is_known()
            captures = list((await self.client.captures()).values())
            by_folder = {bytes(one["Directory"]): one for one in captures}
            whole = {by_folder[one]["Id"] for one in self.stream.whole - self.stream.removed}
            cut = {by_folder[one]["Id"] for one in self.stream.cut - self.stream.removed}
            entries = await self._entries(whole, cut)
        names = event_ids(entries)
        assert all(len(ids) == 1 for ids in names.values()), "repeated by another id"
        assert {entry["KDUMPD_EVENT"] for entry in entries} <= recorded(self.setup.ledger)
        assert {entry["KDUMPD_CAPTURE"] for entry in entries} <= remembered(self.setup.ledger)
        return len(entries) - len(names)

    async def _until_all_is_known(self) -> None:
        gone, there = self.stream.removed, self.stream.written - self.stream.removed
        async with asyncio.timeout(PATIENCE):
            while True:
                await self.client.call("org.kdumpd1.Manager", "Rescan")
                captures = list((await self.client.captures()).values())
                states = {bytes(one["Directory"]): one["State"] for one in captures}
                assert gone <= states.keys(), "forgotten after it was gone"
                known = {one: states.get(one) for one in there}
                if known == {
                    one: "complete" if one in self.stream.whole else "incomplete" for one in there
                } and all(states[one] == "gone" for one in gone):
                    assert len(captures) == len(self.stream.written)
                    return
                await asyncio.sleep(0.1)

    async def _entries(self, whole: set[str], cut: set[str]) -> list[dict[str, str]]:
        """Return what the journal has of captures, once it has what it must."""
        expected = {(id_, COMPLETE) for id_ in whole} | {(id_, INCOMPLETE) for id_ in cut}
        async with asyncio.timeout(PATIENCE):
            while True:
                entries = [
                    entry
                    for entry in await self.journal.entries("SYSLOG_IDENTIFIER=kdumpd")
                    if "KDUMPD_CAPTURE" in entry
                ]
                if expected <= event_ids(entries).keys():
                    return entries
                await asyncio.sleep(0.1)


RUNS = (
    pytest.param(FEW, id="few"),
    *(pytest.param(MANY, id=f"{n * MANY}", marks=pytest.mark.long) for n in range(1, TIMES + 1)),
)


@pytest.fixture
async def lives(
    machine: Machine, setup: Setup, journal: Journal, random: Random
) -> AsyncIterator[Lives]:
    async with dbus_next_client(setup.bus) as client:
        yield Lives(setup, journal, client, Stream(machine, random), random)


@pytest.mark.parametrize("kills", RUNS)
async def test_killed_at_any_moment(kills: int, lives: Lives, say: Say) -> None:
    async with streaming(lives.stream):
        for _ in range(kills):
            await lives.live_and_die()
    repeated = await lives.check()
    say(
        f"{kills} kills, {lives.stream.count} captures, {len(lives.told)} told of before the end, "
        f"{len(lives.stream.removed)} removed: 0 lost, 0 forgotten, "
        f"{repeated} repeated by the same id"
    )
