# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a core as a stream, unpacked or reassembled, into a spool, and judge it.

Of a program that unpacks, the last line on its stderr says what is wrong.
"""

import bz2
import lzma
import os
import resource
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from kdumpd.model.captures.core import CoreFacts, Format, joined
from kdumpd.model.crashlog.scrub import plain_sentence
from kdumpd.observe.cores import flattened
from kdumpd.observe.cores.core import MAGIC_BYTES, judge, no_end_record, parse_magic
from kdumpd.observe.cores.flattened import END_RECORD, MAX_RECORD_BYTES, RECORD_HEADER
from kdumpd.observe.cores.source import CoreError, check_place

PIECE_BYTES = 1 << 20  # read or unpacked at once


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
        return os.pread(fd, PIECE_BYTES, at)
    except OSError as error:
        raise CoreError(f"cannot be read: {error.strerror}") from error


MAX_STDERR_BYTES = 1 << 16  # who writes more is ended
MAX_STDERR_READ_BYTES = 4096  # from the end
ZSTD_STDIN_NAME = b"/*stdin*\\"  # as zstd names it


@contextmanager
def opened_words() -> Iterator[int]:
    """Give a file in memory to be a program's stderr."""
    fd = os.memfd_create("words")
    try:
        yield fd
    finally:
        os.close(fd)


def limit_words(pid: int) -> None:
    """Let a program write only so much to files; pipes are none."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (MAX_STDERR_BYTES, MAX_STDERR_BYTES))


def with_last_words(problem: str, words: int) -> str:
    """Return the problem with the last line that the program has said, fit for everybody's eyes."""
    size = os.fstat(words).st_size
    content = os.pread(words, MAX_STDERR_READ_BYTES, max(0, size - MAX_STDERR_READ_BYTES))
    last = plain_sentence(content.strip().rpartition(b"\n")[2].replace(ZSTD_STDIN_NAME, b"stdin"))
    return f"{problem}: {last}" if last else problem


DECOMPRESSOR_PATH = "/usr/bin:/bin"
GZIP_WINDOW_BITS = 31  # zlib's: with a gzip header, and the largest window
MAX_XZ_MEMORY_BYTES = 256 << 20  # xz -9 needs 65 MiB
DECOMPRESSOR_PROGRAMS = {"lz4": "lz4", "zstd": "zstd"}  # named as Debian's packages
# Zeros may follow a stream, from tapes and in multiples of four bytes.
PADDED_WRAPPERS = {"gzip", "xz"}
DECOMPRESSOR_END_TIMEOUT_S = 10  # for a program to end that has nothing left to do


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
        self._zlib = zlib.decompressobj(GZIP_WINDOW_BITS)
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
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY_BYTES),
}


@contextmanager
def unpacked(fd: int, wrapper: str) -> Iterator[Iterator[bytes]]:
    """Give the bytes inside, piece by piece; CoreError where the wrapper is not whole.

    A file may hold several streams, one after another; each must end as its format says (RFC 1952,
    bzip2, the .xz file format, the frame formats of LZ4 and of RFC 8878).
    The descriptor is read from its beginning, and stands anywhere afterwards.
    """
    if wrapper in DECOMPRESSORS:
        yield _unpacked_here(fd, wrapper)
        return
    program = shutil.which(DECOMPRESSOR_PROGRAMS[wrapper], path=DECOMPRESSOR_PATH)
    if program is None:
        raise CoreError(
            f"is compressed by {wrapper}: install {DECOMPRESSOR_PROGRAMS[wrapper]} to look inside"
        )
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
                data = data.lstrip(b"\0") if wrapper in PADDED_WRAPPERS else data
                if not data:
                    break
                decompressor = DECOMPRESSORS[wrapper]()
            try:
                inside = decompressor.decompress(data, PIECE_BYTES)
            except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
                raise CoreError(f"is damaged: its {wrapper} stream is broken") from error
            data = decompressor.unused_data if decompressor.eof else b""
            if inside:
                yield inside
    if not decompressor.eof:
        raise CoreError(f"was cut off: its {wrapper} stream has no end")


def _printed(process: subprocess.Popen[bytes], wrapper: str, words: int) -> Iterator[bytes]:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    while piece := process.stdout.read(PIECE_BYTES):
        yield piece
    if process.wait(DECOMPRESSOR_END_TIMEOUT_S) != 0:
        problem = f"is cut off or damaged: its {wrapper} stream does not end well"
        raise CoreError(with_last_words(problem, words))


