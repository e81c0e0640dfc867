# SPDX-License-Identifier: GPL-2.0-or-later
"""Strangers flood the daemon while captures come: the honest are answered, and nothing is lost."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.endurance.conftest import Say
from tests.endurance.flood import SORTS, flooded
from tests.endurance.listener import PATIENCE, Listener
from tests.endurance.stream import Kind, Stream, streaming
from tests.support.daemon import READY, Kdumpd, Setup, started
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.journal import Journal
from tests.support.message_bus import Broker, Bus
from tests.support.namespace import ROOT, needs_root
from tests.support.polkit import system_bus
from tests.support.process import end

pytestmark = [
    pytest.mark.endurance,
    pytest.mark.bus,
    needs_root,
    pytest.mark.skipif(not ROOT, reason="only root can be somebody else"),
]

CAPTURES = 100  # there are before, so that GetManagedObjects is long
SECONDS = 3.0  # for which each sort of flood lasts
ASKED = 10  # times, by an honest client
FLOOR, FACTOR = 1.0, 25  # seconds, and times as long as without a flood: the longest answer
WATCHDOG, WATCHDOG_USEC = "WATCHDOG=1", "1000000"
SHORT = {"objects", "signals"}  # are tried in the short form
ANSWERED = [sort for name, sort in SORTS.items() if sort.answered and name != "large"]
FEW, MANY = 1_000, 100_000  # calls
PAUSE = 5.0  # seconds between two captures while there are many calls
SILENT_STRANGERS = 8
SILENCE = 10.0  # seconds; without the protection, it is until the call's own time is over
MEMORY = 64 << 20  # bytes that a flood may make it grow by


@pytest.fixture
async def bus(public: Path, broker: Broker) -> AsyncIterator[Bus]:
    async with system_bus(public, broker) as bus:
        yield bus


@pytest.fixture
def setup(setup: Setup, journal: Journal) -> Setup:
    watchdog = {"WATCHDOG_USEC": WATCHDOG_USEC}
    return replace(setup, settle=0.1, prefix=journal.prefix, environment=watchdog)


async def longest_answer(client: DbusNextClient) -> float:
    """Return how many seconds an honest client waits for an answer, the longest time."""
    longest = 0.0
    for _ in range(ASKED):
        began = time.monotonic()
        assert (await client.manager())["Version"]
        longest = max(longest, time.monotonic() - began)
        await asyncio.sleep(SECONDS / ASKED)
    return longest


def memory(kdumpd: Kdumpd) -> int:
    """Return how many bytes the daemon has in memory."""
    rollup = Path(f"/proc/{kdumpd.process.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in rollup if line.startswith("Rss:"))


async def name_of(client: DbusNextClient) -> str:
    """Return the daemon's unique name: signals go to that alone."""
    answer = await client.call("org.freedesktop.DBus.Peer", "Ping")
    return str(answer.sender)


@dataclass(slots=True)
class Attack:
    """A daemon under a flood, and an honest client of it."""

    kdumpd: Kdumpd
    client: DbusNextClient
    quiet: float  # seconds for an answer before
    strangers: AsyncExitStack


@asynccontextmanager
async def attacked(
    setup: Setup, stream: Stream, sort: str, say: Say, strangers_at_once: int = 2
) -> AsyncIterator[Attack]:
    """Have strangers flood a daemon that knows captures, while more come and the context lasts.

    At the end its watchdog must have been fed all the time, and its memory not have grown.
    """
    for _ in range(CAPTURES):
        await stream.write(Kind.WHOLE)
    async with started(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        await kdumpd.wait_until_told(READY, seconds=PATIENCE)
        quiet = await longest_answer(client)
        before, name = memory(kdumpd), await name_of(client)
        async with AsyncExitStack() as strangers, streaming(stream):
            floods = [
                await strangers.enter_async_context(flooded(setup.bus, SORTS[sort], name))
                for _ in range(strangers_at_once)
            ]
            await asyncio.sleep(SECONDS / 4)  # until they are at it
            fed, began = kdumpd.told.count(WATCHDOG), time.monotonic()
            yield Attack(kdumpd, client, quiet, strangers)
            lasted = time.monotonic() - began
            fed = kdumpd.told.count(WATCHDOG) - fed
        sent, grown = sum(flood.sent for flood in floods), memory(kdumpd) - before
        assert "Traceback" not in kdumpd.log
    say(f"{sent} sent, fed {fed} times in {lasted:.1f} s, {grown >> 10} KiB grown")
    assert sent
    assert fed >= int(lasted * 1_000_000 / int(WATCHDOG_USEC))
    assert grown <= MEMORY


BOUNDED = [
    pytest.param(sort, marks=() if sort in SHORT else pytest.mark.long)
    for sort in SORTS
    if not SORTS[sort].silent
]
SILENT = [sort for sort in SORTS if SORTS[sort].silent]


@pytest.mark.parametrize("sort", BOUNDED)
async def test_an_honest_client_is_answered(
    sort: str, setup: Setup, stream: Stream, say: Say
) -> None:
    async with attacked(setup, stream, sort, say) as attack:
        longest = await longest_answer(attack.client)
    say(f"the honest waited {longest:.3f} s at most, {attack.quiet:.3f} s without the flood")
    assert longest <= max(FLOOR, FACTOR * attack.quiet)


@pytest.mark.parametrize("sort", SILENT)
async def test_an_honest_client_is_answered_among_calls_without_an_answer(
    sort: str, setup: Setup, stream: Stream, say: Say
) -> None:
    """The bus queues more of them than anybody can read: kdumpd leaves it, and comes back."""
    async with attacked(setup, stream, sort, say, SILENT_STRANGERS):
        longest = 0.0
        for _ in range(ASKED):
            began = time.monotonic()
            status = await kdumpdctl(setup.bus, "status", seconds=SILENCE)
            assert status.startswith("ready:")
            longest = max(longest, time.monotonic() - began)
    say(f"kdumpdctl took {longest:.3f} s at most")


async def kdumpdctl(bus: str, *arguments: str, seconds: float) -> str:
    """Return what the command prints, as whoever calls it has it."""
    command = (sys.executable, "-m", "kdumpd.ctl.main", *arguments, "--bus", bus)
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    try:
        async with asyncio.timeout(seconds):
            stdout, _ = await process.communicate()
    finally:
        await end(process)
    return stdout.decode()


@pytest.mark.parametrize("calls", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
async def test_calls_of_all_sorts_while_captures_come(
    calls: int, setup: Setup, journal: Journal, stream: Stream, say: Say
) -> None:
    """Each is answered, and no capture is lost among them."""
    stream.pause = PAUSE if calls == MANY else stream.pause
    each = calls // (2 * len(ANSWERED))
    async with dbus_next_client(setup.bus) as client:
        listener = Listener(client, journal, stream)
        async with started(setup) as kdumpd, AsyncExitStack() as strangers, streaming(stream):
            await kdumpd.wait_until_told(READY, seconds=PATIENCE)
            name = await name_of(client)
            floods = [
                await strangers.enter_async_context(flooded(setup.bus, sort, name, count=each))
                for sort in ANSWERED
                for _ in range(2)
            ]
            for flood in floods:
                await flood.until_done()
            answers = [flood.answers for flood in floods]
            assert kdumpd.process.returncode is None, kdumpd.log
            assert "Traceback" not in kdumpd.log
        assert answers == [each] * len(floods)
        await listener.check(setup, lambda: setup.ledger)
    say(f"{sum(answers)} calls answered, {stream.count} captures: 0 lost")
