# SPDX-License-Identifier: GPL-2.0-or-later
"""The power is cut at any moment while captures come: what was told is still known afterwards."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from tests.endurance.conftest import Say
from tests.endurance.disk import Disk, formatted, mounted
from tests.endurance.listener import (
    PATIENCE,
    Listener,
    copied,
    outcome,
    recorded_events,
    remembered_captures,
)
from tests.endurance.stream import Stream, streaming
from tests.support.daemon import READY, Kdumpd, Setup, started
from tests.support.dbus_next import dbus_next_client
from tests.support.journal import Journal
from tests.support.namespace import needs_root

pytestmark = [pytest.mark.endurance, pytest.mark.bus, needs_root]

CUTS = 6  # of one life, each looked at; the next life goes on from the last
FEW, MANY, TIMES = 2, 10, 5  # lives of one ledger; 5 times 10 lives of 6 cuts is the full form
READIED = 0.75  # of the lives are ready before the first cut
MOMENT = 0.5  # seconds between two cuts at most
REMOVED = 0.5  # of the lives see a capture go that was announced


@dataclass(frozen=True, slots=True)
class Cut:
    """A moment at which the power is cut, and what had been told by then."""

    position: int
    captures: frozenset[str]
    events: frozenset[str]


@dataclass(slots=True)
class Lives:
    """A daemon whose ledger is on a disk of its own, from one power cut to the next."""

    setup: Setup
    listener: Listener
    random: Random
    work: Path
    disk: Disk

    async def live(self) -> None:
        """Run the daemon, cut the power at several moments, and look at what each has left."""
        prefix = self.listener.journal.prefix
        setup = replace(self.setup, state=self.work / "disk/state")
        async with mounted(self.disk, prefix, self.work), started(setup) as kdumpd:
            if self.random.random() < READIED or not self.listener.told:
                await kdumpd.wait_until_told(READY, seconds=PATIENCE)
            cuts = [await self._cut(kdumpd) for _ in range(CUTS)]
            await kdumpd.kill()
        before = self.disk
        for cut in cuts:
            self.disk = Disk(before.cut(cut.position, self.random))
            async with mounted(self.disk, prefix, self.work) as directory:
                self.check(cut, copied(directory / "state", prefix, self.work))
        if self.random.random() < REMOVED:
            self.listener.remove_one()

    async def _cut(self, kdumpd: Kdumpd) -> Cut:
        await asyncio.sleep(self.random.uniform(0, MOMENT))
        assert kdumpd.process.returncode is None, kdumpd.log
        # In this order: what has been told by now was written before this moment.
        events = frozenset(entry["KDUMPD_EVENT"] for entry in await self.listener.entries())
        return Cut(captures=self.listener.listen(), events=events, position=self.disk.position)

    def check(self, cut: Cut, ledger: Path) -> None:
        """Fail if the ledger is damaged, or forgot what was told."""
        if not ledger.exists():
            assert not cut.captures | cut.events
            return
        # As the daemon opens it: for writing, so that what the log holds is taken in.
        with closing(sqlite3.connect(ledger)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_schema").fetchall()
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not tables:
            assert not cut.captures | cut.events
            return
        assert cut.captures <= remembered_captures(ledger), "forgotten after the signal"
        assert cut.events <= recorded_events(ledger), "forgotten after the journal had it"


RUNS = (
    pytest.param(FEW, id="few"),
    *(
        pytest.param(MANY, id=f"{n * MANY * CUTS}", marks=pytest.mark.long)
        for n in range(1, TIMES + 1)
    ),
)


@pytest.fixture
async def lives(
    setup: Setup, journal: Journal, stream: Stream, random: Random, tmp_path: Path
) -> AsyncIterator[Lives]:
    disk = Disk(await formatted(journal.prefix, tmp_path))
    setup = replace(setup, settle=0.1, prefix=journal.prefix)
    async with dbus_next_client(setup.bus) as client:
        listener = Listener(client, journal, stream)
        yield Lives(setup, listener, random, tmp_path, disk)


@pytest.mark.parametrize("number", RUNS)
async def test_power_cuts(number: int, lives: Lives, say: Say) -> None:
    listener, stream = lives.listener, lives.listener.stream
    async with streaming(stream):
        for _ in range(number):
            await lives.live()
    told = len(listener.told)
    assert told, "nothing was told, and so nothing could be forgotten"
    async with mounted(lives.disk, listener.journal.prefix, lives.work) as directory:
        setup = replace(lives.setup, state=directory / "state")
        repeated = await listener.check(
            setup, lambda: copied(setup.state, setup.prefix, lives.work)
        )
    say(f"{number * CUTS} power cuts, {outcome(stream, told, repeated)}")
