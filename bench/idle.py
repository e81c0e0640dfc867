# SPDX-License-Identifier: GPL-2.0-or-later
"""What a service does while nothing happens."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from bench.directory import machine_with
from bench.figure import Figure
from bench.scale import Scale
from bench.started import MILLISECONDS, activity, floor, kdumpd, started
from tests.support.journal import private_journal

SETTLING = 15.0  # seconds after READY that belong to the start
MINUTE = 60.0


async def measure(work: Path, bus: str, scale: Scale) -> AsyncIterator[Figure]:
    """Yield wake-ups and processor time in a minute of the idle daemon and the idle floor."""
    captures = max(number for number in scale.captures if number <= 100)
    (work / "idle-journal").mkdir()
    machine = machine_with(work / "idle", captures)
    command = kdumpd(machine.root, work / "idle-state", bus)
    async with (
        private_journal(work / "idle-journal") as journal,  # else each event is tried again
        started(*journal.prefix, *command) as ours,
        started(*floor(bus)) as bare,
    ):
        await asyncio.sleep(min(SETTLING, scale.idle_seconds))
        pids = ours.pid, bare.pid
        before = [activity(pid) for pid in pids]
        await asyncio.sleep(scale.idle_seconds)
        after = [activity(pid) for pid in pids]
    minutes = scale.idle_seconds / MINUTE
    wakeups = [(b.wakeups - a.wakeups) / minutes for a, b in zip(before, after, strict=True)]
    cpu = [
        (b.cpu_seconds - a.cpu_seconds) * MILLISECONDS / minutes
        for a, b in zip(before, after, strict=True)
    ]
    for name, unit, (mine, theirs) in (
        ("idle: wake-ups in a minute", "", wakeups),
        ("idle: processor time in a minute", "ms", cpu),
    ):
        yield Figure(name=name, against="the floor", unit=unit, ours=[mine], theirs=[theirs])
