# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that nobody may open, and the proof that nobody did.

inotify(7) watches the file itself, not its name: an open by whatever name, link or process is seen,
of a regular file, a directory and what lies in it, a FIFO or a device; without any privilege.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.cores import Crash, kdump

EVENT = struct.Struct("iIII")
IN_OPEN, IN_Q_OVERFLOW, IN_DONT_FOLLOW = 0x20, 0x4000, 0x2000000
IN_NONBLOCK = os.O_NONBLOCK
MOST_BYTES = 1 << 20
RELEASE = "6.6.6-bait"  # of the core in each: it would be listed if it were read


class Baits:
    """What is watched, and what of it was opened."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._paths: dict[int, bytes] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)

    def watch(self, path: Path | bytes) -> None:
        """Watch what has this name now, not what a link leads to."""
        name = os.fsencode(path)
        number = self._libc.inotify_add_watch(self._fd, name, IN_OPEN | IN_DONT_FOLLOW)
        if number < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), name)
        self._paths[number] = name

    def opened(self) -> list[bytes]:
        """Return what was opened since this was last asked; files in a directory by their names."""
        found = []
        while content := self._read():
            at = 0
            while at < len(content):
                number, mask, _, length = EVENT.unpack_from(content, at)
                assert not mask & IN_Q_OVERFLOW
                name = content[at + EVENT.size :][:length].rstrip(b"\0")
                if mask & IN_OPEN:
                    found.append(self._paths[number] + b"/" * bool(name) + name)
                at += EVENT.size + length
        return found

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, MOST_BYTES)
        except BlockingIOError:
            return b""


@contextmanager
def baits() -> Iterator[Baits]:
    """Give a watch that ends with the context."""
    fd = ctypes.CDLL(None, use_errno=True).inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    try:
        yield Baits(fd)
    finally:
        os.close(fd)


class Bait:
    """A directory outside the machine's root with a core and logs that look wanted."""

    NAMES = ("vmcore", "vmcore-dmesg.txt", "dump.202611230113", "dmesg.202611230113", "dmesg.txt")

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "vmcore"
        directory.mkdir()
        for name in self.NAMES:
            (directory / name).write_bytes(
                b"bait" if "dmesg" in name else kdump(Crash(release=RELEASE))
            )
            (directory / name).chmod(0o600)

    def guard(self, baits: Baits) -> None:
        """Watch the directory and each file."""
        for path in (self.directory, *self.directory.iterdir()):
            baits.watch(path)
