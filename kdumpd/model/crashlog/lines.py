# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of a kernel log, and the one that names the task, the kernel and its taint."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kdumpd.model.text import USEC_PER_SEC, printable

MAX_LOG_BYTES = 4 << 20  # of a longer one the end is read: a kernel dies at the end of its log
MAX_LOG_LINES = 100_000
MAX_LINE_BYTES = 1024  # printk's own bound (kernel/printk/internal.h, PRINTKRB_RECORD_MAX)
# Lines without a time are a record's second lines, which whoever chose the text may have chosen
# (a task's name can hold a newline); this many of them make a log that has no times.
MAX_UNTIMED_PER_TIMED_LINE = 8

# printk's own prefix (kernel/printk/printk.c, info_print_prefix): <6>[    1.234567][   T107] text.
# dmesg and the journal put a space before the caller; syslog files add a date and the host's name.
PRINTK_PREFIX_PATTERN = (
    rb"(?:[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d \S{1,64} kernel: )?"
    rb"(?:<(\d{1,3})>)?"
    rb"(?:\[ {0,7}(\d{1,10})\.(\d{6})\](?: ?\[ {0,8}[TC]\d{1,8}\])?(?: |$))?"
)
# The number is priority + 8 * facility (RFC 5424, 6.2.1); facility 0 is the kernel's, which no
# program can write.
KERNEL_LEVEL_COUNT = 8
# kmsg_dump parts as pstore stores them (fs/pstore/platform.c, pstore_dump): Part1 is the newest.
PSTORE_PART_LINE = rb"(?:[A-Z][a-z]{2,10})#(\d{1,6}) Part(\d{1,6})\s*$"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that the kernel printed."""

    text: bytes  # after the prefix; leading blanks stay
    time: int | None = None  # microseconds since the boot


def parse_lines(log: bytes) -> Sequence[LogLine]:
    """Return the kernel's own lines in their order: no empty ones, none of user space."""
    raw = log[-MAX_LOG_BYTES:].replace(b"\0", b"").rsplit(b"\n", MAX_LOG_LINES)
    if len(raw) > MAX_LOG_LINES:
        del raw[0]  # all that is older
    prefix = re.compile(PRINTK_PREFIX_PATTERN)
    lines = [line for each in _parts_in_order(raw) if (line := _parse_line(prefix, each))]
    timed = [line for line in lines if line.time is not None]
    return timed if len(timed) * MAX_UNTIMED_PER_TIMED_LINE > len(lines) else lines


def _parse_line(prefix: re.Pattern[bytes], raw: bytes) -> LogLine | None:
    raw = raw[:MAX_LINE_BYTES].rstrip()
    match = prefix.match(raw)
    if match is None or match.end() == len(raw):
        return None
    level, seconds, fraction = match.groups()
    if level and int(level) >= KERNEL_LEVEL_COUNT:
        return None
    time = int(seconds) * USEC_PER_SEC + int(fraction) if seconds else None
    return LogLine(raw[match.end() :], time)


def _parts_in_order(raw: list[bytes]) -> list[bytes]:
    """Return the lines oldest first: stored parts may have been joined newest first."""
    if not re.match(PSTORE_PART_LINE, raw[0]):
        return raw
    parts: list[tuple[int, int, list[bytes]]] = []
    for line in raw:
        if (match := re.match(PSTORE_PART_LINE, line)) is not None:
            parts.append((int(match[1]), -int(match[2]), []))
        else:
            parts[-1][2].append(line)
    parts.sort(key=lambda part: part[:2])
    return [line for part in parts for line in part[2]]


