# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's own log as it lies in memory, made into the lines that dmesg prints.

Since Linux 5.10 it is a ring of descriptors, one of infos and one of text (kernel/printk/
printk_ringbuffer.c); VMCOREINFO says how they are laid out (log_buf_vmcoreinfo_setup in
kernel/printk/printk.c). Nothing of it is believed: it comes out of a file.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kdumpd.model.text import NSEC_PER_SEC

# of a ring's size; the kernel's own default is 17, its largest 25 (LOG_BUF_SHIFT)
MAX_RING_SIZE_BITS = 27
MAX_PRINTK_RECORDS = 1 << 18  # looked at, the newest; with their times alone they make 4 MiB
MAX_STRUCT_BYTES = 1024  # struct printk_info has 88
MAX_VALUE_DIGITS = 4  # of the size of a struct or an offset in it
ADDRESS_PATTERN = r"[0-9a-f]{1,16}"
DESC_COMMITTED, DESC_FINALIZED = 1, 2  # enum desc_state: the text can be read
TIME_BYTES = 8  # ts_nsec is 64 bits wide on every machine
LENGTH_BYTES = 2  # text_len and len are 16 bits wide
FIRST_PRINTABLE_ASCII, PRINTABLE_ASCII_LIMIT = 0x20, 0x7F
# What C calls a space stays, everything else that is not printable ASCII is written as \xNN.
CHARACTER_ESCAPES = {
    byte: f"\\x{byte:02x}"
    for byte in range(256)
    if not FIRST_PRINTABLE_ASCII <= byte < PRINTABLE_ASCII_LIMIT and byte not in b"\t\n\v\f\r"
}

Values = Mapping[str, str]
Span = tuple[int, int]  # an index and a count
PrintkRecord = tuple[int, bytes]  # nanoseconds since boot, and text


class PrintkError(ValueError):
    """The bytes are no kernel log; the text is the end of a sentence about the core."""


@dataclass(frozen=True, slots=True)
class ByteOrder:
    """How the machine that died writes numbers."""

    order: Literal["little", "big"]
    word: int  # bytes of an unsigned long

    def number(self, content: bytes, offset: int, size: int) -> int:
        """Return an unsigned number; PrintkError when the content ends before it does."""
        if offset < 0 or offset + size > len(content):
            raise PrintkError("holds a kernel log that is laid out in an unknown way")
        return int.from_bytes(content[offset : offset + size], self.order)

    def long(self, content: bytes, offset: int) -> int:
        """Return an unsigned long, which an address is as well."""
        return self.number(content, offset, self.word)


@dataclass(frozen=True, slots=True)
class StructLayout:
    """Sizes and offsets in bytes out of VMCOREINFO."""

    values: Values

    def size(self, name: str) -> int:
        """Return the size of a struct, within bounds; PrintkError when it is not said."""
        size = self._number(f"SIZE({name})")
        if not 0 < size <= MAX_STRUCT_BYTES:
            raise PrintkError(f"claims a struct {name} of {size} bytes")
        return size

    def offset(self, *path: str) -> int:
        """Return where a field lies in a struct, each step of the path in the one before it."""
        return sum(self._number(f"OFFSET({name})") for name in path)

    def symbol(self, name: str) -> int:
        """Return an address; PrintkError when it is not said."""
        text = self.values.get(f"SYMBOL({name})", "")
        if not re.fullmatch(ADDRESS_PATTERN, text):
            raise PrintkError(f"does not say where the kernel's {name} lies")
        return int(text, 16)

    def _number(self, key: str) -> int:
        text = self.values.get(key, "")
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_VALUE_DIGITS):
            raise PrintkError(f"does not say the kernel's {key}")
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """What struct printk_ringbuffer says: where its parts lie, and which records there are."""

    byte_order: ByteOrder
    layout: StructLayout
    descriptors_at: int
    infos_at: int
    count: int  # of descriptors and of infos
    text_at: int
    text_size: int
    newest: int  # the id of the last record
    records: int  # that are looked at

    @property
    def oldest(self) -> int:
        """The id of the first record that is looked at."""
        return (self.newest - self.records + 1) % self.ids

    @property
    def ids(self) -> int:
        """The number of ids there can be: two bits of a word are the state."""
        return 1 << (8 * self.byte_order.word - 2)

    @property
    def spans(self) -> list[Span]:
        """Which entries of the arrays hold the records, oldest first: the ring may wrap."""
        first = self.oldest % self.count
        before = min(self.records, self.count - first)
        return [span for span in ((first, before), (0, self.records - before)) if span[1]]


def parse_ring(content: bytes, byte_order: ByteOrder, values: Values) -> Ring:
    """Return what the bytes of a struct printk_ringbuffer say, within bounds."""
    layout = StructLayout(values)
    descriptors = layout.offset("printk_ringbuffer.desc_ring")
    text = layout.offset("printk_ringbuffer.text_data_ring")

    def bits(at: int) -> int:
        value = byte_order.number(content, at, 4)
        if not 0 < value <= MAX_RING_SIZE_BITS:
            raise PrintkError(f"claims a kernel log of 2^{value} bytes or records")
        return value

    def identity(name: str) -> int:
        at = descriptors + layout.offset(f"prb_desc_ring.{name}", "atomic_long_t.counter")
        return byte_order.long(content, at) % ids

    ids = 1 << (8 * byte_order.word - 2)
    count = 1 << bits(descriptors + layout.offset("prb_desc_ring.count_bits"))
    newest, oldest = identity("head_id"), identity("tail_id")
    return Ring(
        byte_order=byte_order,
        layout=layout,
        descriptors_at=byte_order.long(content, descriptors + layout.offset("prb_desc_ring.descs")),
        infos_at=byte_order.long(content, descriptors + layout.offset("prb_desc_ring.infos")),
        count=count,
        text_at=byte_order.long(content, text + layout.offset("prb_data_ring.data")),
        text_size=1 << bits(text + layout.offset("prb_data_ring.size_bits")),
        newest=newest,
        records=min((newest - oldest) % ids + 1, count, MAX_PRINTK_RECORDS),
    )


