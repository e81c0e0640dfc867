# SPDX-License-Identifier: GPL-2.0-or-later
import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.inspect.kernel_log import UnreadableMemoryError, read_kernel_log
from kdumpd.model.crashlog.lines import MAX_LOG_BYTES
from kdumpd.model.crashlog.printk import ByteOrder, PrintkError
from tests.support.printk import (
    AMD64,
    BEYOND,
    BUFFER,
    BYTE_ORDERS,
    COMMITTED,
    HEADER,
    INFOS,
    RESERVED,
    REUSABLE,
    Line,
    Log,
    Ring,
    Segments,
    records,
    ring,
)

LINES: list[Line] = [
    (0, b"Linux version 6.1.0"),
    (3_994_318_000, b"BUG: kernel NULL pointer dereference"),
    (123_456_789_012_345, b"---[ end Kernel panic ]---"),
]
PRINTED = b"""\
[    0.000000] Linux version 6.1.0
[    3.994318] BUG: kernel NULL pointer dereference
[123456.789012] ---[ end Kernel panic ]---
"""
of_every_byte_order = pytest.mark.parametrize("byte_order", BYTE_ORDERS.values(), ids=BYTE_ORDERS)


def printed(log: Log) -> bytes:
    return read_kernel_log(log.memory, log.values)


def numbered(numbers: range) -> bytes:
    return b"".join(b"[    0.000000] line %d\n" % number for number in numbers)


@of_every_byte_order
def test_a_ring(byte_order: ByteOrder) -> None:
    assert printed(ring(LINES, byte_order)) == PRINTED


@of_every_byte_order
def test_a_record_buffer(byte_order: ByteOrder) -> None:
    assert printed(records(LINES, byte_order)) == PRINTED


def test_a_record_buffer_before_linux_3_11() -> None:
    assert printed(records(LINES, struct="log")) == PRINTED


def test_a_record_buffer_that_wraps() -> None:
    assert printed(records(LINES, size=256, start=180)) == PRINTED


@of_every_byte_order
@pytest.mark.parametrize("count", [16, 17, 40, 1000])
def test_a_ring_that_was_filled_again_and_again(byte_order: ByteOrder, count: int) -> None:
    made = Ring(byte_order, size_bits=12)
    for number in range(count):
        made.add(0, b"line %d" % number)
    assert printed(made.log()) == numbered(range(count - 16, count))


def test_a_block_that_ends_with_the_ring() -> None:
    made = Ring(AMD64, size_bits=6)
    made.add(0, b"x" * 24)
    made.add(0, b"y" * 24)
    assert printed(made.log()).count(b"\n") == 2


def test_a_line_that_would_not_fit_before_the_ring_ends() -> None:
    made = Ring(AMD64, count_bits=1, size_bits=6)
    made.add(0, b"x" * 30)
    made.add(0, b"after the end")
    made.add(0, b"y" * 20)
    assert b"] after the end\n" in printed(made.log())


@of_every_byte_order
def test_ids_that_begin_again(byte_order: ByteOrder) -> None:
    made = Ring(byte_order, first=-2)
    for number in range(5):
        made.add(0, b"line %d" % number)
    assert printed(made.log()) == numbered(range(5))


def test_what_was_being_written_is_left_out() -> None:
    made = Ring()
    made.add(0, b"reserved", state=RESERVED)
    made.add(0, b"line 0", state=COMMITTED)
    made.add(0, b"reusable", state=REUSABLE)
    made.add(0, b"")
    made.add(0, b"line 1")
    assert printed(made.log()) == numbered(range(2))


def test_text_is_made_harmless() -> None:
    text = b"first\nsecond\ttab \x1b[31m \xe2\x82\xac \\x41 \0 \x7f"
    assert printed(ring([(0, text)])) == (
        b"[    0.000000] first\n"
        b"               second\ttab \\x1b[31m \\xe2\\x82\\xac \\x41 \\x00 \\x7f\n"
    )


