# SPDX-License-Identifier: GPL-2.0-or-later
"""From the rename that ends a dump to the signal at a client."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench.figure import Figure
from bench.folder import core_of, crash_at
from bench.scale import Scale
from bench.started import MILLISECONDS, kdumpd, started
from kdumpd.bus import connect
from kdumpd.call import Signal, Target
from tests.bus.machine import Machine
from tests.services.journal import private_journal

OBJECTS = Target("org.kdumpd1", "/org/kdumpd1", "org.freedesktop.DBus.ObjectManager")
BARE = Target("org.bare.Watch", "/org/bare", "org.bare.Watch")
LONGEST = 60.0  # seconds
QUIET = 0.3  # seconds after one and before the next, so that each is noticed by itself


async def measure(work: Path, bus: str, scale: Scale) -> AsyncIterator[Figure]:
    """Yield how long it takes until a client knows of a capture."""
    machine = Machine(work / "notice")
    bare_folder = work / "bare"
    bare_folder.mkdir()
    ours: list[float] = []
    bare: list[float] = []
    (work / "notice-journal").mkdir()
    async with (
        private_journal(work / "notice-journal") as journal,
        started(*journal.prefix, *kdumpd(machine.root, work / "notice-state", bus)),
        started(sys.executable, "-m", "bench.bare_watch", bus, str(bare_folder)),
        connect(bus) as client,
    ):
        ours_told = await client.listen(OBJECTS, "InterfacesAdded")
        bare_told = await client.listen(BARE, "Noticed")
        for number in range(scale.notices):
            stamp = f"{crash_at(number):%Y%m%d%H%M}"
            capture = machine.crash / stamp
            capture.mkdir()
            (capture / f"dmesg.{stamp}").write_bytes(b"[    0.0] died %d\n" % number)
            ours.append(await _noticed(capture, number, ours_told))
            # The bare one need not learn of a new folder first.
            bare.append(await _noticed(bare_folder, number, bare_told))
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        yield Figure(
            name=f"notice, {name}",
            against="bare inotify to signal",
            ours=[_quantile(ours, part)],
            theirs=[_quantile(bare, part)],
        )


async def _noticed(folder: Path, number: int, told: asyncio.Queue[Signal]) -> float:
    """Return how many milliseconds it took until a client was told of a new core in a folder."""
    growing = folder / "dump-incomplete"
    growing.write_bytes(core_of(number))
    await asyncio.sleep(QUIET)
    while not told.empty():
        told.get_nowait()
    begun = time.perf_counter()
    growing.rename(folder / f"dump.{crash_at(number):%Y%m%d%H%M}")
    async with asyncio.timeout(LONGEST):
        await told.get()
    return (time.perf_counter() - begun) * MILLISECONDS


def _quantile(samples: list[float], part: float) -> float:
    """Return the sample below which this part of all lies."""
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * part))]
