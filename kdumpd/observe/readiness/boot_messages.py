# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what the kernel said at this boot, from its ring buffer or the journal."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from systemd import journal

from kdumpd.model.boots.journal import early_messages
from kdumpd.model.formats.boot_messages import parse_reservation_log
from kdumpd.model.readiness.facts import BootLog, LogSource
from kdumpd.model.text import EPOCH
from kdumpd.observe.files import BOOT_ID, CMDLINE, OSRELEASE, Files

MAX_KMSG_RECORDS = 20000  # CONFIG_LOG_BUF_SHIFT is 18 or so: a few thousand records
MAX_KMSG_RECORD_BYTES = 8192  # include/linux/printk.h, PRINTK_MESSAGE_MAX is 2048
MAX_KMSG_BYTES = 1 << 22  # of a file that stands for the device
KMSG_DEVICE = os.makedev(1, 11)  # Documentation/admin-guide/devices.txt
# Documentation/ABI/testing/dev-kmsg: priority and facility, number, time, flags; more may follow.
KMSG_RECORD_PATTERN = rb"([0-9]{1,4}),[0-9]{1,20},[0-9]{1,20},[^;\n]{0,200};([^\n]*)"
KMSG_ESCAPE_PATTERN = rb"\\x([0-9a-f]{2})"
# The first number is priority + 8 * facility; facility 0 is the kernel's, which no program can
# write.
FIRST_USER_PRIORITY = 8


def read_kmsg(path: Path) -> Iterator[str]:
    """Yield the kernel's own messages from /dev/kmsg, or from a file that has its records.

    OSError where it may not be read: that takes CAP_SYSLOG if kernel.dmesg_restrict is 1.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(fd)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == KMSG_DEVICE:
            records = _records(fd)
        elif stat.S_ISREG(status.st_mode):
            records = iter(os.read(fd, MAX_KMSG_BYTES).splitlines())
        else:
            records = iter(())
        for record in records:
            if (text := parse_record(record)) is not None:
                yield text
    finally:
        os.close(fd)


def parse_record(record: bytes) -> str | None:
    """Return the message of a record, None where it is none or not the kernel's own."""
    match = re.match(KMSG_RECORD_PATTERN, record)
    if match is None or int(match[1]) >= FIRST_USER_PRIORITY:
        return None
    text = re.sub(KMSG_ESCAPE_PATTERN, lambda escape: bytes.fromhex(escape[1].decode()), match[2])
    return text.decode("utf-8", "backslashreplace")


def _records(fd: int) -> Iterator[bytes]:
    for _ in range(MAX_KMSG_RECORDS):
        try:
            record = os.read(fd, MAX_KMSG_RECORD_BYTES)
        except OSError as error:
            if error.errno == errno.EPIPE:  # overwritten; the next one comes next
                continue
            if error.errno == errno.EAGAIN:  # that was the last one
                return
            raise
        if not record:
            return
        yield record


JOURNAL_DIRECTORIES = ("var/log/journal", "run/log/journal")
MAX_JOURNAL_ENTRIES = 3000  # what is of interest stands among the first few hundred of a boot


def read_journal(directory: Path, boot_id: str) -> Iterator[str]:
    """Yield the kernel's messages of one boot, oldest first, and the first few thousand only.

    `boot_id` has 32 hexadecimal digits. Nothing comes from a directory that is not there, that may
    not be read or whose files are no journals; OSError and ValueError may come from a damaged one.
    """
    with closing(journal.Reader(path=str(directory))) as reader:
        # journald sets both fields itself: no program can write them (systemd.journal-fields(7)).
        reader.add_match(_TRANSPORT="kernel", _BOOT_ID=boot_id)
        reader.seek_head()
        for _ in range(MAX_JOURNAL_ENTRIES):
            entry = reader.get_next()
            if not entry:
                return
            message = entry.get("MESSAGE")
            if isinstance(message, str):  # bytes where it is no UTF-8
                yield message


KMSG, DMESG = "dev/kmsg", "var/log/dmesg"
MAX_DMESG_BYTES = 1 << 22
MAX_PROC_STAT_BYTES = 1 << 22  # a line for each processor, and one for the interrupts
BTIME_LINE = rb"(?m)^btime ([0-9]{1,12})$"
# As dmesg writes it, or journalctl -k -o short-monotonic, which adds the host and "kernel:".
TIMESTAMPED_LINE = rb"\[ {0,8}[0-9]{1,12}\.[0-9]{1,9}\] (?:[^ ]{1,255} kernel: )?(.*)"


def read_boot_log(files: Files) -> BootLog | None:
    """Return what the log of this boot says, None where no source of it says anything.

    The journal comes first, as it keeps what the ring buffer has lost; then the ring buffer, then
    the file that Debian and Ubuntu keep of it. Who may read none of them learns nothing: that is
    no fault of the machine.
    """
    for source, lines in (
        (LogSource.JOURNAL, _of_journal(files)),
        (LogSource.KMSG, _of_kmsg(files)),
        (LogSource.DMESG, _of_dmesg(files)),
    ):
        found = parse_reservation_log(early_messages(lines))
        if found.areas or found.complaints or found.system_ram is not None:
            return BootLog(source=source, log=found)
    return None


def _of_journal(files: Files) -> Iterator[str]:
    boot_id = files.id_digits(BOOT_ID)
    if not boot_id:
        return
    for directory in JOURNAL_DIRECTORIES:
        path = files.resolve(directory)
        if not path.is_dir():
            continue
        try:
            yield from read_journal(path, boot_id)
        except (OSError, ValueError):
            continue  # damaged, or not ours to read


def _of_kmsg(files: Files) -> Iterator[str]:
    try:
        yield from read_kmsg(files.resolve(KMSG))
    except OSError:
        return  # not there, or not ours to read


def _of_dmesg(files: Files) -> Iterator[str]:
    """Yield the lines of a saved log, if it can be no other boot's than this one's.

    It was written since this boot began (btime of /proc/stat), and it names this kernel's release
    and, byte by byte, this boot's command line.
    """
    content = files.content(DMESG, MAX_DMESG_BYTES)
    status = files.status(DMESG)
    began = read_boot_time(files)
    if not isinstance(content, bytes) or not isinstance(status, os.stat_result) or began is None:
        return
    lines = [
        match[1] for line in content.splitlines() if (match := re.match(TIMESTAMPED_LINE, line))
    ]
    release = files.content(OSRELEASE)
    cmdline = files.content(CMDLINE)
    if not isinstance(release, bytes) or not isinstance(cmdline, bytes):
        return
    signs = (b"Linux version " + release.strip() + b" ", b"ommand line: " + cmdline.strip())
    of_this_boot = all(any(sign in one for one in lines) for sign in signs)
    if of_this_boot and status.st_mtime >= began.timestamp():
        yield from (line.decode("utf-8", "backslashreplace") for line in lines)


def read_boot_time(files: Files) -> datetime | None:
    """Return when the boot that runs began (proc_stat(5), btime), None where it is not told."""
    content = files.content("proc/stat", MAX_PROC_STAT_BYTES)
    match = re.search(BTIME_LINE, content) if isinstance(content, bytes) else None
    try:
        return EPOCH + timedelta(seconds=int(match[1])) if match else None
    except OverflowError:
        return None
