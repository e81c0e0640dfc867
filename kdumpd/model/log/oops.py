# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of one oops, and what they say together."""

from collections.abc import Sequence
from dataclasses import replace

from kdumpd.model.crash_class import CrashClass
from kdumpd.model.crashlog.headlines import Kind
from kdumpd.model.log.headline import Headline

# Of several lines about one oops these say more than the others, whatever their order: a list's
# corruption ends in a BUG, a BUG in an invalid opcode, and KASAN saw the cause of what came after.
TELLING = (
    CrashClass.LIST_CORRUPTION,
    CrashClass.STACK_OVERFLOW,
    CrashClass.KASAN,
    CrashClass.KERNEL_BUG,
    CrashClass.NULL_DEREFERENCE,
)


def find_oops(marks: Sequence[Headline]) -> Headline | None:
    """Return the first line of the last oops, with the class that all its lines together give."""
    lines = _lines_of_last_oops(marks)
    if not lines:
        return None
    first = next((line for line in lines if line.sentence), lines[0])
    classes = [line.class_ for line in lines]
    known = [class_ for class_ in classes if class_ is not CrashClass.UNKNOWN]
    telling = [class_ for class_ in TELLING if class_ in classes]
    return replace(first, class_=next(iter((*telling, *known)), CrashClass.UNKNOWN))


def _lines_of_last_oops(marks: Sequence[Headline]) -> Sequence[Headline]:
    """Return the last oops' lines: those between its number and the number of the oops before."""
    lines: list[Headline] = []
    numbered = False
    for mark in reversed(marks):
        if lines and not mark.belongs(lines[-1]):
            break
        if mark.kind is Kind.DIE:
            if numbered or any(line.kind is Kind.OOPS for line in lines):
                break
            numbered = True
        if mark.kind in (Kind.OOPS, Kind.DIE) or _explains(mark):
            lines.append(mark)
    return lines[::-1] if any(line.kind in (Kind.OOPS, Kind.DIE) for line in lines) else []


def _explains(mark: Headline) -> bool:
    """Return whether a report or a later line is part of an oops that it stands beside."""
    return mark.kind is Kind.EXPLANATION or (
        mark.kind is Kind.REPORT and mark.class_ in (CrashClass.KASAN, CrashClass.NULL_DEREFERENCE)
    )
