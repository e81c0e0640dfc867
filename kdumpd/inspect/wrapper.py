# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpack a compressed core as a stream: how large it gets does not matter to the memory.

A stream may be several, one after another; each must end as its format says (RFC 1952, bzip2, the
.xz file format, the frame formats of LZ4 and of RFC 8878).
"""

import bz2
import lzma
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from kdumpd.inspect.pieces import PIECE, read_pieces
from kdumpd.inspect.words import limit_words, opened_words, with_last_words
from kdumpd.observe.cores.source import CoreError

PATH = "/usr/bin:/bin"
GZIP_WINDOW = 31  # zlib's: with a gzip header, and the largest window
MOST_XZ_MEMORY = 256 << 20  # bytes; xz -9 needs 65 MiB
PROGRAMS = {"lz4": "lz4", "zstd": "zstd"}  # by the wrapper's name, as Debian's packages
PADDED = {"gzip", "xz"}  # zeros may follow a stream, from tapes and in multiples of four bytes
PATIENCE = 10  # seconds for a program to end that has nothing left to do


class Decompressor(Protocol):
    """What bz2 and lzma have."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing more to return before more is put in."""

    @property
    def unused_data(self) -> bytes:
        """What was put in behind the stream's end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes."""


class GzipDecompressor:
    """zlib's, in the manner of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(GZIP_WINDOW)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        """What was put in behind the stream's end."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes."""
        unpacked = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # A full piece may be all that there was, but more may also wait inside.
        self.needs_input = not self._zlib.unconsumed_tail and len(unpacked) < max_length
        return unpacked


DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {
    "gzip": GzipDecompressor,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_XZ_MEMORY),
}


@contextmanager
def unpacked(fd: int, wrapper: str) -> Iterator[Iterator[bytes]]:
    """Give the bytes inside, piece by piece; CoreError where the wrapper is not whole.

    The descriptor is read from its beginning, and stands anywhere afterwards.
    """
    if wrapper in DECOMPRESSORS:
        yield _unpacked_here(fd, wrapper)
        return
    program = shutil.which(PROGRAMS[wrapper], path=PATH)
    if program is None:
        raise CoreError(f"is compressed by {wrapper}: install {PROGRAMS[wrapper]} to look inside")
    os.lseek(fd, 0, os.SEEK_SET)
    with (
        opened_words() as words,
        subprocess.Popen(  # noqa: S603 - a fixed program with fixed arguments
            [program, "-dc"], stdin=fd, stdout=subprocess.PIPE, stderr=words
        ) as process,
    ):
        limit_words(process.pid)
        try:
            yield _printed(process, wrapper, words)
        finally:
            process.kill()


def _unpacked_here(fd: int, wrapper: str) -> Iterator[bytes]:
    decompressor = DECOMPRESSORS[wrapper]()
    for piece in read_pieces(fd):
        data = piece
        while data or not decompressor.needs_input:
            if decompressor.eof:
                data = data.lstrip(b"\0") if wrapper in PADDED else data
                if not data:
                    break
                decompressor = DECOMPRESSORS[wrapper]()
            try:
                inside = decompressor.decompress(data, PIECE)
            except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
                raise CoreError(f"is damaged: its {wrapper} stream is broken") from error
            data = decompressor.unused_data if decompressor.eof else b""
            if inside:
                yield inside
    if not decompressor.eof:
        raise CoreError(f"was cut off: its {wrapper} stream has no end")


def _printed(process: subprocess.Popen[bytes], wrapper: str, words: int) -> Iterator[bytes]:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    while piece := process.stdout.read(PIECE):
        yield piece
    if process.wait(PATIENCE) != 0:
        problem = f"is cut off or damaged: its {wrapper} stream does not end well"
        raise CoreError(with_last_words(problem, words))
