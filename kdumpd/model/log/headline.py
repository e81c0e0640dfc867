# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines with which a kernel says that something is wrong."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from kdumpd.model.crash_class import CrashClass
from kdumpd.model.crashlog.headlines import RULES_OF, Kind
from kdumpd.model.crashlog.lines import Line
from kdumpd.model.time import MICROSECONDS

RULES = tuple(
    (kind, class_, rb"(?s)" + pattern)
    for kind, rules in RULES_OF.items()
    for class_, pattern in rules
)
# Without one of these words no rule matches, and most lines of a log have none.
HINT = (
    rb"Kernel panic - |Linux version |Trigger a crash|BUG|Unable to handle kernel |Failing address"
    rb"|list_(?:add|del) |PANIC: |Insufficient stack|Thread overran|KASAN: |UBSAN: |WARNING: "
    rb"|LOCKUP|INFO: |invoked oom-killer|Hardware Error|NMI|\[#\d"
)
FIRST_PAGE = 0x1000  # a fault in it is a dereference of NULL (arch/powerpc and s390, mm/fault.c)


@dataclass(frozen=True, slots=True)
class Distance:
    """How far apart the lines of one incident may be."""

    seconds: int
    lines: int  # where the log has no times


# A slow console delays a panic by the hundreds of lines of the report before it.
CAUSE = Distance(seconds=60, lines=500)
AT_ONCE = Distance(seconds=5, lines=300)
TOGETHER = Distance(seconds=2, lines=200)


@dataclass(frozen=True, slots=True)
class Headline:
    """A line that names what is wrong."""

    index: int  # among the log's lines
    time: int | None  # microseconds
    kind: Kind
    class_: CrashClass
    sentence: bytes  # without the addresses and options that follow it
    details: Mapping[str, bytes]  # what else it says: function, module, place, comm, pid, cpu

    def may_cause(self, panic: Self) -> bool:
        """Return whether the line is as near to a panic as its cause is."""
        return self._is_within(CAUSE, panic)

    def at_once(self, other: Self) -> bool:
        """Return whether nothing else can have come between the two."""
        return self._is_within(AT_ONCE, other)

    def belongs(self, other: Self) -> bool:
        """Return whether the two can be lines of one report."""
        return self._is_within(TOGETHER, other)

    def _is_within(self, distance: Distance, other: Self) -> bool:
        if self.time is None or other.time is None:
            return abs(self.index - other.index) <= distance.lines
        return abs(self.time - other.time) <= distance.seconds * MICROSECONDS


def find_headlines(lines: Sequence[Line]) -> Iterator[Headline]:
    """Return the lines that name something wrong, in the log's order."""
    hint = re.compile(HINT)
    for index, line in enumerate(lines):
        if hint.search(line.text) and (headline := parse_headline(index, line)) is not None:
            yield headline


def parse_headline(index: int, line: Line) -> Headline | None:
    """Return what the line names as wrong, None for nothing."""
    for kind, class_, pattern in RULES:
        if (match := re.match(pattern, line.text)) is not None:
            details = {name: text for name, text in match.groupdict().items() if text is not None}
            say = details.pop("say")
            null = int(details.get("address", b"1000"), 16) < FIRST_PAGE
            kept = CrashClass.NULL_DEREFERENCE if null else class_
            return Headline(index, line.time, kind, kept, say, details)
    return None
