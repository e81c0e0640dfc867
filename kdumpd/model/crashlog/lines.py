# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of a kernel log, out of whatever form a tool left it in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kdumpd.model.text import MICROSECONDS

LONGEST_LOG = 4 << 20  # bytes; of a longer one the end is read: a kernel dies at the end of its log
MOST_LINES = 100_000
LONGEST_LINE = 1024  # bytes; printk's own bound (kernel/printk/internal.h, PRINTKRB_RECORD_MAX)
# Lines without a time are a record's second lines, which whoever chose the text may have chosen
# (a task's name can hold a newline); this many of them make a log that has no times.
UNTIMED_PER_TIMED = 8

# printk's own prefix (kernel/printk/printk.c, info_print_prefix): <6>[    1.234567][   T107] text.
# dmesg and the journal put a space before the caller; syslog files add a date and the host's name.
PREFIX = (
    rb"(?:[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d \S{1,64} kernel: )?"
    rb"(?:<(\d{1,3})>)?"
    rb"(?:\[ {0,7}(\d{1,10})\.(\d{6})\](?: ?\[ {0,8}[TC]\d{1,8}\])?(?: |$))?"
)
KERNEL_LEVELS = 8  # a record of user space has its facility above these bits (RFC 5424, 6.2.1)
# kmsg_dump parts as pstore stores them (fs/pstore/platform.c, pstore_dump): Part1 is the newest.
PART = rb"(?:[A-Z][a-z]{2,10})#(\d{1,6}) Part(\d{1,6})\s*$"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that the kernel printed."""

    text: bytes  # after the prefix; leading blanks stay
    time: int | None = None  # microseconds since the boot


def parse_lines(log: bytes) -> Sequence[LogLine]:
    """Return the kernel's own lines in their order: no empty ones, none of user space."""
    raw = log[-LONGEST_LOG:].replace(b"\0", b"").rsplit(b"\n", MOST_LINES)
    if len(raw) > MOST_LINES:
        del raw[0]  # all that is older
    prefix = re.compile(PREFIX)
    lines = [line for each in _parts_in_order(raw) if (line := _parse_line(prefix, each))]
    timed = [line for line in lines if line.time is not None]
    return timed if len(timed) * UNTIMED_PER_TIMED > len(lines) else lines


def _parse_line(prefix: re.Pattern[bytes], raw: bytes) -> LogLine | None:
    raw = raw[:LONGEST_LINE].rstrip()
    match = prefix.match(raw)
    if match is None or match.end() == len(raw):
        return None
    level, seconds, fraction = match.groups()
    if level and int(level) >= KERNEL_LEVELS:
        return None
    time = int(seconds) * MICROSECONDS + int(fraction) if seconds else None
    return LogLine(raw[match.end() :], time)


def _parts_in_order(raw: list[bytes]) -> list[bytes]:
    """Return the lines oldest first: stored parts may have been joined newest first."""
    if not re.match(PART, raw[0]):
        return raw
    parts: list[tuple[int, int, list[bytes]]] = []
    for line in raw:
        if (match := re.match(PART, line)) is not None:
            parts.append((int(match[1]), -int(match[2]), []))
        else:
            parts[-1][2].append(line)
    parts.sort(key=lambda part: part[:2])
    return [line for part in parts for line in part[2]]