# Documentation/admin-guide/tainted-kernels.rst (6.15). G is the absence of P.
TAINT_WORDS = {
    "P": "proprietary module",
    "F": "module loaded by force",
    "S": "processor out of specification",
    "R": "module removed by force",
    "M": "machine check",
    "B": "bad page",
    "U": "requested from user space",
    "D": "died before",
    "A": "ACPI table overridden",
    "W": "warned before",
    "C": "staging driver",
    "I": "firmware bug worked around",
    "O": "out-of-tree module",
    "E": "unsigned module",
    "L": "soft lockup before",
    "K": "live patched",
    "X": "distribution's own taint",
    "T": "structure layout randomised",
    "N": "test run",
    "J": "fwctl debugging",
}
NO_PROPRIETARY_MODULE = "G"


def taint_in_words(letters: str) -> str:
    """Return the letters of a Tainted: in words, followed by them; empty for no taint."""
    flags = dict.fromkeys(letter for letter in letters if letter.isalpha())
    words = [
        TAINT_WORDS.get(letter, f"unknown {letter}")
        for letter in flags
        if letter != NO_PROPRIETARY_MODULE
    ]
    if not words:
        return ""
    return f"{', '.join(words)} ({_spaced(''.join(flags))})"


def _spaced(letters: str) -> str:
    """Return the first letter, which tells of licences, apart as the kernel does."""
    return " ".join(part for part in (letters[:1], letters[1:]) if part)


MAX_COMMAND_BYTES = 16  # TASK_COMM_LEN
# The first kernels that name a loaded crash kernel here are of 2018; distributions took it
# further back. An older kernel's silence says nothing.
FIRST_LINUX_TO_SAY_ARMED = 5

# lib/dump_stack.c, dump_stack_print_info(); UID since 6.11; "Pid: 1, comm: init" before 3.10.
TASK_LINE = rb"(?:CPU: (\d{1,6}) (?:UID: \d{1,10} )?PID: (\d{1,10}) Comm: |Pid: (\d{1,10}), comm: )"
# A name can hold anything, " Not tainted" too: what comes last is the kernel's own. Only a name of
# one byte, with the words that follow it, is as short as a name that ends in them.
KDUMP_LOADED_SUFFIX = b" Kdump: loaded"
TASK_REST_PATTERN = (
    rb"(?s)(.{0,15}) (Kdump: loaded )?(?:Not tainted|Tainted: ([A-Z -]{1,80})) "
    rb"((\d{1,5})\.\S{1,60})"
)


@dataclass(frozen=True, slots=True)
class TaskLine:
    """Who was running, on what kernel."""

    cpu: int | None
    pid: int
    command: str
    tainted: str = ""
    armed: bool | None = None
    kernel_release: str = ""


def parse_task_line(line: LogLine) -> TaskLine | None:
    """Return what the line says, None for another line; armed is None where it cannot say it."""
    start = re.match(TASK_LINE, line.text)
    if start is None:
        return None
    cpu = int(start[1]) if start[1] else None
    pid = int(start[2] or start[3])
    rest = line.text[start.end() :]
    match = re.match(TASK_REST_PATTERN, rest)
    if match is None:  # the log ends here, or the name has a newline
        return TaskLine(cpu, pid, shown_command(rest))
    command, loaded, taint, release, major = match.groups()
    if command.endswith(KDUMP_LOADED_SUFFIX):
        command, loaded = command.removesuffix(KDUMP_LOADED_SUFFIX), KDUMP_LOADED_SUFFIX
    silent = None if int(major) < FIRST_LINUX_TO_SAY_ARMED else False
    return TaskLine(
        cpu,
        pid,
        shown_command(command),
        taint_in_words((taint or b"").decode("ascii")),
        True if loaded else silent,
        printable(release),
    )


def find_task_lines(lines: Sequence[LogLine], start: int, stop: int) -> Iterator[TaskLine]:
    """Return what the lines from start to stop say of who was running, in their order."""
    return (task for line in lines[start:stop] if (task := parse_task_line(line)) is not None)


def shown_command(name: bytes) -> str:
    """Return a task's name, which its user chose, so that it can be shown."""
    return printable(name[:MAX_COMMAND_BYTES])
