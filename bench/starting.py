# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a start takes until READY, of that on a processor, and how much memory it has then."""

import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from bench.directory import machine_with
from bench.figure import Figure
from bench.scale import Scale
from bench.started import MILLISECONDS, floor, kdumpd, memory, started

Sample = tuple[float, float, float, float]  # milliseconds, those on a processor, RSS and PSS in MiB
NAMES = (("READY", "ms"), ("READY by processor time", "ms"), ("RSS", "MiB"), ("PSS", "MiB"))


async def measure(work: Path, bus: str, scale: Scale) -> AsyncIterator[Figure]:
    """Yield how long a start takes and what it needs, with more and more captures."""
    for captures in scale.captures:
        machine = machine_with(work / f"machine-{captures}", captures)
        state = work / f"state-{captures}"
        command = kdumpd(machine.root, state, bus)
        async with started(*command):
            pass  # what was found the first time is known from then on
        ours, bare = [], []
        for _ in range(scale.repeats):
            bare.append(await _sample(*floor(bus)))
            ours.append(await _sample(*command))
        with_ = f"{captures} captures" if captures else "no captures"
        for at, (name, unit) in enumerate(NAMES):
            yield Figure(
                name=f"{name}, {with_}",
                against="the floor",
                unit=unit,
                ours=[one[at] for one in ours],
                theirs=[one[at] for one in bare],
            )


async def _sample(*command: str) -> Sample:
    """Return what a start took; the service stops at READY, so that nothing after it counts."""
    before = _processor_time_of_children()
    async with started(*command) as service:
        service.process.send_signal(signal.SIGSTOP)
        sizes = memory(service.pid)
        service.process.kill()
    taken = _processor_time_of_children() - before
    return service.seconds * MILLISECONDS, taken * MILLISECONDS, *sizes


def _processor_time_of_children() -> float:
    """Return the seconds of all children that have ended, and of theirs (getrusage(2))."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
