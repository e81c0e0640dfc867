# SPDX-License-Identifier: GPL-2.0-or-later
"""A crashkernel= parameter in plain words, a line for every amount of RAM that it tells apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kdumpd.model.crashkernel.parse import RamRange, Ranges, boundaries, short_size, walk

MAX_EXPLAINED_RANGES = 64  # entries that are explained; a line of the boot loader has a handful
NOTHING_RESERVED = "nothing is reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One line of the explanation."""

    text: str
    applies: bool  # whether it is about a machine like this one


class _Span(NamedTuple):
    """RAM of `first` up to, but not including, `beyond` bytes, and whose size is reserved then."""

    first: int
    beyond: int | None
    entry: RamRange | None


def clauses_of(ranges: Ranges, ram: int) -> tuple[Clause, ...]:
    """Return how the whole parameter reads; one line is of this RAM, which is rounded up already.

    Nothing is returned for more than MAX_EXPLAINED_RANGES ranges.
    """
    if len(ranges.entries) > MAX_EXPLAINED_RANGES:
        return ()
    where = f" at {short_size(ranges.offset)}" if ranges.offset else ""
    spans = list(_spans(ranges))
    return (
        *(
            Clause(text=f"{_about(span)}: {_outcome(span, where)}", applies=_holds(span, ram))
            for span in spans
        ),
        *(Clause(text=text, applies=False) for text in _remarks(ranges, spans)),
    )


def _spans(ranges: Ranges) -> Iterator[_Span]:
    points = sorted(set(boundaries(ranges)))
    first, entry = 0, _granted(ranges, 0)
    for point in points[1:]:
        granted = _granted(ranges, point)
        if granted is not entry:
            yield _Span(first=first, beyond=point, entry=entry)
            first, entry = point, granted
    yield _Span(first=first, beyond=None, entry=entry)


def _granted(ranges: Ranges, ram: int) -> RamRange | None:
    """Return the entry whose size is reserved; None where nothing is."""
    match = walk(ranges, ram).match
    return match if match and match.size and not ranges.offset_complaint else None


def _holds(span: _Span, ram: int) -> bool:
    return span.first <= ram and (span.beyond is None or ram < span.beyond)


def _outcome(span: _Span, where: str) -> str:
    if span.entry is None:
        return NOTHING_RESERVED
    return f"{short_size(span.entry.size)} is reserved{where}"


def _about(span: _Span) -> str:
    """Say which RAM; a limit that is a size itself is one byte before or behind it."""
    begins = _above(span.first)
    if span.beyond is None:
        return (
            f"RAM {begins or f'of {short_size(span.first)} or more'}" if span.first else "any RAM"
        )
    above = _above(span.beyond)
    ends = f"up to {short_size(span.beyond - 1)}" if above else f"below {short_size(span.beyond)}"
    if not span.first:
        return f"RAM {ends}"
    return f"RAM {begins or f'from {short_size(span.first)}'} {'' if above else 'to '}{ends}"


def _above(limit: int) -> str:
    # What is behind a size, which is a multiple of some unit, is odd.
    return f"above {short_size(limit - 1)}" if limit % 2 and limit > 1 else ""


def _remarks(ranges: Ranges, spans: list[_Span]) -> Iterator[str]:
    entries = () if ranges.offset_complaint else ranges.entries
    for entry in entries:
        if not any(span.entry is entry for span in spans):
            yield f"{entry.text} never applies, because {_never(ranges, entry)}"
        elif _held_up(ranges, entry):
            yield f"{entry.text} applies only if it and every size before it is below the RAM"
    if ranges.complaint:
        yield f"the kernel cannot read the rest: {ranges.complaint}"
    if ranges.offset_complaint:
        yield f"the kernel cannot read the place, so {NOTHING_RESERVED}: {ranges.offset_complaint}"


def _never(ranges: Ranges, entry: RamRange) -> str:
    if not entry.size:
        return "it asks for nothing"
    if entry.end - 1 <= entry.size:
        return "a size must be smaller than the RAM"
    if walk(ranges, max(entry.start, entry.size + 1)).stop is not None:
        return "a larger size before it must be smaller than the RAM, too"
    return "the ranges before it cover all of its RAM"


def _held_up(ranges: Ranges, entry: RamRange) -> bool:
    """Return whether RAM of this entry is refused for a size, its own or one before it."""
    return any(
        entry.holds(point) and walk(ranges, point).stop is not None for point in boundaries(ranges)
    )