def test_of_a_long_log_the_end_is_kept() -> None:
    made = Ring(count_bits=18, size_bits=24)
    for number in range(1 << 17):
        made.add(0, b"line %030d" % number)
    kept = printed(made.log())
    assert MAX_LOG_BYTES - 64 < len(kept) <= MAX_LOG_BYTES
    assert kept.startswith(b"[    0.000000] line 0")
    assert kept.endswith(b"line %030d\n" % ((1 << 17) - 1))


def test_a_length_beyond_the_text_shows_no_more_than_the_block() -> None:
    log = ring([(0, b"short"), (0, b"the next")])
    infos = bytearray(log.memory.contents[INFOS])
    infos[16:18] = b"\xff\xff"
    changed = Segments(AMD64, {**log.memory.contents, INFOS: bytes(infos)})
    assert b"the next" not in printed(replace(log, memory=changed)).splitlines()[0]


def test_records_that_lead_in_a_circle() -> None:
    log = records(LINES)
    contents = {**log.memory.contents, BEYOND: (4095).to_bytes(4, "little")}
    with pytest.raises(PrintkError, match="nowhere"):
        printed(replace(log, memory=Segments(AMD64, contents)))


def test_a_record_shorter_than_its_own_header() -> None:
    log = records(LINES)
    buffer = bytearray(log.memory.contents[BUFFER])
    buffer[8:10] = b"\1\0"
    contents = {**log.memory.contents, BUFFER: bytes(buffer)}
    with pytest.raises(PrintkError, match="nowhere"):
        printed(replace(log, memory=Segments(AMD64, contents)))


@pytest.mark.parametrize("made", [ring(LINES), records(LINES)], ids=["ring", "records"])
def test_memory_that_was_not_saved(made: Log) -> None:
    for missing in made.memory.contents:
        rest = {at: held for at, held in made.memory.contents.items() if at != missing}
        with pytest.raises(UnreadableMemoryError):
            printed(replace(made, memory=Segments(AMD64, rest)))


@pytest.mark.parametrize("made", [ring(LINES), records(LINES)], ids=["ring", "records"])
@pytest.mark.parametrize("said", ["", "-1", "99999", "0x10", "\u0661", "1e3"])
def test_what_vmcoreinfo_does_not_say(made: Log, said: str) -> None:
    for key in made.values:
        with pytest.raises((PrintkError, UnreadableMemoryError)):
            printed(replace(made, values=made.values | {key: said}))


def test_a_kernel_that_does_not_say_where_its_log_is() -> None:
    with pytest.raises(PrintkError, match="does not say"):
        read_kernel_log(Segments(AMD64, {}), {"OSRELEASE": "2.6.32"})


@pytest.mark.parametrize("bits", [0, 28, 1 << 31])
def test_a_ring_of_an_absurd_size(bits: int) -> None:
    log = ring(LINES)
    for at in (0, 48):
        header = bytearray(log.memory.contents[HEADER])
        header[at : at + 4] = bits.to_bytes(4, "little")
        contents = {**log.memory.contents, HEADER: bytes(header)}
        with pytest.raises(PrintkError, match="claims"):
            printed(replace(log, memory=Segments(AMD64, contents)))


changes = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8)), max_size=8
)


@given(st.sampled_from([ring(LINES), records(LINES)]), st.data())
def test_hostile_memory(made: Log, data: st.DataObject) -> None:
    contents = dict(made.memory.contents)
    for address in data.draw(st.lists(st.sampled_from(sorted(contents)), max_size=3)):
        content = bytearray(contents[address])
        for at, new in data.draw(changes):
            start = at % len(content)
            content[start : start + len(new)] = new
        contents[address] = bytes(content)
    with contextlib.suppress(PrintkError, UnreadableMemoryError):
        assert len(printed(replace(made, memory=Segments(AMD64, contents)))) <= MAX_LOG_BYTES


@given(st.sampled_from([ring(LINES), records(LINES)]), st.data())
def test_hostile_vmcoreinfo(made: Log, data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.sampled_from(sorted(made.values)), min_size=1, max_size=4))
    numbers = st.integers(0, 9999).map(str) | st.text(max_size=5)
    values = made.values | {key: data.draw(numbers) for key in keys}
    with contextlib.suppress(PrintkError, UnreadableMemoryError):
        assert len(printed(replace(made, values=values))) <= MAX_LOG_BYTES