def ring_log(ring: Ring, descriptors: bytes, infos: bytes, text: bytes, most: int) -> bytes:
    """Return the newest lines, at most `most` bytes, out of the three arrays.

    Descriptors and infos are those of the ring's spans, one after another. Records that were being
    written or hold no text are left out, as makedumpfile 1.7.2 does (printk.c).
    """
    layout = ring.layout
    desc_size, info_size = layout.size("prb_desc"), layout.size("printk_info")

    def line(number: int) -> bytes:
        desc = descriptors[number * desc_size : (number + 1) * desc_size]
        if not _readable(ring, desc, (ring.oldest + number) % ring.ids):
            return b""
        info = infos[number * info_size : (number + 1) * info_size]
        length = ring.byte_order.number(info, layout.offset("printk_info.text_len"), LENGTH_BYTES)
        time = ring.byte_order.number(info, layout.offset("printk_info.ts_nsec"), TIME_BYTES)
        start, end = _block(ring, desc)
        return to_line(time, text[start:end][:length]) if start < end else b""

    return _newest(line, ring.records, most)


def parse_records(
    content: bytes, first: int, beyond: int, byte_order: ByteOrder, values: Values
) -> Sequence[PrintkRecord]:
    """Return the newest records of a log buffer of Linux 3.5 to 5.9, oldest first.

    Records of any length lie one behind another from `first` to `beyond`; one of length 0 says that
    the next lies at the buffer's beginning (struct printk_log, before 3.11 struct log).
    """
    layout = StructLayout(values)
    name = "printk_log" if "SIZE(printk_log)" in values else "log"
    header = layout.size(name)
    length_at, text_length_at, time_at = (
        layout.offset(f"{name}.{field}") for field in ("len", "text_len", "ts_nsec")
    )
    records: deque[PrintkRecord] = deque(maxlen=MAX_PRINTK_RECORDS)
    at, left = first, len(content)
    while at != beyond:
        length = byte_order.number(content, at + length_at, LENGTH_BYTES)
        if length == 0 and at != 0:
            at = 0
            continue
        left -= length
        if length < header or left < 0:
            raise PrintkError("holds a kernel log whose records lead nowhere")
        size = byte_order.number(content, at + text_length_at, LENGTH_BYTES)
        time = byte_order.number(content, at + time_at, TIME_BYTES)
        records.append((time, content[at + header : at + length][:size]))
        at += length
    return records


def records_log(records: Sequence[PrintkRecord], most: int) -> bytes:
    """Return the newest records as lines, at most `most` bytes."""
    return _newest(lambda number: to_line(*records[number]), len(records), most)


def to_line(nanoseconds: int, text: bytes) -> bytes:
    """Return a record as dmesg prints it; further lines of its text stand below the first."""
    seconds, rest = divmod(nanoseconds, NSEC_PER_SEC)
    head = f"[{seconds:5}.{rest // 1000:06}] "
    body = text.decode("latin-1").translate(CHARACTER_ESCAPES).replace("\n", "\n" + " " * len(head))
    return f"{head}{body}\n".encode("ascii")


def _readable(ring: Ring, desc: bytes, identity: int) -> bool:
    layout, byte_order = ring.layout, ring.byte_order
    at = layout.offset("prb_desc.state_var", "atomic_long_t.counter")
    state, found = divmod(byte_order.long(desc, at), ring.ids)
    return found == identity and state in (DESC_COMMITTED, DESC_FINALIZED)


def _block(ring: Ring, desc: bytes) -> tuple[int, int]:
    """Return from where to where a record's text can lie: a block begins with the record's id.

    Positions only grow, and a block lies in one piece: one that would not fit before the ring's end
    lies at its beginning. A block that has no text says odd positions, or twice the same.
    """
    layout, byte_order, size = ring.layout, ring.byte_order, ring.text_size
    block = layout.offset("prb_desc.text_blk_lpos")
    begin = byte_order.long(desc, block + layout.offset("prb_data_blk_lpos.begin"))
    beyond = byte_order.long(desc, block + layout.offset("prb_data_blk_lpos.next"))
    if begin == beyond or begin & beyond & 1:
        return 0, 0
    longs = 1 << (8 * byte_order.word)
    if begin // size == (beyond - 1) % longs // size:
        return begin % size + byte_order.word, (beyond - 1) % size + 1
    return byte_order.word, beyond % size


def _newest(line: Callable[[int], bytes], count: int, most: int) -> bytes:
    lines: list[bytes] = []
    for number in reversed(range(count)):
        text = line(number)
        most -= len(text)
        if most < 0:
            break
        lines.append(text)
    return b"".join(reversed(lines))
