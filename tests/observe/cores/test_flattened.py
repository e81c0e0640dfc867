# SPDX-License-Identifier: GPL-2.0-or-later
import os
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.observe.cores.flattened import FlattenedRecord, find_pages, parse_tail, read_flattened
from kdumpd.observe.cores.source import CoreError, FileSource
from tests.support.cores import BLOCK, END, Crash, Kdump, flat, kdump_records, page, record

RECORDS = st.lists(
    st.tuples(st.integers(0, 100), st.binary(min_size=1, max_size=30)), min_size=1, max_size=20
)


@given(records=RECORDS, offset=st.integers(0, 130), length=st.integers(0, 130))
@settings(deadline=None)
def test_the_later_record_counts(
    records: list[tuple[int, bytes]], offset: int, length: int
) -> None:
    """What `makedumpfile -R` would write, where any record writes."""
    inside: dict[int, int] = {}
    for start, data in records:
        inside.update(enumerate(data, start))
    expected = [inside.get(at) for at in range(offset, offset + length)]
    fd = os.memfd_create("core")
    try:
        os.write(fd, flat(records))
        source, ended = read_flattened(FileSource(fd))
        assert ended
        if None in expected:
            with pytest.raises(CoreError, match="holds nothing"):
                source.read(offset, length)
        else:
            assert list(source.read(offset, length)) == expected
    finally:
        os.close(fd)


@given(records=RECORDS, cut=st.integers(1, 40))
@settings(deadline=None)
def test_cut(records: list[tuple[int, bytes]], cut: int) -> None:
    fd = os.memfd_create("core")
    try:
        os.write(fd, flat(records)[:-cut])
        assert not read_flattened(FileSource(fd))[1]
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    "broken",
    [
        record(-1, b"x"),
        record(0, b""),
        record(0, b"x").replace(b"\0\0\0\1", b"\xff\xff\xff\xff"),
        record(0, b"x").replace(b"\0\0\0\1x", b"\0\0\0\2x"),
    ],
)
def test_a_record_that_makes_no_sense(broken: bytes) -> None:
    fd = os.memfd_create("core")
    try:
        os.write(fd, flat([(0, b"whole")], end=broken + END))
        assert not read_flattened(FileSource(fd))[1]
    finally:
        os.close(fd)


@pytest.mark.parametrize("after", [b"\0", b"\xff", END, record(0, b"x") + END])
def test_more_after_the_end_record(after: bytes) -> None:
    fd = os.memfd_create("core")
    try:
        os.write(fd, flat([(0, b"whole"), (5, b"records")]) + after)
        assert not read_flattened(FileSource(fd))[1]
    finally:
        os.close(fd)


def test_where_the_pages_begin() -> None:
    """The first record behind the descriptors that are there by then."""
    crash = Crash(pages=tuple(page(number) for number in range(20)))
    layout = Kdump(crash, compressed=False)
    records = [
        FlattenedRecord(0, offset, len(data))
        for offset, data in kdump_records(crash, compressed=False)
    ]
    assert find_pages(records, layout.descriptors_at) == layout.pages_at
    small = [FlattenedRecord(0, offset, len(data)) for offset, data in layout.records(2 * BLOCK)]
    assert len(small) > len(records)
    assert find_pages(small, layout.descriptors_at) == layout.pages_at
    assert find_pages(records[:5], layout.descriptors_at) is None
    assert find_pages([], 0) is None


def test_tail() -> None:
    """Of a file of very many records: the last must be the last of the descriptors."""
    before = b"of a record before"
    records = record(10_000, b"a" * 100) + record(8_952, b"b" * 48)
    assert parse_tail(before + records + END, 9_000)
    assert parse_tail(b"\xff" * 100 + records + END, 9_000)
    assert parse_tail(record(8_952, b"b" * 48) + END, 9_000)
    for pages_at in (0, 8_952, 8_999, 9_001, 10_000, 10_100):
        assert not parse_tail(before + records + END, pages_at)
    assert not parse_tail(END, 9_000)
    assert not parse_tail(b"\xff" * 100, 9_000)
    assert not parse_tail(records, 9_000)
    assert not parse_tail(records + END[:-1], 9_000)
    assert not parse_tail(records + b"x" + END, 9_000)


def test_a_tail_of_tiny_records() -> None:
    """They cost nothing that grows with their number by the square."""
    tail = record(4096, b"x") * 15_000 + END
    tracemalloc.start()
    try:
        assert parse_tail(tail, 4097)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
