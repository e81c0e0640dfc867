# SPDX-License-Identifier: GPL-2.0-or-later
"""The line that names the task, the kernel and its taint."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kdumpd.model.crashlog.lines import LogLine
from kdumpd.model.text import printable

# Documentation/admin-guide/tainted-kernels.rst (6.15). G is the absence of P.
WORDS = {
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
        WORDS.get(letter, f"unknown {letter}")
        for letter in flags
        if letter != NO_PROPRIETARY_MODULE
    ]
    if not words:
        return ""
    return f"{', '.join(words)} ({_spaced(''.join(flags))})"


def _spaced(letters: str) -> str:
    """Return the first letter, which tells of licences, apart as the kernel does."""
    return " ".join(part for part in (letters[:1], letters[1:]) if part)


LONGEST_COMMAND = 16  # bytes, TASK_COMM_LEN
# The first kernels that name a loaded crash kernel here are of 2018; distributions took it
# further back. An older kernel's silence says nothing.
FIRST_TO_SAY_ARMED = 5

# lib/dump_stack.c, dump_stack_print_info(); UID since 6.11; "Pid: 1, comm: init" before 3.10.
START = rb"(?:CPU: (\d{1,6}) (?:UID: \d{1,10} )?PID: (\d{1,10}) Comm: |Pid: (\d{1,10}), comm: )"
# A name can hold anything, " Not tainted" too: what comes last is the kernel's own. Only a name of
# one byte, with the words that follow it, is as short as a name that ends in them.
LOADED = b" Kdump: loaded"
REST = (
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
    start = re.match(START, line.text)
    if start is None:
        return None
    cpu = int(start[1]) if start[1] else None
    pid = int(start[2] or start[3])
    rest = line.text[start.end() :]
    match = re.match(REST, rest)
    if match is None:  # the log ends here, or the name has a newline
        return TaskLine(cpu, pid, shown_command(rest))
    command, loaded, taint, release, major = match.groups()
    if command.endswith(LOADED):
        command, loaded = command.removesuffix(LOADED), LOADED
    silent = None if int(major) < FIRST_TO_SAY_ARMED else False
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
    return printable(name[:LONGEST_COMMAND])
