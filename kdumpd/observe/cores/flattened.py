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
from itertools import islice

from kdumpd.observe.cores import kdump_compressed
from kdumpd.observe.cores.kdump_compressed import KdumpHeader, read_kdump_header
from kdumpd.observe.cores.source import CoreError, Source, check_place

MAGIC = b"makedumpfile\0\0\0\0"
HEADER_BYTES = 4096
TYPE, VERSION = 1, 1
VERSION_FIELDS = struct.Struct(">qq")
RECORD_HEADER = struct.Struct(">qq")
END_RECORD = b"\xff" * RECORD_HEADER.size

KEPT_RECORDS = 64  # from the front: header, sub-header and VMCOREINFO are among the first three
MAX_RECORDS = 1 << 16  # walked at first: about 2 GiB of what makedumpfile 1.7.2 writes
TAIL_BYTES = 1 << 18  # read from the end of a longer file: four records, usually more
MAX_RECORD_BYTES = 1 << 26
# A plausible record header: an offset below 2^56, and a size above zero and below MAX_RECORD_BYTES.
RECORD_HEADER_PATTERN = rb"(?=\0[\s\S]{7}\0{4}(?!\0{4})[\0-\x03][\s\S]{3})"


@dataclass(frozen=True, slots=True)
class FlattenedRecord:
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

    def __init__(self, source: Source, records: list[FlattenedRecord], *, whole: bool) -> None:
        self.whole = whole  # whether every record was seen
        self._source = source
        self._records = records

    @property
    def is_kdump(self) -> bool:
        """Whether the core inside is kdump-compressed."""
        return self.read(0, len(kdump_compressed.MAGIC)) == kdump_compressed.MAGIC

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the core inside; CoreError when no known record holds them."""
        check_place(offset, length)
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
    walked from the front; in a file of very many, the last must fit what the first say.
    """
    check_version(source.read(len(MAGIC), VERSION_FIELDS.size))
    walk = _records(source)
    records = list(islice(walk, MAX_RECORDS))
    inside = FlattenedSource(source, records[:KEPT_RECORDS], whole=False)
    if len(records) == MAX_RECORDS and inside.is_kdump:
        return inside, _fits_its_end(source, records, walk, read_kdump_header(inside))
    last = deque(walk, maxlen=KEPT_RECORDS) or deque(records[KEPT_RECORDS:], KEPT_RECORDS)
    inside = FlattenedSource(source, [*records[:KEPT_RECORDS], *last], whole=True)
    at = (last or records)[-1].end if records else HEADER_BYTES
    return inside, at == source.size - RECORD_HEADER.size and source.read(
        at, RECORD_HEADER.size
    ) == END_RECORD


def check_version(fields: bytes) -> None:
    """Raise CoreError unless type and version, which come behind the magic number, are known."""
    kind, version = VERSION_FIELDS.unpack(fields)
    if (kind, version) != (TYPE, VERSION):
        raise CoreError(f"is flattened in an unknown way (type {kind}, version {version})")


def find_pages(records: list[FlattenedRecord], descriptors_at: int) -> int | None:
    """Return where in a kdump-compressed core the pages begin, None when no record says it.

    Behind the bitmaps two streams of records grow in turn: the page descriptors, and the pages,
    which begin where the descriptors will end once all are written.
    """
    end = descriptors_at
    for record in records:
        if record.offset == end:
            end += record.size
        elif record.offset > end:
            return record.offset
    return None


def parse_tail(tail: bytes, pages_at: int) -> bool:
    """Return whether the last record of a long file is the last of the page descriptors.

    Bytes in a page may look like records and an end; they cannot know where the pages begin.
    """
    if not tail.endswith(END_RECORD):
        return False
    for match in re.finditer(RECORD_HEADER_PATTERN, tail):
        offset, size = RECORD_HEADER.unpack_from(tail, match.start())
        leads_to_the_end = (
            match.start() + RECORD_HEADER.size + size == len(tail) - RECORD_HEADER.size
        )
        if leads_to_the_end and offset + size == pages_at:
            return True
    return False


def _fits_its_end(
    source: Source,
    records: list[FlattenedRecord],
    walk: Iterator[FlattenedRecord],
    header: KdumpHeader,
) -> bool:
    # The bitmaps of 4 TiB alone are 65,536 records of 4 KiB: the pages can begin behind them.
    pages_at = find_pages(records, header.descriptors_at)
    while pages_at is None:
        more = list(islice(walk, MAX_RECORDS))
        if not more:
            return False
        pages_at = find_pages(more, header.descriptors_at)
    return parse_tail(source.read(source.size - TAIL_BYTES, TAIL_BYTES), pages_at)


def _records(source: Source) -> Iterator[FlattenedRecord]:
    at = HEADER_BYTES
    while at + RECORD_HEADER.size <= source.size:
        offset, size = RECORD_HEADER.unpack(source.read(at, RECORD_HEADER.size))
        record = FlattenedRecord(at + RECORD_HEADER.size, offset, size)
        if offset < 0 or not 0 < size < MAX_RECORD_BYTES or record.end > source.size:
            return
        yield record
        at = record.end


def _covers(ranges: list[tuple[int, int]], start: int, end: int) -> bool:
    for first, last in sorted(ranges):
        if first <= start < last:
            start = last
    return start >= end
