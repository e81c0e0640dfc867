# SPDX-License-Identifier: GPL-2.0-or-later
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.observe.flattened import parse_tail, read_flattened
from kdumpd.observe.source import CoreError, FileSource
from tests.cores import END, flat, record

RECORDS = st.lists(
    st.tuples(st.integers(0, 100), st.binary(min_size=1, max_size=30)), min_size=1, max_size=20
)


@given(records=RECORDS, offset=st.integers(0, 130), length=st.integers(0, 130))
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


def test_tail() -> None:
    """What is looked at of a file of very many records."""
    records = record(4096, b"a" * 100) + record(8192, b"b" * 50)
    assert parse_tail(b"of a record before" + records + END)
    assert parse_tail(b"\xff" * 100 + records + END)
    assert not parse_tail(END)
    assert not parse_tail(b"\xff" * 100)
    assert not parse_tail(records)
    assert not parse_tail(records + END[:-1])
    assert not parse_tail(records + b"x" + END)


def test_a_tail_of_tiny_records() -> None:
    """Kept for each of them is a number, not a list of all that follow."""
    tail = record(4096, b"x") * 15_000 + END
    tracemalloc.start()
    try:
        assert parse_tail(tail)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
