# SPDX-License-Identifier: GPL-2.0-or-later
"""Crashes that come soon after one another: told of once for all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from kdumpd.model.boots.record import CrashLoop

MANY, SOON = 3, timedelta(minutes=30)  # so many crashes within this time are a loop
MOST_LOOPS = 16  # that are remembered


class CrashTime(NamedTuple):
    """When a kernel crashed, and an id for the crash."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class NewLoop:
    """A loop that was not known, and how many crashes it has so far."""

    loop: CrashLoop
    crashes: int


def with_loops(
    known: Sequence[CrashLoop], crashes: Iterable[CrashTime]
) -> tuple[tuple[CrashLoop, ...], tuple[NewLoop, ...]]:
    """Return the loops, the newest first, and of them the new ones, the oldest first.

    A known loop to which more crashes belong is the same loop.
    """
    loops, new = list(known), []
    for members in _runs(sorted(set(crashes))):
        first, last = members[0], members[-1]
        same = next((one for one in loops if _overlap(one, first.at, last.at)), None)
        if same is None:
            loop = CrashLoop(id=first.id, first=first.at, last=last.at)
            loops.append(loop)
            new.append(NewLoop(loop, len(members)))
        elif last.at > same.last:
            loops[loops.index(same)] = replace(same, last=last.at)
    loops.sort(key=lambda one: one.last, reverse=True)
    return tuple(loops[:MOST_LOOPS]), tuple(new)


def _runs(crashes: Sequence[CrashTime]) -> list[Sequence[CrashTime]]:
    """Return the crashes that are in loops, those of each loop together."""
    runs: list[tuple[int, int]] = []
    for start in range(len(crashes) - MANY + 1):
        stop = start + MANY
        if crashes[stop - 1].at - crashes[start].at > SOON:
            continue
        if runs and start < runs[-1][1]:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((start, stop))
    return [crashes[start:stop] for start, stop in runs]


def _overlap(loop: CrashLoop, first: datetime, last: datetime) -> bool:
    return first <= loop.last and last >= loop.first
