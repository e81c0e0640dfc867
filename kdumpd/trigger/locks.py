# SPDX-License-Identifier: GPL-2.0-or-later
"""Read which files of package managers are locked: they are at work then."""

import re
from collections.abc import Iterator

from kdumpd.model.readiness.finding import Fact
from kdumpd.observe.files import Files

# dpkg and apt (apt-get(8), "FILES" of dpkg(1)); rpm before and after it moved its database.
LOCK_FILES = (
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/lock",
    "var/lib/apt/lists/lock",
    "var/cache/apt/archives/lock",
    "var/lib/rpm/.rpm.lock",
    "usr/lib/sysimage/rpm/.rpm.lock",
)
LOCKS = "proc/locks"
MOST = 4 << 20  # bytes; a database may hold thousands of locks
# proc_locks(5): the numbers of the device are hexadecimal, the inode is decimal. What waits for a
# lock has an arrow before its kind.
HELD = rb"^\d+: (?:POSIX|FLOCK|OFDLCK) .* ([0-9a-f]+):([0-9a-f]+):(\d+) \S+ \S+$"

Inode = tuple[int, int, int]  # major, minor, inode


def read_locks(files: Files) -> Fact[tuple[str, ...]]:
    """Return the lock files that somebody holds a lock on; no right to the files is needed."""
    content = files.content(LOCKS, MOST)
    if not isinstance(content, bytes):
        return content
    held = {inode for *_, inode in parse_locks(content)}
    return tuple(name for name in LOCK_FILES if _inode(files, name) in held)


def parse_locks(table: bytes) -> Iterator[Inode]:
    """Yield the device and inode of each file that somebody holds a lock on."""
    for line in table.splitlines():
        match = re.match(HELD, line)
        if match:
            yield int(match[1], 16), int(match[2], 16), int(match[3])


def _inode(files: Files, name: str) -> int | None:
    # Without the device: that of a subvolume of btrfs is another in stat(2) than in /proc/locks
    # (btrfs_getattr gives the subvolume's own, fs/locks.c the file system's). A file of the same
    # number elsewhere that is locked as well is rare, and only a reason to look.
    status = files.status(name)
    return getattr(status, "st_ino", None)
