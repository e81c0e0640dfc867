# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a flattened core: `makedumpfile -F`, Debian's default (makedumpfile 1.7.2, makedumpfile.h).

A header of 4096 bytes, then records of (offset, size, data) in the order of writing, then one
record with offset and size -1. A record's data belongs to its offset in the core inside; of two for
the same place the later one counts.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kdumpd.observe.source import CoreError, Source

MAGIC = b"makedumpfile\0\0\0\0"
HEADER_SIZE = 4096
TYPE, VERSION = 1, 1
RECORD = struct.Struct(">qq")
END = b"\xff" * RECORD.size

FIRST_RECORDS = 64  # header, sub-header and VMCOREINFO are among the first three
LARGEST_RECORD = 1 << 26  # bytes; makedumpfile 1.7.2 writes at most 64 KiB
TAIL = 1 << 18  # bytes read from the end: four records of that size, usually more
MOST_RECORDS = 1 << 18  # walked from the front where the tail leaves a doubt
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

    def __init__(self, source: Source, records: list[Record]) -> None:
        self._source = source
        self._records = records

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the core inside; CoreError when no known record holds them."""
        content = bytearray(length)
        covered = []
        for record in self._records:
            start = max(offset, record.offset)
            end = min(offset + length, record.offset + record.size)
            if start < end:
                data = self._source.read(record.at + start - record.offset, end - start)
                content[start - offset : end - offset] = data
                covered.append((start, end))
        if not _covers(covered, offset, offset + length):
            raise CoreError(f"holds nothing for offset {offset} in the records looked at")
        return bytes(content)


def read_flattened(source: Source) -> tuple[FlattenedSource, bool]:
    """Return the core inside, and whether the end record proves the file whole.

    16 bytes of 0xff alone prove nothing, they may be a page's: it must be records that lead there.
    """
    kind, version = struct.unpack(">qq", source.read(len(MAGIC), 16))
    if (kind, version) != (TYPE, VERSION):
        raise CoreError(f"is flattened in an unknown way (type {kind}, version {version})")
    first = _walk(source, HEADER_SIZE, FIRST_RECORDS)
    last = _read_last_records(source)
    known = {record.at: record for record in (*first, *last)}
    records = [record for _, record in sorted(known.items())]
    return FlattenedSource(source, records), bool(last) or _walks_to_the_end(source)


def parse_last_records(tail: bytes, at: int) -> list[Record]:
    """Return the records at the end of a file, of which `tail` is what begins at offset `at`.

    The end record is proved by a chain of headers that leads exactly there, of at least two or from
    the file's first; without that the list is empty.
    """
    if not tail.endswith(END):
        return []
    chains: dict[int, list[Record]] = {len(tail) - RECORD.size: []}
    for match in reversed(list(PLAUSIBLE.finditer(tail))):
        offset, size = RECORD.unpack_from(tail, match.start())
        start = match.start() + RECORD.size
        after = chains.get(start + size)
        if after is not None:
            chains[match.start()] = [Record(at + start, offset, size), *after]
    longest = max(chains.values(), key=len)
    is_first = bool(longest) and longest[0].at == HEADER_SIZE + RECORD.size
    return longest if is_first or len(longest) >= ENOUGH_RECORDS else []


def _read_last_records(source: Source) -> list[Record]:
    at = max(HEADER_SIZE, source.size - TAIL)
    if source.size - at < RECORD.size:
        return []
    return parse_last_records(source.read(at, source.size - at), at)


def _walks_to_the_end(source: Source) -> bool:
    if source.size < HEADER_SIZE + RECORD.size or source.read(source.size - 16, 16) != END:
        return False
    records = _walk(source, HEADER_SIZE, MOST_RECORDS)
    return bool(records) and records[-1].end == source.size - RECORD.size


def _walk(source: Source, at: int, most: int) -> list[Record]:
    return list(_records(source, at, most))


def _records(source: Source, at: int, most: int) -> Iterator[Record]:
    for _ in range(most):
        if at + RECORD.size > source.size:
            return
        offset, size = RECORD.unpack(source.read(at, RECORD.size))
        record = Record(at + RECORD.size, offset, size)
        if offset < 0 or size <= 0 or record.end > source.size:
            return
        yield record
        at = record.end


def _covers(ranges: list[tuple[int, int]], start: int, end: int) -> bool:
    for first, last in sorted(ranges):
        if first <= start < last:
            start = last
    return start >= end