SPOOL_DIRECTORIES = ("/var/tmp", "/tmp")  # noqa: S108 - what lies there has no name that others could take
MAX_SPOOL_BYTES = 1 << 30  # of disk
MAX_MEMORY_SPOOL_BYTES = 64 << 20  # where no directory has room
SPOOL_ROOM_DIVISOR = 4  # at most this part of a directory's room is taken


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
        check_place(offset, length)
        if offset + length > self.size:
            raise CoreError(f"ends at {self.size} bytes unpacked, before {offset + length}")
        if offset + length > self._most:
            raise CoreError(f"is unpacked too large to be judged here ({self.size} bytes)")
        data = os.pread(self.fd, length, offset)
        # A record that was not kept, as the disk was full, can have left the file shorter.
        return data.ljust(length, b"\0")


@contextmanager
def opened_spool(most: int = MAX_SPOOL_BYTES) -> Iterator[Spool]:
    """Give a spool that keeps at most so many bytes, fewer where there is less room."""
    spool = _on_disk(most) or Spool(os.memfd_create("core"), min(most, MAX_MEMORY_SPOOL_BYTES))
    try:
        yield spool
    finally:
        os.close(spool.fd)


def _on_disk(most: int) -> Spool | None:
    for directory in SPOOL_DIRECTORIES:
        try:
            fd = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:
            continue
        room = os.fstatvfs(fd)
        share = room.f_bavail * room.f_frsize // SPOOL_ROOM_DIVISOR
        if share >= MAX_MEMORY_SPOOL_BYTES:
            return Spool(fd, min(most, share))
        os.close(fd)
    return None


def unwrap(fd: int, wrapper: str, spool: Spool) -> CoreFacts:
    """Return what the core inside a wrapper proves once all of it was seen; the spool holds it.

    It is complete when the wrapper's stream is whole, and the core inside is: where makedumpfile is
    killed, the compressor behind it still ends its own stream well.
    """
    inside, broken = CoreFacts(), ""
    try:
        with unpacked(fd, wrapper) as pieces:
            stream = Stream(pieces)
            head = stream.take(MAGIC_BYTES)
            inside = parse_magic(head)
            if not inside.problem:
                broken = _spool(stream, head, inside.format, spool)
    except CoreError as error:
        broken = str(error)
    if inside.format is not Format.UNKNOWN:
        inside = judge(spool, inside)
        if inside.part is not None and inside.complete:
            inside = joined([(b"", inside)])
    elif not broken:
        broken = f"was unpacked, and {inside.problem}"
    problem = broken or inside.problem
    return replace(
        inside, complete=not problem, problem=problem, part=None, wrapper=wrapper, wrapped=False
    )


def reassemble(fd: int, format_: Format, spool: Spool) -> None:
    """Fill the spool with a core that is not wrapped, a flattened one reassembled.

    What is there of one that was cut off must do. CoreError when it cannot be read.
    """
    stream = Stream(read_pieces(fd))
    _spool(stream, stream.take(MAGIC_BYTES), format_, spool)


def _spool(stream: Stream, head: bytes, format_: Format, spool: Spool) -> str:
    """Take the stream to its end, and return what is wrong with that; or CoreError."""
    if format_ is Format.FLATTENED:
        return _spool_records(stream, spool)
    spool.write(0, head)
    for part in stream.parts():
        spool.write(stream.at - len(part), part)
    return ""


def _spool_records(stream: Stream, spool: Spool) -> str:
    start = stream.take(flattened.HEADER_BYTES - stream.at)
    fields = start[: flattened.VERSION_FIELDS.size]
    flattened.check_version(fields.ljust(flattened.VERSION_FIELDS.size, b"\0"))
    while (record := stream.take(RECORD_HEADER.size)) != END_RECORD:
        offset, size = RECORD_HEADER.unpack(record.ljust(RECORD_HEADER.size, b"\0"))
        if offset < 0 or not 0 < size < MAX_RECORD_BYTES:
            return no_end_record(stream.at)
        start_at = stream.at
        for part in stream.parts(size):
            spool.write(offset + stream.at - start_at - len(part), part)
        if stream.at != start_at + size:
            return no_end_record(stream.at)
    return "goes on behind its end record" if stream.take(1) else ""
