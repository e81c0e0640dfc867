# SPDX-License-Identifier: GPL-2.0-or-later
"""The form with ranges, START-[END]:SIZE[,...][@OFFSET] (parse_crashkernel_mem)."""

from collections.abc import Iterator
from dataclasses import dataclass

from kdumpd.model.crashkernel.memparse import MASK, memparse_at
from kdumpd.model.text import printable

LONGEST = 40  # characters of somebody's text in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One range: with RAM of `start` up to, but not including, `end` bytes, `size` is reserved."""

    start: int
    end: int  # MASK where there is none
    size: int
    text: str

    def holds(self, ram: int) -> bool:
        """Return whether the RAM lies in this range."""
        return self.start <= ram < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """The entries that can be read, and what is wrong behind them."""

    entries: tuple[Entry, ...]
    complaint: str  # empty where nothing is wrong
    offset: int  # bytes, 0 for none
    offset_complaint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Where the kernel, which takes the entries in order, comes to an end."""

    match: Entry | None = None  # whose size is reserved
    stop: Entry | None = None  # whose size is not smaller than the RAM: nothing is reserved
    unreadable: bool = False  # the RAM is in none of the entries before the text that is wrong


def parse_ranges(value: bytes) -> Ranges:
    """Return what the value says; any bytes will do."""
    entries: list[Entry] = []
    position, complaint = 0, ""
    while not complaint:
        found = _parse_entry(value, position)
        if isinstance(found, str):
            complaint = found
        else:
            entry, position = found
            entries.append(entry)
            if value[position : position + 1] != b",":
                break
            position += 1
    # No entry reaches beyond an @: the offset is the same whichever of them counts.
    at = value.find(b"@")
    offset, end = memparse_at(value, at + 1) if at >= 0 else (0, -1)
    return Ranges(
        entries=tuple(entries),
        complaint=complaint,
        offset=offset,
        offset_complaint="a number is missing behind '@'" if end == at + 1 else "",
    )


def walk(ranges: Ranges, ram: int) -> Walk:
    """Return what comes of this much RAM, which is rounded up already."""
    for entry in ranges.entries:
        if entry.size >= ram:
            return Walk(stop=entry)
        if entry.holds(ram):
            return Walk(match=entry)
    return Walk(unreadable=bool(ranges.complaint))


def excerpt(text: bytes) -> str:
    """Return somebody's text for a sentence: printable, and not too long."""
    return printable(text) if len(text) <= LONGEST else printable(text[:LONGEST]) + "..."


def _parse_entry(value: bytes, begin: int) -> tuple[Entry, int] | str:
    bounds = _parse_bounds(value, begin)
    if isinstance(bounds, str):
        return bounds
    start, end, colon = bounds
    if value[colon : colon + 1] != b":":
        return _missing("':'", value, colon)
    size, after = memparse_at(value, colon + 1)
    if after == colon + 1:
        return _missing("a size", value, after)
    return Entry(start=start, end=end, size=size, text=excerpt(value[begin:after])), after


def _parse_bounds(value: bytes, begin: int) -> tuple[int, int, int] | str:
    """Return start, end and where they end."""
    start, minus = memparse_at(value, begin)
    if minus == begin:
        return _missing("a number", value, begin)
    if value[minus : minus + 1] != b"-":
        return _missing("'-'", value, minus)
    if value[minus + 1 : minus + 2] == b":":
        return start, MASK, minus + 1
    end, after = memparse_at(value, minus + 1)
    if after == minus + 1:
        return _missing("a number or ':'", value, after)
    if end <= start:
        return f"a range ends before it begins in '{excerpt(value[begin:after])}'"
    return start, end, after


def _missing(what: str, value: bytes, position: int) -> str:
    rest = value[position:]
    return (
        f"{what} is missing before '{excerpt(rest)}'" if rest else f"{what} is missing at the end"
    )


def boundaries(ranges: Ranges) -> Iterator[int]:
    """Yield every amount of RAM from which on something else may come of it."""
    yield 0
    for entry in ranges.entries:
        yield entry.start
        yield entry.size + 1
        if entry.end != MASK:
            yield entry.end
