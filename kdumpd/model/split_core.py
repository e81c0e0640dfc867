# SPDX-License-Identifier: GPL-2.0-or-later
"""A core in several files (`makedumpfile --split`): whole when its parts cover all of memory."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kdumpd.model.captures.core import CoreFacts, Part
from kdumpd.model.text import shown

Named = tuple[bytes, CoreFacts]  # a part's file, and what it proves


def joined(parts: Sequence[Named]) -> CoreFacts:
    """Return what the parts, one at least, prove together; the first wrong thing is the problem."""
    facts = next((facts for _, facts in parts if facts.identity), parts[0][1])
    problem = next(_problems(parts), "")
    return replace(facts, complete=not problem, problem=problem, part=None)


def _problems(parts: Sequence[Named]) -> Iterator[str]:
    for name, facts in parts:
        if facts.problem:
            yield f"has '{shown(name)}', which {facts.problem}"
        elif facts.part is None:
            yield f"has '{shown(name)}', which is no part of a split core"
    first, known = parts[0]
    for name, facts in parts[1:]:
        if facts.identity != known.identity or _frames(facts) != _frames(known):
            yield f"has '{shown(name)}', which is of another crash than '{shown(first)}'"
    for gap in _gaps([facts.part for _, facts in parts if facts.part is not None]):
        yield f"{_absent(parts)}page frames {gap.start} to {gap.end} of {gap.frames} are missing"


def _gaps(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield which page frames no part holds."""
    reached, frames = 0, max((part.frames for part in parts), default=0)
    for part in sorted(parts, key=lambda one: one.start):
        if part.start > reached:
            yield Part(start=reached, end=part.start, frames=frames)
        reached = max(reached, part.end)
    if reached < frames:
        yield Part(start=reached, end=frames, frames=frames)


def _absent(parts: Sequence[Named]) -> str:
    """Return which file is not there, as far as the numbers in the names tell."""
    stems = {match[1] for name, _ in parts if (match := re.fullmatch(rb"(.*\.)\d+", name))}
    present = {name for name, _ in parts}
    for stem in stems:
        for number in range(1, len(parts) + 2):
            name = b"%s%d" % (stem, number)
            if name not in present:
                return f"has no '{shown(name)}': "
    return "is a part of a split core: "


def _frames(facts: CoreFacts) -> int:
    return facts.part.frames if facts.part else 0
