# SPDX-License-Identifier: GPL-2.0-or-later
"""How much is measured: all of it, what gives a first idea, or what shows that it can be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How often, how long and how many."""

    repeats: int
    captures: tuple[int, ...]  # in the crash directory of a daemon that starts
    looked_at: tuple[int, ...]  # captures in a directory that is looked at
    objects: int
    notices: int
    idle_seconds: float
    rivals: bool = True
    large: int = 8 << 30  # bytes of a sparse core


FULL = Scale(
    repeats=7,
    captures=(0, 100, 10_000),
    looked_at=(10_000, 100_000),
    objects=10_000,
    notices=300,
    idle_seconds=300.0,
)
QUICK = Scale(
    repeats=3,
    captures=(0, 100),
    looked_at=(10_000,),
    objects=10_000,
    notices=100,
    idle_seconds=62.0,
    rivals=False,
)
TINY = Scale(
    repeats=1,
    captures=(0, 3),
    looked_at=(3,),
    objects=3,
    notices=3,
    idle_seconds=0.2,
    rivals=False,
    large=1 << 30,
)
