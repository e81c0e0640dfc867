# SPDX-License-Identifier: GPL-2.0-or-later
"""What crashed, out of the kernel log of a crash."""

import hashlib
import re
from collections.abc import Sequence

from kdumpd.model.crashlog.headlines import Headline
from kdumpd.model.crashlog.incident import Incident, find_incident
from kdumpd.model.crashlog.lines import (
    LogLine,
    TaskLine,
    find_task_lines,
    parse_lines,
    shown_command,
)
from kdumpd.model.crashlog.scrub import plain_sentence
from kdumpd.model.crashlog.trace import (
    Frame,
    blocked_frames,
    is_dying,
    own_frames,
    parse_trace,
    plain_name,
    program_counter_index,
)
from kdumpd.model.text import printable
from kdumpd.model.vocabulary import Crash, CrashClass

MAX_SIGNATURE_FRAMES = 6  # as many as ABRT takes
SIGNATURE_DIGITS = 16
NUMBER_WORD_PATTERN = r"\w*\d\w*"
# No function is to blame: all of them are one crash.
CLASSES_SIGNED_BY_CLASS = frozenset(
    {CrashClass.SYSRQ, CrashClass.OUT_OF_MEMORY, CrashClass.ROOT_NOT_MOUNTED}
)
# Where the kernel was is chance, or always the same: the reason tells them apart.
CLASSES_SIGNED_BY_REASON = frozenset(
    {CrashClass.NMI, CrashClass.MACHINE_CHECK, CrashClass.INIT_KILLED}
)


def signature(class_: CrashClass, functions: Sequence[bytes], reason: str) -> str:
    """Return the same 16 hex digits for the same crash, whatever the boot; empty for nothing known.

    It is made from the class and the innermost functions, or from the reason without its numbers
    where there are none; out of memory, sysrq and a missing root are each one crash.
    """
    if class_ in CLASSES_SIGNED_BY_CLASS:
        parts = [b""]
    elif functions and class_ not in CLASSES_SIGNED_BY_REASON:
        parts = list(functions[:MAX_SIGNATURE_FRAMES])
    elif reason:
        kept = (
            reason if class_ is CrashClass.INIT_KILLED else re.sub(NUMBER_WORD_PATTERN, "", reason)
        )
        parts = [kept.encode()]
    else:
        return ""
    return hashlib.sha256(b"\n".join([class_.encode(), *parts])).hexdigest()[:SIGNATURE_DIGITS]


MAX_INCIDENT_LINES = 2000  # of one incident
SYSRQ_FUNCTION = b"sysrq_handle_crash"
SYSRQ_REASON = "sysrq: Trigger a crash"  # drivers/tty/sysrq.c; "SysRq : " until 5.0
CUT_HERE_LINE = b"------------[ cut here ]------------"
BANNER_LINE = rb"Linux version (\S{1,64}) \("  # init/version.c, linux_banner
MAX_LINES_BEFORE_BANNER = 10  # from the beginning of the log
# No function is to blame for these.
CLASSES_WITHOUT_FUNCTION = frozenset(
    {
        CrashClass.SYSRQ,
        CrashClass.OUT_OF_MEMORY,
        CrashClass.INIT_KILLED,
        CrashClass.ROOT_NOT_MOUNTED,
    }
)
# These say where a processor was in the registers, and before that may show other tasks.
CLASSES_OF_A_PROCESSOR = frozenset(
    {CrashClass.SOFT_LOCKUP, CrashClass.HARD_LOCKUP, CrashClass.RCU_STALL, CrashClass.MACHINE_CHECK}
)


