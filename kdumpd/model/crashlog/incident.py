# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the crash in a kernel log: the lines that belong to it, and its class.

An oops, a warning or an out-of-memory that the kernel outlived is not the cause of a panic hours
later. So a panic's own words say what kind of line can be its cause, and only a line of that kind
shortly before it is.

Users who may not write to the log still choose some of its bytes, newlines among them (the name of
a file whose program dies of a segmentation fault), and so whole lines that look like the kernel's.
What they cannot do is to come last: after its panic, or its last oops, a kernel runs nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kdumpd.model.crashlog.headlines import Headline, HeadlineKind, find_headlines
from kdumpd.model.crashlog.lines import LogLine, find_task_lines
from kdumpd.model.crashlog.trace import parse_trace
from kdumpd.model.vocabulary import CrashClass

# Of several lines about one oops these say more than the others, whatever their order: a list's
# corruption ends in a BUG, a BUG in an invalid opcode, and KASAN saw the cause of what came after.
CLASSES_BY_DETAIL = (
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
    telling = [class_ for class_ in CLASSES_BY_DETAIL if class_ in classes]
    return replace(first, class_=next(iter((*telling, *known)), CrashClass.UNKNOWN))


def _lines_of_last_oops(marks: Sequence[Headline]) -> Sequence[Headline]:
    """Return the last oops' lines: those between its number and the number of the oops before."""
    lines: list[Headline] = []
    numbered = False
    for mark in reversed(marks):
        if lines and not mark.belongs(lines[-1]):
            break
        if mark.kind is HeadlineKind.DIE:
            if numbered or any(line.kind is HeadlineKind.OOPS for line in lines):
                break
            numbered = True
        if mark.kind in (HeadlineKind.OOPS, HeadlineKind.DIE) or _explains(mark):
            lines.append(mark)
    return (
        lines[::-1]
        if any(line.kind in (HeadlineKind.OOPS, HeadlineKind.DIE) for line in lines)
        else []
    )


def _explains(mark: Headline) -> bool:
    """Return whether a report or a later line is part of an oops that it stands beside."""
    return mark.kind is HeadlineKind.EXPLANATION or (
        mark.kind is HeadlineKind.REPORT
        and mark.class_ in (CrashClass.KASAN, CrashClass.NULL_DEREFERENCE)
    )


# The kind of line that can tell more of such a panic; PANIC where it tells all by itself.
PANIC_RULES = (
    (CrashClass.SYSRQ, HeadlineKind.REQUEST, rb"sysrq triggered crash"),
    # kernel/panic.c, check_panic_on_warn(): "kernel: …", "KASAN: …" since 6.2
    (CrashClass.PANIC_ON_WARN, HeadlineKind.REPORT, rb"(?:.{1,40}: )?panic_on_warn set"),
    (CrashClass.KASAN, HeadlineKind.REPORT, rb"kasan\.fault=panic set"),
    (CrashClass.SOFT_LOCKUP, HeadlineKind.LOCKUP, rb"softlockup: hung tasks"),
    (CrashClass.HUNG_TASK, HeadlineKind.LOCKUP, rb"hung_task: blocked tasks"),
    (CrashClass.HARD_LOCKUP, HeadlineKind.LOCKUP, rb"(?:Watchdog detected )?[Hh]ard LOCKUP"),
    (CrashClass.RCU_STALL, HeadlineKind.LOCKUP, rb"RCU Stall"),
    # arch/x86/kernel/cpu/mce/core.c; drivers/acpi/apei/ghes.c; arch/arm64/kernel/traps.c
    (
        CrashClass.MACHINE_CHECK,
        HeadlineKind.HARDWARE,
        (
            rb"(?:Fatal |Uncorrected |Unrecoverable )?(?:local )?[Mm]achine [Cc]heck"
            rb"|Timeout: Not all CPUs entered broadcast exc|Timeout synchronizing machine check"
            rb"|Fatal hardware error|Processor context corrupt|Asynchronous SError Interrupt"
            rb"|\w{0,20} ?synchronous external abort"
        ),
    ),
    (CrashClass.NMI, HeadlineKind.NMI, rb"NMI|Non[ -]maskable|An NMI occurred"),
    (
        CrashClass.OUT_OF_MEMORY,
        HeadlineKind.PANIC,
        rb"Out of memory|out of memory|System is deadlocked on memory",
    ),
    (CrashClass.INIT_KILLED, HeadlineKind.OOPS, rb"Attempted to kill init"),
    (CrashClass.ROOT_NOT_MOUNTED, HeadlineKind.PANIC, rb"VFS: Unable to mount root fs"),
    (
        CrashClass.STACK_OVERFLOW,
        HeadlineKind.OOPS,
        rb"[Kk]ernel stack overflow|corrupted stack end|Corrupt kernel stack",
    ),
    (CrashClass.STACK_CORRUPTION, HeadlineKind.OOPS, rb"stack-protector: "),  # kernel/panic.c
    (CrashClass.USER_REQUEST, HeadlineKind.PANIC, rb"dumptest$"),  # drivers/misc/lkdtm/bugs.c
    # Machine halted is what follows a double fault.
    (CrashClass.DOUBLE_FAULT, HeadlineKind.OOPS, rb"Machine halted"),
)
# What a panic says that only follows an oops: alone it is no reason.
PANIC_AFTER_OOPS_PATTERN = (
    rb"(?:Oops[^:]{0,60}: )?Fatal exception|Aiee, killing interrupt|Attempted to kill the idle"
)


def panic_class(sentence: bytes) -> tuple[CrashClass, HeadlineKind]:
    """Return the class of a panic by its own words, and what kind of line can tell more of it.

    Words that are not known here may follow an oops, as some architectures' do.
    """
    for class_, kind, pattern in PANIC_RULES:
        if re.match(pattern, sentence):
            return class_, kind
    return CrashClass.UNKNOWN, HeadlineKind.OOPS


INIT_PID = 1
PANIC_FUNCTIONS = frozenset({b"panic", b"vpanic", b"nmi_panic"})  # kernel/panic.c


@dataclass(frozen=True, slots=True)
class Incident:
    """What a crash was, and the lines that tell of it."""

    class_: CrashClass
    cause: Headline  # the line that tells it best; the panic where nothing before it tells more
    start: int  # the first of its lines
    panic: int | None  # the line of its panic, where there is one
    hardware_error: bool


def find_incident(lines: Sequence[LogLine]) -> Incident | None:
    """Return the incident that the log ends with, None where it ends in peace."""
    marks = _of_this_boot(list(find_headlines(lines)))
    panic = _last(marks, HeadlineKind.PANIC)
    if panic is None or _went_on(lines, marks, panic):
        return _without_panic(lines, marks)
    before = [mark for mark in marks if mark.index < panic.index and mark.may_cause(panic)]
    class_, cause = _cause_of(panic, before, lines)
    hardware = [
        mark for mark in before if mark.kind is HeadlineKind.HARDWARE and mark.at_once(panic)
    ]
    return Incident(
        class_,
        cause,
        min([cause.index, *(mark.index for mark in hardware)]),
        panic.index,
        bool(hardware) or class_ is CrashClass.MACHINE_CHECK,
    )


def _went_on(lines: Sequence[LogLine], marks: Sequence[Headline], panic: Headline) -> bool:
    """Return whether an oops came after the panic, and not out of it: then it was none."""
    oops = _last(marks, HeadlineKind.DIE)
    if oops is None or oops.index < panic.index:
        return False
    return all(
        frame.function not in PANIC_FUNCTIONS
        for frame in parse_trace(lines, oops.index, len(lines))
    )


def _of_this_boot(marks: Sequence[Headline]) -> Sequence[Headline]:
    """Return the headlines of the boot that the log's last panic ended, or of the last one."""
    last = _last(marks, HeadlineKind.PANIC)
    boot = _last(
        [mark for mark in marks if last is None or mark.index < last.index], HeadlineKind.BOOT
    )
    return [mark for mark in marks if boot is None or mark.index > boot.index]


def _last(marks: Sequence[Headline], *kinds: HeadlineKind) -> Headline | None:
    return next((mark for mark in reversed(marks) if mark.kind in kinds), None)


def _cause_of(
    panic: Headline, before: Sequence[Headline], lines: Sequence[LogLine]
) -> tuple[CrashClass, Headline]:
    """Return what the panic was, and the line that tells it best."""
    class_, kind = panic_class(panic.sentence)
    if class_ is CrashClass.SYSRQ:
        return class_, _last(before, HeadlineKind.REQUEST) or panic
    cause: Headline | None = None
    if kind is HeadlineKind.REPORT:
        cause = _report(before)
    elif kind is HeadlineKind.LOCKUP:
        cause = _lockup([mark for mark in before if mark.class_ is class_])
    elif kind is HeadlineKind.NMI:
        cause = _last(
            [m for m in before if m.class_ is CrashClass.NMI],
            HeadlineKind.NMI,
            HeadlineKind.HARDWARE,
        )
    elif kind is HeadlineKind.OOPS:
        cause = _oops_before(panic, before, lines)
    if cause is None:
        return class_, panic
    return (class_ if cause.class_ is CrashClass.UNKNOWN else cause.class_), cause


def _oops_before(
    panic: Headline, before: Sequence[Headline], lines: Sequence[LogLine]
) -> Headline | None:
    """Return the oops that the panic follows: an unrelated one may be some seconds before."""
    oops = find_oops(before)
    if oops is None or re.match(PANIC_AFTER_OOPS_PATTERN, panic.sentence):
        return oops
    if panic_class(panic.sentence)[0] is CrashClass.INIT_KILLED:
        task = next(find_task_lines(lines, oops.index, panic.index), None)
        if task is None or task.pid != INIT_PID:
            return None
    return oops if oops.at_once(panic) else None


def _report(marks: Sequence[Headline]) -> Headline | None:
    """Return the last warning; what the kernel says of a list stands before the warning."""
    report = _last(marks, HeadlineKind.REPORT)
    lists = [mark for mark in marks if mark.class_ is CrashClass.LIST_CORRUPTION]
    if lists and (report is None or lists[-1].belongs(report)):
        return lists[-1]
    return report


def _lockup(marks: Sequence[Headline]) -> Headline | None:
    """Return the last lockup: of the tasks that one look found blocked, the first."""
    last = _last(marks, HeadlineKind.LOCKUP)
    if last is None or last.class_ is not CrashClass.HUNG_TASK:
        return last
    for mark in reversed(marks):
        if mark.class_ is CrashClass.HUNG_TASK and mark.at_once(last):
            last = mark
    return last


def _without_panic(lines: Sequence[LogLine], marks: Sequence[Headline]) -> Incident | None:
    """Return what a log ends with that has no panic: cut short, or straight to the crash kernel.

    An oops goes to a loaded crash kernel without a panic (kernel/kexec_core.c, crash_kexec).
    """
    if not lines:
        return None
    end = Headline(len(lines), lines[-1].time, HeadlineKind.PANIC, CrashClass.UNKNOWN, b"", {})
    near = [mark for mark in marks if mark.may_cause(end)]
    cause = (
        find_oops(near)
        or _last(near, HeadlineKind.REQUEST)
        or _report([mark for mark in near if mark.class_ is not CrashClass.PANIC_ON_WARN])
        or _lockup(near)
        or _last(near, HeadlineKind.NMI)
        or _last(
            [mark for mark in near if mark.class_ is CrashClass.MACHINE_CHECK],
            HeadlineKind.HARDWARE,
        )
        or _last(near, HeadlineKind.MEMORY)
    )
    if cause is None:
        return None
    hardware = any(mark.kind is HeadlineKind.HARDWARE for mark in near)
    return Incident(cause.class_, cause, cause.index, None, hardware)
