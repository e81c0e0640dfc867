# SPDX-License-Identifier: GPL-2.0-or-later
"""A core as it streams by: pieces of bytes, of which none is seen twice."""

import os
from collections.abc import Iterator

from kdumpd.observe.cores.source import CoreError

PIECE = 1 << 20  # bytes read or unpacked at once


def read_pieces(fd: int) -> Iterator[bytes]:
    """Yield an open file's bytes from the first to the last; CoreError when it cannot be read."""
    at = 0
    while piece := _read(fd, at):
        at += len(piece)
        yield piece


class Stream:
    """Takes as many bytes at once as are asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.at = 0  # bytes taken so far
        self._pieces = pieces
        self._piece = memoryview(b"")

    def take(self, length: int) -> bytes:
        """Return so many bytes, fewer only at the end; for small lengths."""
        return b"".join(self.parts(length))

    def parts(self, length: int | None = None) -> Iterator[memoryview]:
        """Yield so many bytes in parts, fewer only at the end; all that are left without a length.

        CoreError when the stream breaks off.
        """
        left = length
        while left is None or left > 0:
            if not self._piece:
                self._piece = memoryview(next(self._pieces, b""))
            part = self._piece[:left]
            if not part:
                return
            self._piece = self._piece[len(part) :]
            self.at += len(part)
            if left is not None:
                left -= len(part)
            yield part


def _read(fd: int, at: int) -> bytes:
    try:
        return os.pread(fd, PIECE, at)
    except OSError as error:
        raise CoreError(f"cannot be read: {error.strerror}") from error
