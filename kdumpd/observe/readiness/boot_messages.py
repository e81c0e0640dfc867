# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what the kernel said of its memory and its crash kernel at this boot."""

import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from kdumpd.model.formats.boot_messages import parse_reservation_log
from kdumpd.model.readiness.facts import BootLog, LogSource
from kdumpd.model.time import EPOCH
from kdumpd.observe.files import Files
from kdumpd.observe.kernel_journal import FOLDERS, read_journal
from kdumpd.observe.kmsg import read_kmsg

KMSG, DMESG = "dev/kmsg", "var/log/dmesg"
LARGEST_DMESG = 1 << 22  # bytes
LARGEST_STAT = 1 << 22  # bytes; a line for each processor, and one for the interrupts
BEGAN = rb"(?m)^btime ([0-9]{1,12})$"
BOOT_ID = r"[0-9a-f]{32}"
# mm/mm_init.c, mem_init_print_info(): all that is reserved is reserved by then.
MEMORY_IS_UP = r"Memory: [0-9]{1,20}K/[0-9]{1,20}K available"
# As dmesg writes it, or journalctl -k -o short-monotonic, which adds the host and "kernel:".
STAMPED = rb"\[ {0,8}[0-9]{1,12}\.[0-9]{1,9}\] (?:[^ ]{1,255} kernel: )?(.*)"


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
        found = parse_reservation_log(_early(lines))
        if found.areas or found.complaints or found.system_ram is not None:
            return BootLog(source=source, log=found)
    return None


def _early(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if re.match(MEMORY_IS_UP, line):
            return


def _of_journal(files: Files) -> Iterator[str]:
    text = files.text("proc/sys/kernel/random/boot_id")
    boot_id = text.replace("-", "") if isinstance(text, str) else ""
    if not re.fullmatch(BOOT_ID, boot_id):
        return
    for folder in FOLDERS:
        path = files.resolve(folder)
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
    content = files.content(DMESG, LARGEST_DMESG)
    status = files.status(DMESG)
    began = read_boot_time(files)
    if not isinstance(content, bytes) or not isinstance(status, os.stat_result) or began is None:
        return
    lines = [match[1] for line in content.splitlines() if (match := re.match(STAMPED, line))]
    release = files.content("proc/sys/kernel/osrelease")
    cmdline = files.content("proc/cmdline")
    if not isinstance(release, bytes) or not isinstance(cmdline, bytes):
        return
    signs = (b"Linux version " + release.strip() + b" ", b"ommand line: " + cmdline.strip())
    of_this_boot = all(any(sign in one for one in lines) for sign in signs)
    if of_this_boot and status.st_mtime >= began.timestamp():
        yield from (line.decode("utf-8", "backslashreplace") for line in lines)


def read_boot_time(files: Files) -> datetime | None:
    """Return when the boot that runs began (proc_stat(5), btime), None where it is not told."""
    content = files.content("proc/stat", LARGEST_STAT)
    match = re.search(BEGAN, content) if isinstance(content, bytes) else None
    try:
        return EPOCH + timedelta(seconds=int(match[1])) if match else None
    except OverflowError:
        return None
