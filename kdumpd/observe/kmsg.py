# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the kernel's ring buffer, from its beginning as far as it still has it."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

MOST_RECORDS = 20000  # CONFIG_LOG_BUF_SHIFT is 18 or so: a few thousand records
LONGEST_RECORD = 8192  # include/linux/printk.h, PRINTK_MESSAGE_MAX is 2048
MOST_BYTES = 1 << 22  # of a file that stands for the device
DEVICE = os.makedev(1, 11)  # Documentation/admin-guide/devices.txt
# Documentation/ABI/testing/dev-kmsg: priority and facility, number, time, flags; more may follow.
RECORD = rb"([0-9]{1,4}),[0-9]{1,20},[0-9]{1,20},[^;\n]{0,200};([^\n]*)"
ESCAPE = rb"\\x([0-9a-f]{2})"
FACILITIES = 8  # a step of them in the first number; 0 is the kernel's, which no program can write


def read_kmsg(path: Path) -> Iterator[str]:
    """Yield the kernel's own messages from /dev/kmsg, or from a file that has its records.

    OSError where it may not be read: that takes CAP_SYSLOG if kernel.dmesg_restrict is 1.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(fd)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == DEVICE:
            records = _records(fd)
        elif stat.S_ISREG(status.st_mode):
            records = iter(os.read(fd, MOST_BYTES).splitlines())
        else:
            records = iter(())
        for record in records:
            if (text := parse_record(record)) is not None:
                yield text
    finally:
        os.close(fd)


def parse_record(record: bytes) -> str | None:
    """Return the message of a record, None where it is none or not the kernel's own."""
    match = re.match(RECORD, record)
    if match is None or int(match[1]) >= FACILITIES:
        return None
    text = re.sub(ESCAPE, lambda escape: bytes.fromhex(escape[1].decode()), match[2])
    return text.decode("utf-8", "backslashreplace")


def _records(fd: int) -> Iterator[bytes]:
    for _ in range(MOST_RECORDS):
        try:
            record = os.read(fd, LONGEST_RECORD)
        except OSError as error:
            if error.errno == errno.EPIPE:  # overwritten; the next one comes next
                continue
            if error.errno == errno.EAGAIN:  # that was the last one
                return
            raise
        if not record:
            return
        yield record
