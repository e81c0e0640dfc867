# SPDX-License-Identifier: GPL-2.0-or-later
"""From the rename that ends a dump to the signal at a client."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.directory import core_of, crash_at
from bench.figure import Figure
from bench.scale import Scale
from bench.started import MILLISECONDS, kdumpd, started
from bench.transaction import bare_ledger
from kdumpd.dbus.connection import connect
from kdumpd.dbus.messages import Signal, Target
from tests.support.journal import private_journal
from tests.support.machine import Machine

OBJECTS = Target("org.kdumpd1", "/org/kdumpd1", "org.freedesktop.DBus.ObjectManager")
BARE = Target("org.bare.Watch", "/org/bare", "org.bare.Watch")
LONGEST = 60.0  # seconds
QUIET = 0.3  # seconds after one and before the next, so that each is noticed by itself


@dataclass(frozen=True, slots=True)
class Samples:
    """Milliseconds of each turn."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    written: list[float] = field(default_factory=list)  # until a row was on the disk


async def measure(work: Path, bus: str, scale: Scale) -> AsyncIterator[Figure]:
    """Yield how long it takes until a client knows of a capture."""
    samples = await _samples(work, bus, scale)
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        ours = [_quantile(samples.ours, part)]
        yield Figure(
            name=f"notice, {name}",
            against="bare inotify to signal",
            ours=ours,
            theirs=[_quantile(samples.bare, part)],
        )
        # What is told is on the disk first, and cannot come sooner than that.
        yield Figure(
            name=f"notice, {name}, by a transaction",
            against="SQLite alone",
            ours=ours,
            theirs=[_quantile(samples.written, part)],
        )


async def _samples(work: Path, bus: str, scale: Scale) -> Samples:
    machine, samples = Machine(work / "notice"), Samples()
    bare_directory = work / "bare"
    bare_directory.mkdir()
    (work / "notice-journal").mkdir()
    async with (
        private_journal(work / "notice-journal") as journal,
        started(*journal.prefix, *kdumpd(machine.root, work / "notice-state", bus)),
        started(sys.executable, "-m", "bench.bare_watch", bus, str(bare_directory)),
        connect(bus) as client,
    ):
        ours_told = await client.listen(OBJECTS, "InterfacesAdded")
        bare_told = await client.listen(BARE, "Noticed")
        with bare_ledger(work / "bare.sqlite") as ledger:
            for number in range(scale.notices):
                stamp = f"{crash_at(number):%Y%m%d%H%M}"
                capture = machine.crash / stamp
                capture.mkdir()
                (capture / f"dmesg.{stamp}").write_bytes(b"[    0.0] died %d\n" % number)
                samples.ours.append(await _noticed(capture, number, ours_told))
                # The bare one need not learn of a new directory first.
                samples.bare.append(await _noticed(bare_directory, number, bare_told))
                samples.written.append(ledger.write(stamp))
    return samples


async def _noticed(directory: Path, number: int, told: asyncio.Queue[Signal]) -> float:
    """Return how many milliseconds it took until a client was told of a new core in a directory."""
    growing = directory / "dump-incomplete"
    growing.write_bytes(core_of(number))
    await asyncio.sleep(QUIET)
    while not told.empty():
        told.get_nowait()
    begun = time.perf_counter()
    growing.rename(directory / f"dump.{crash_at(number):%Y%m%d%H%M}")
    async with asyncio.timeout(LONGEST):
        await told.get()
    return (time.perf_counter() - begun) * MILLISECONDS


def _quantile(samples: list[float], part: float) -> float:
    """Return the sample below which this part of all lies."""
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * part))]
