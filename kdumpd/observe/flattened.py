# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a flattened core: `makedumpfile -F`, Debian's default (makedumpfile 1.7.2, makedumpfile.h).

A header of 4096 bytes, then records of (offset, size, data) in the order of writing, then one
record with offset and size -1. A record's data belongs to its offset in the core inside; of two for
the same place the later one counts.
"""

import re
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from kdumpd.observe.source import CoreError, Source

MAGIC = b"makedumpfile\0\0\0\0"
HEADER_SIZE = 4096
TYPE, VERSION = 1, 1
RECORD = struct.Struct(">qq")
END = b"\xff" * RECORD.size

KEPT_RECORDS = 64  # from the front: header, sub-header and VMCOREINFO are among the first three
MOST_RECORDS = 1 << 16  # walked: 4 GiB of the 64 KiB that makedumpfile 1.7.2 writes at most
TAIL = 1 << 18  # bytes read from the end of a longer file: four records of that size, usually more
LARGEST_RECORD = 1 << 26  # bytes
# A plausible record header: an offset below 2^56, and a size above zero and below LARGEST_RECORD.
PLAUSIBLE = re.compile(rb"(?=\0[\s\S]{7}\0{4}(?!\0{4})[\0-\x03][\s\S]{3})")
ENOUGH_RECORDS = 2


@dataclass(frozen=True, slots=True)
class Record:
    """One record: where its data lies in the file, and where it belongs in the core inside."""

    at: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Where the next record begins in the file."""
        return self.at + self.size


class FlattenedSource:
    """The core inside, as far as its first and its last records tell it."""

    size = 1 << 63  # not known without reading all records

    def __init__(self, source: Source, records: list[Record], *, whole: bool) -> None:
        self.whole = whole  # whether every record was seen
        self._source = source
        self._records = records

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the core inside; CoreError when no known record holds them."""
        pieces = [
            (max(offset, record.offset), min(offset + length, record.offset + record.size), record)
            for record in self._records
        ]
        pieces = [piece for piece in pieces if piece[0] < piece[1]]
        if not _covers([(start, end) for start, end, _ in pieces], offset, offset + length):
            raise CoreError(f"holds nothing for offset {offset} in the records looked at")
        content = bytearray(length)
        for start, end, record in pieces:
            data = self._source.read(record.at + start - record.offset, end - start)
            content[start - offset : end - offset] = data
        return bytes(content)


def read_flattened(source: Source) -> tuple[FlattenedSource, bool]:
    """Return the core inside, and whether the end record proves the file whole.

    16 bytes of 0xff alone prove nothing, they may be a page's: records must lead there. They are
    walked from the front; only a file of very many is judged by its tail.
    """
    kind, version = struct.unpack(">qq", source.read(len(MAGIC), 16))
    if (kind, version) != (TYPE, VERSION):
        raise CoreError(f"is flattened in an unknown way (type {kind}, version {version})")
    first: list[Record] = []
    last: deque[Record] = deque(maxlen=KEPT_RECORDS)
    at, walked = HEADER_SIZE, 0
    for record in _records(source):
        walked += 1
        at = record.end
        (first if len(first) < KEPT_RECORDS else last).append(record)
    if walked == MOST_RECORDS:
        return FlattenedSource(source, first, whole=False), _tail_proves(source)
    ended = at == source.size - RECORD.size and source.read(at, RECORD.size) == END
    return FlattenedSource(source, [*first, *last], whole=True), ended


def parse_tail(tail: bytes) -> bool:
    """Return whether records lead exactly to the end record of a long file.

    What looks like a record in a page may lead there too: so a file is walked where it can be.
    """
    if not tail.endswith(END):
        return False
    lengths = {len(tail) - RECORD.size: 0}  # of the chain of records that begins at a place
    for match in reversed(list(PLAUSIBLE.finditer(tail))):
        _, size = RECORD.unpack_from(tail, match.start())
        after = lengths.get(match.start() + RECORD.size + size)
        if after is not None:
            lengths[match.start()] = after + 1
    return max(lengths.values()) >= ENOUGH_RECORDS


def _tail_proves(source: Source) -> bool:
    return parse_tail(source.read(source.size - TAIL, TAIL))


def _records(source: Source) -> Iterator[Record]:
    at = HEADER_SIZE
    for _ in range(MOST_RECORDS):
        if at + RECORD.size > source.size:
            return
        offset, size = RECORD.unpack(source.read(at, RECORD.size))
        record = Record(at + RECORD.size, offset, size)
        if offset < 0 or not 0 < size < LARGEST_RECORD or record.end > source.size:
            return
        yield record
        at = record.end


def _covers(ranges: list[tuple[int, int]], start: int, end: int) -> bool:
    for first, last in sorted(ranges):
        if first <= start < last:
            start = last
    return start >= end