def parse_kernel_log(log: bytes) -> Crash:
    """Return what the log tells, as much as it tells; bytes that are no log give an empty Crash."""
    lines = parse_lines(log)
    incident = find_incident(lines)
    if incident is None:
        return Crash(kernel_release=_kernel_release(lines, ()))
    trace = _trace(lines, incident)
    by_hand = any(frame.function == SYSRQ_FUNCTION for frame in trace)
    class_ = CrashClass.SYSRQ if by_hand else incident.class_
    frames = [] if class_ in CLASSES_WITHOUT_FUNCTION else _frames(class_, incident.cause, trace)
    where = frames[0] if frames else Frame(b"")
    reason = SYSRQ_REASON if by_hand else plain_sentence(_reason(lines, incident.cause))
    stop = incident.start + MAX_INCIDENT_LINES
    tasks = list(find_task_lines(lines, incident.start, stop))
    command, pid = _task(incident.cause, tasks)
    return Crash(
        class_=class_,
        reason=reason,
        function=where.function.decode("ascii"),
        module=where.module.decode("ascii"),
        command=command,
        pid=pid,
        tainted=tasks[0].tainted if tasks else "",
        armed=next((task.armed for task in tasks if task.armed is not None), None),
        hardware_error=incident.hardware_error,
        kernel_release=_kernel_release(lines, tasks),
        moment=incident.cause.time,
        signature=signature(class_, [frame.function for frame in frames], reason),
    )


def _trace(lines: Sequence[LogLine], incident: Incident) -> Sequence[Frame]:
    stop = len(lines)
    start = incident.start
    if incident.class_ in CLASSES_OF_A_PROCESSOR:
        start = program_counter_index(
            lines, start, stop if incident.panic is None else incident.panic
        )
    return parse_trace(lines, start, stop)


def _frames(class_: CrashClass, cause: Headline, trace: Sequence[Frame]) -> Sequence[Frame]:
    """Return the crash's own functions, the one to blame first."""
    frames = own_frames(trace)
    if class_ is CrashClass.HUNG_TASK:
        frames = blocked_frames(frames)
    function, module = (cause.details.get(name, b"") for name in ("function", "module"))
    named = Frame(plain_name(function), plain_name(module))
    if class_ is CrashClass.KCSAN:  # either side of the race may be the one that noticed
        other = Frame(plain_name(cause.details.get("other", b"")))
        return sorted((frame for frame in (named, other) if frame.function), key=_name)
    if named.function and not is_dying(named.function) and named not in frames:
        return [named, *frames]
    return frames


def _name(frame: Frame) -> bytes:
    return frame.function


def _reason(lines: Sequence[LogLine], cause: Headline) -> bytes:
    """Return the kernel's sentence; a warning's own stands between its marks."""
    if cause.class_ is CrashClass.PANIC_ON_WARN and cause.index > 1:
        mark, message = lines[cause.index - 2].text, lines[cause.index - 1].text
        if mark == CUT_HERE_LINE:
            return message
    function = plain_name(cause.details.get("function", b""))
    if "place" in cause.details:
        return cause.sentence + b" at " + cause.details["place"] + b" " + function
    return cause.sentence + (function if cause.sentence.endswith(b" in ") else b"")


def _task(cause: Headline, tasks: Sequence[TaskLine]) -> tuple[str, int | None]:
    """Return whose task it was: the one that the headline names, or that ran on its processor."""
    if "comm" in cause.details and "pid" in cause.details:
        return shown_command(cause.details["comm"]), int(cause.details["pid"])
    cpu = int(cause.details.get("cpu", b"-1"))
    task = next((task for task in tasks if task.cpu == cpu), tasks[0] if tasks else None)
    return (task.command, task.pid) if task else ("", None)


def _kernel_release(lines: Sequence[LogLine], tasks: Sequence[TaskLine]) -> str:
    """Return which kernel it was: its first line says it, and who was running when it died."""
    told = (
        match
        for line in lines[:MAX_LINES_BEFORE_BANNER]
        if (match := re.match(BANNER_LINE, line.text))
    )
    first = next(told, None)
    if first is not None:
        return printable(first[1])
    return next((task.kernel_release for task in tasks if task.kernel_release), "")
