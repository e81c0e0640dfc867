# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes at offsets: what the readers of cores read, a file or the inside of a flattened one."""

import os
from typing import Protocol

MAX_FILE_BYTES = (1 << 63) - 1  # loff_t
MAX_VMCOREINFO_BYTES = 1 << 16  # the kernel's own is one page (include/linux/vmcore_info.h)


class CoreError(Exception):
    """A core cannot be read further; the text says what is wrong with it."""


def check_place(offset: int, length: int) -> None:
    """Raise CoreError for bytes that lie where no file has any."""
    if offset < 0 or length < 0 or offset + length > MAX_FILE_BYTES:
        raise CoreError("is damaged: it names a place that no file can have")


class Source(Protocol):
    """Something with a size and bytes at offsets."""

    size: int
    whole: bool  # whether all of it can be seen

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes; CoreError when they are not all there."""


class FileSource:
    """An open regular file; its size is taken once, so that one look judges one length."""

    whole = True

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.size = os.fstat(fd).st_size
        # Without readahead: what is looked at lies far apart, and a core is not read whole.
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes; CoreError when the file does not hold them."""
        check_place(offset, length)
        if offset + length > self.size:
            raise CoreError(f"ends at {self.size} bytes, before {offset + length}")
        try:
            data = os.pread(self._fd, length, offset)
        except OSError as error:
            raise CoreError(f"cannot be read: {error.strerror}") from error
        if len(data) != length:
            raise CoreError("became shorter while it was read")
        return data
