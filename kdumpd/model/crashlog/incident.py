# SPDX-License-Identifier: GPL-2.0-or-later
"""The last incident in a kernel log: where it begins, and what it was.

An oops, a warning or an out-of-memory that the kernel outlived is not the cause of a panic hours
later. So a panic's own words say what kind of line can be its cause, and only a line of that kind
shortly before it is.

Users who may not write to the log still choose some of its bytes, newlines among them (the name of
a file whose program dies of a segmentation fault), and so whole lines that look like the kernel's.
What they cannot do is to come last: after its panic, or its last oops, a kernel runs nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kdumpd.model.crash_class import CrashClass
from kdumpd.model.crashlog.headlines import Kind
from kdumpd.model.crashlog.lines import Line
from kdumpd.model.crashlog.task import find_task_lines
from kdumpd.model.crashlog.trace import parse_trace
from kdumpd.model.log.headline import Headline, find_headlines
from kdumpd.model.log.oops import find_oops
from kdumpd.model.log.panic_class import AFTER_AN_OOPS, panic_class

INIT = 1
PANICKING = frozenset({b"panic", b"vpanic", b"nmi_panic"})  # kernel/panic.c


@dataclass(frozen=True, slots=True)
class Incident:
    """What a crash was, and the lines that tell of it."""

    class_: CrashClass
    cause: Headline  # the line that tells it best; the panic where nothing before it tells more
    start: int  # the first of its lines
    panic: int | None  # the line of its panic, where there is one
    hardware_error: bool


def find_incident(lines: Sequence[Line]) -> Incident | None:
    """Return the incident that the log ends with, None where it ends in peace."""
    marks = _of_this_boot(list(find_headlines(lines)))
    panic = _last(marks, Kind.PANIC)
    if panic is None or _went_on(lines, marks, panic):
        return _without_panic(lines, marks)
    before = [mark for mark in marks if mark.index < panic.index and mark.may_cause(panic)]
    class_, cause = _cause_of(panic, before, lines)
    hardware = [mark for mark in before if mark.kind is Kind.HARDWARE and mark.at_once(panic)]
    return Incident(
        class_,
        cause,
        min([cause.index, *(mark.index for mark in hardware)]),
        panic.index,
        bool(hardware) or class_ is CrashClass.MACHINE_CHECK,
    )


def _went_on(lines: Sequence[Line], marks: Sequence[Headline], panic: Headline) -> bool:
    """Return whether an oops came after the panic, and not out of it: then it was none."""
    oops = _last(marks, Kind.DIE)
    if oops is None or oops.index < panic.index:
        return False
    return all(
        frame.function not in PANICKING for frame in parse_trace(lines, oops.index, len(lines))
    )


def _of_this_boot(marks: Sequence[Headline]) -> Sequence[Headline]:
    """Return the headlines of the boot that the log's last panic ended, or of the last one."""
    last = _last(marks, Kind.PANIC)
    boot = _last([mark for mark in marks if last is None or mark.index < last.index], Kind.BOOT)
    return [mark for mark in marks if boot is None or mark.index > boot.index]


def _last(marks: Sequence[Headline], *kinds: Kind) -> Headline | None:
    return next((mark for mark in reversed(marks) if mark.kind in kinds), None)


def _cause_of(
    panic: Headline, before: Sequence[Headline], lines: Sequence[Line]
) -> tuple[CrashClass, Headline]:
    """Return what the panic was, and the line that tells it best."""
    class_, kind = panic_class(panic.sentence)
    if class_ is CrashClass.SYSRQ:
        return class_, _last(before, Kind.REQUEST) or panic
    cause: Headline | None = None
    if kind is Kind.REPORT:
        cause = _report(before)
    elif kind is Kind.LOCKUP:
        cause = _lockup([mark for mark in before if mark.class_ is class_])
    elif kind is Kind.NMI:
        cause = _last([m for m in before if m.class_ is CrashClass.NMI], Kind.NMI, Kind.HARDWARE)
    elif kind is Kind.OOPS:
        cause = _oops_before(panic, before, lines)
    if cause is None:
        return class_, panic
    return (class_ if cause.class_ is CrashClass.UNKNOWN else cause.class_), cause


def _oops_before(
    panic: Headline, before: Sequence[Headline], lines: Sequence[Line]
) -> Headline | None:
    """Return the oops that the panic follows: an unrelated one may be some seconds before."""
    oops = find_oops(before)
    if oops is None or re.match(AFTER_AN_OOPS, panic.sentence):
        return oops
    if panic_class(panic.sentence)[0] is CrashClass.INIT_KILLED:
        task = next(find_task_lines(lines, oops.index, panic.index), None)
        if task is None or task.pid != INIT:
            return None
    return oops if oops.at_once(panic) else None


def _report(marks: Sequence[Headline]) -> Headline | None:
    """Return the last warning; what the kernel says of a list stands before the warning."""
    report = _last(marks, Kind.REPORT)
    lists = [mark for mark in marks if mark.class_ is CrashClass.LIST_CORRUPTION]
    if lists and (report is None or lists[-1].belongs(report)):
        return lists[-1]
    return report


def _lockup(marks: Sequence[Headline]) -> Headline | None:
    """Return the last lockup: of the tasks that one look found blocked, the first."""
    last = _last(marks, Kind.LOCKUP)
    if last is None or last.class_ is not CrashClass.HUNG_TASK:
        return last
    for mark in reversed(marks):
        if mark.class_ is CrashClass.HUNG_TASK and mark.at_once(last):
            last = mark
    return last


def _without_panic(lines: Sequence[Line], marks: Sequence[Headline]) -> Incident | None:
    """Return what a log ends with that has no panic: cut short, or straight to the capture kernel.

    An oops goes to a loaded capture kernel without a panic (kernel/kexec_core.c, crash_kexec).
    """
    if not lines:
        return None
    end = Headline(len(lines), lines[-1].time, Kind.PANIC, CrashClass.UNKNOWN, b"", {})
    near = [mark for mark in marks if mark.may_cause(end)]
    cause = (
        find_oops(near)
        or _last(near, Kind.REQUEST)
        or _report([mark for mark in near if mark.class_ is not CrashClass.PANIC_ON_WARN])
        or _lockup(near)
        or _last(near, Kind.NMI)
        or _last([mark for mark in near if mark.class_ is CrashClass.MACHINE_CHECK], Kind.HARDWARE)
        or _last(near, Kind.MEMORY)
    )
    if cause is None:
        return None
    hardware = any(mark.kind is Kind.HARDWARE for mark in near)
    return Incident(cause.class_, cause, cause.index, None, hardware)
