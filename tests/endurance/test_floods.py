# SPDX-License-Identifier: GPL-2.0-or-later
"""Strangers flood the daemon while captures come: the honest are answered, and nothing is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.bus.daemon import READY, Kdumpd, Setup, started
from tests.bus.machine import Machine
from tests.endurance.conftest import Say
from tests.endurance.flood import SORTS, Flood, flooded
from tests.endurance.stream import Kind, Stream, streaming
from tests.endurance.witness import PATIENCE
from tests.services.dbus_next import DbusNextClient, dbus_next_client
from tests.services.journal import Journal
from tests.services.message_bus import Broker, Bus
from tests.services.namespace import ROOT, needs_root
from tests.services.polkit import system_bus

pytestmark = [
    pytest.mark.endurance,
    pytest.mark.bus,
    needs_root,
    pytest.mark.skipif(not ROOT, reason="only root can be somebody else"),
]

CAPTURES = 300  # there are before, so that GetManagedObjects is long
SECONDS = 4.0  # for which each sort of flood lasts
ASKED = 12  # times, by an honest client
FLOOR, FACTOR = 1.0, 25  # seconds, and times as long as without a flood: the longest answer
WATCHDOG_USEC = "1000000"
CALLS = 100_000
MEMORY = 64 << 20  # bytes that a flood may make it grow by


@pytest.fixture
async def bus(public: Path, broker: Broker) -> AsyncIterator[Bus]:
    async with system_bus(public, broker) as bus:
        yield bus


@pytest.fixture
def setup(setup: Setup, journal: Journal) -> Setup:
    watchdog = {"WATCHDOG_USEC": WATCHDOG_USEC}
    return replace(setup, settle=0.1, prefix=journal.prefix, environment=watchdog)


async def longest_answer(client: DbusNextClient, times: int, pause: float) -> float:
    """Return how many seconds an honest client waits for an answer, the longest time."""
    longest = 0.0
    for _ in range(times):
        began = time.monotonic()
        assert (await client.manager())["Version"]
        longest = max(longest, time.monotonic() - began)
        await asyncio.sleep(pause)
    return longest


def memory(kdumpd: Kdumpd) -> int:
    """Return how many bytes the daemon has in memory."""
    rollup = Path(f"/proc/{kdumpd.process.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in rollup if line.startswith("Rss:"))


async def name_of(client: DbusNextClient) -> str:
    """Return the daemon's unique name: signals go to that alone."""
    answer = await client.call("org.freedesktop.DBus.Peer", "Ping")
    return str(answer.sender)


@pytest.mark.parametrize("sort", SORTS)
async def test_an_honest_client_is_answered(
    sort: str, machine: Machine, setup: Setup, random: Random, say: Say
) -> None:
    stream = Stream(machine, random)
    for _ in range(CAPTURES):
        await stream.write(Kind.WHOLE)
    async with started(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        await kdumpd.wait_until_told(READY, seconds=PATIENCE)
        quiet = await longest_answer(client, ASKED, SECONDS / ASKED)
        before = memory(kdumpd)
        name = await name_of(client)
        async with AsyncExitStack() as strangers, streaming(stream):
            floods = [
                await strangers.enter_async_context(flooded(setup.bus, SORTS[sort], name))
                for _ in range(2)
            ]
            await until_begun(floods)
            fed = kdumpd.told.count("WATCHDOG=1")
            began = time.monotonic()
            longest = await longest_answer(client, ASKED, SECONDS / ASKED)
            lasted = time.monotonic() - began
            fed = kdumpd.told.count("WATCHDOG=1") - fed
            sent = sum(flood.sent for flood in floods)
        grown = memory(kdumpd) - before
        assert "Traceback" not in kdumpd.log
    say(
        f"{sent} sent by two strangers, the honest waited {longest:.3f} s at most ({quiet:.3f} s "
        f"without), the watchdog was fed {fed} times in {lasted:.1f} s, {grown >> 10} KiB grown"
    )
    assert longest <= max(FLOOR, FACTOR * quiet)
    assert fed >= lasted / (int(WATCHDOG_USEC) / 1_000_000)
    assert grown <= MEMORY


async def until_begun(floods: list[Flood]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not all(flood.sent for flood in floods):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
