# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a start takes until READY, and how much memory the service has then."""

from collections.abc import AsyncIterator
from pathlib import Path

from bench.figure import Figure
from bench.folder import machine_with
from bench.scale import Scale
from bench.started import MILLISECONDS, floor, kdumpd, memory, started

Sample = tuple[float, float, float]  # milliseconds, RSS and PSS in MiB
NAMES = (("READY", "ms"), ("RSS", "MiB"), ("PSS", "MiB"))


async def measure(work: Path, bus: str, scale: Scale) -> AsyncIterator[Figure]:
    """Yield how long a start takes and what it needs, with more and more captures."""
    for captures in scale.captures:
        machine = machine_with(work / f"machine-{captures}", captures)
        state = work / f"state-{captures}"
        command = kdumpd(machine.root, state, bus)
        await _sample(*command)  # what was found the first time is known from then on
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
    async with started(*command) as service:
        return service.seconds * MILLISECONDS, *memory(service.pid)
