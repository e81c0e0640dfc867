# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep the front of an unpacked core in a file without a name, gone with this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kdumpd.observe.cores.source import CoreError

FOLDERS = ("/var/tmp", "/tmp")  # noqa: S108 - what lies there has no name that others could take
MOST_KEPT = 1 << 30  # bytes of disk
KEPT_IN_MEMORY = 64 << 20  # bytes, where no folder has room
SHARE = 4  # at most this part of a folder's room is taken


class Spool:
    """A source of what was written to it, as far as it was kept."""

    whole = True

    def __init__(self, fd: int, most: int) -> None:
        self.fd = fd
        self.size = 0  # also of what was not kept
        self._most = most

    @property
    def complete(self) -> bool:
        """Whether all was kept."""
        return self.size <= self._most

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Keep the data, if it belongs to the front."""
        self.size = max(self.size, offset + len(data))
        kept = data[: max(0, self._most - offset)]
        while kept:
            try:
                written = os.pwrite(self.fd, kept, offset)
            except OSError:  # no space is left: what is there must do
                self._most = min(self._most, offset)
                return
            offset += written
            kept = kept[written:]

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes, zeros where nothing was written; else CoreError."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise CoreError(f"ends at {self.size} bytes unpacked, before {offset + length}")
        if offset + length > self._most:
            raise CoreError(f"is unpacked too large to be judged here ({self.size} bytes)")
        data = os.pread(self.fd, length, offset)
        # A record that was not kept, as the disk was full, can have left the file shorter.
        return data.ljust(length, b"\0")


@contextmanager
def opened_spool(most: int = MOST_KEPT) -> Iterator[Spool]:
    """Give a spool that keeps at most so many bytes, fewer where there is less room."""
    spool = _on_disk(most) or Spool(os.memfd_create("core"), min(most, KEPT_IN_MEMORY))
    try:
        yield spool
    finally:
        os.close(spool.fd)


def _on_disk(most: int) -> Spool | None:
    for folder in FOLDERS:
        try:
            fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:
            continue
        room = os.fstatvfs(fd)
        share = room.f_bavail * room.f_frsize // SHARE
        if share >= KEPT_IN_MEMORY:
            return Spool(fd, min(most, share))
        os.close(fd)
    return None
