# SPDX-License-Identifier: GPL-2.0-or-later
"""Killed at any moment while captures come: none is lost, none is forgotten, none has two names."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from random import Random

import pytest

from tests.endurance.conftest import Say
from tests.endurance.listener import PATIENCE, Listener, outcome, remembered_captures
from tests.endurance.stream import Stream, streaming
from tests.support.daemon import READY, Setup, started
from tests.support.dbus_next import dbus_next_client
from tests.support.journal import Journal
from tests.support.namespace import needs_root

pytestmark = [pytest.mark.endurance, pytest.mark.bus, needs_root]

FEW, MANY, TIMES = 10, 50, 20  # kills with one ledger; 20 times 50 is the full form
START, WORK = 1.5, 0.5  # seconds: killed at most so long after the start, or after READY
HUNG = 0.2  # of the lives pass with a journald that reads nothing
REMOVED = 0.3  # of the lives see a capture go that was announced


@pytest.fixture
def setup(setup: Setup, journal: Journal) -> Setup:
    return replace(setup, settle=0.1, prefix=journal.prefix)


@dataclass(slots=True)
class Lives:
    """A daemon that is killed again and again."""

    setup: Setup
    listener: Listener
    random: Random

    async def live_and_die(self) -> None:
        """Run the daemon for a moment, kill it, and see whether it knows what it has said."""
        listener, hung = self.listener, self.random.random() < HUNG
        if hung:
            listener.journal.pause()
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
            listener.journal.resume()
        if told := listener.listen():
            assert told <= remembered_captures(self.setup.ledger), "forgotten after the signal"
        if self.random.random() < REMOVED:
            listener.remove_one()


RUNS = (
    pytest.param(FEW, id="few"),
    *(pytest.param(MANY, id=f"{n * MANY}", marks=pytest.mark.long) for n in range(1, TIMES + 1)),
)


@pytest.fixture
async def lives(
    setup: Setup, journal: Journal, stream: Stream, random: Random
) -> AsyncIterator[Lives]:
    async with dbus_next_client(setup.bus) as client:
        yield Lives(setup, Listener(client, journal, stream), random)


@pytest.mark.parametrize("kills", RUNS)
async def test_killed_at_any_moment(kills: int, lives: Lives, say: Say) -> None:
    listener, stream = lives.listener, lives.listener.stream
    async with streaming(stream):
        for _ in range(kills):
            await lives.live_and_die()
    told = len(listener.told)
    repeated = await listener.check(lives.setup, lambda: lives.setup.ledger)
    say(f"{kills} kills, {outcome(stream, told, repeated)}")
