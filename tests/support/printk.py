# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel logs made byte by byte, as they lie in the memory of a machine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kdumpd.inspect.kernel_log import UnreadableMemoryError
from kdumpd.model.crashlog.printk import ByteOrder

AMD64, I386, S390X = ByteOrder("little", 8), ByteOrder("little", 4), ByteOrder("big", 8)
BYTE_ORDERS = {"amd64": AMD64, "i386": I386, "s390x": S390X}
POINTER, HEADER, DESCRIPTORS, INFOS, TEXT = 0x1000, 0x2000, 0x10000000, 0x20000000, 0x30000000
FIRST, BEYOND, LENGTH, BUFFER = 0x3000, 0x3010, 0x3020, 0x40000000
RESERVED, COMMITTED, FINALIZED, REUSABLE = range(4)
INFO_SIZE = 88
NO_TEXT = 3  # EMPTY_LINE_LPOS
Line = tuple[int, bytes]  # nanoseconds since boot, and text


@dataclass(frozen=True, slots=True)
class Segments:
    """Memory of which only some is there."""

    byte_order: ByteOrder
    contents: Mapping[int, bytes]

    def read(self, address: int, size: int) -> bytes:
        for start, content in self.contents.items():
            if start <= address and address + size <= start + len(content):
                return content[address - start :][:size]
        raise UnreadableMemoryError("does not hold it")


@dataclass(frozen=True, slots=True)
class Log:
    """What a core holds of one: memory, and the lines of VMCOREINFO."""

    memory: Segments
    values: dict[str, str]


class Ring:
    """The ring buffer since Linux 5.10, filled as prb_reserve and data_alloc do."""

    def __init__(
        self,
        byte_order: ByteOrder = AMD64,
        *,
        count_bits: int = 4,
        size_bits: int = 9,
        first: int = 0,
    ) -> None:
        self._byte_order = byte_order
        self._count_bits, self._size_bits = count_bits, size_bits
        self._tail = self._next = first % self._ids
        self._position = (1 << 8 * byte_order.word) - (1 << size_bits)  # as the kernel begins
        self._descriptors = bytearray(3 * byte_order.word << count_bits)
        self._infos = bytearray(INFO_SIZE << count_bits)
        self._text = bytearray(1 << size_bits)

    @property
    def _ids(self) -> int:
        return 1 << (8 * self._byte_order.word - 2)

    def add(self, time: int, text: bytes, *, state: int = FINALIZED) -> None:
        """Print a line; the oldest makes room for it where there is none."""
        word, identity = self._byte_order.word, self._next
        begin, beyond = self._block(text) if text else (NO_TEXT, NO_TEXT)
        at = identity % (1 << self._count_bits)
        descriptor = self._longs(state * self._ids + identity, begin, beyond)
        self._descriptors[at * 3 * word : (at + 1) * 3 * word] = descriptor
        info = self._number(0, 8) + self._number(time, 8) + self._number(len(text), 2)
        self._infos[at * INFO_SIZE : (at + 1) * INFO_SIZE] = info.ljust(INFO_SIZE, b"\0")
        self._next = (identity + 1) % self._ids
        if (self._next - self._tail) % self._ids > 1 << self._count_bits:
            self._tail = (self._tail + 1) % self._ids

    def log(self) -> Log:
        """Return what a core holds of it."""
        word, newest = self._byte_order.word, (self._next - 1) % self._ids
        bits = self._number(self._count_bits, 4).ljust(word, b"\0")
        size_bits = self._number(self._size_bits, 4).ljust(word, b"\0")
        header = bits + self._longs(DESCRIPTORS, INFOS, newest, self._tail, 0)
        header += size_bits + self._longs(TEXT, 0, 0, 0)
        contents = {
            POINTER: self._longs(HEADER),
            HEADER: header,
            DESCRIPTORS: bytes(self._descriptors),
            INFOS: bytes(self._infos),
            TEXT: bytes(self._text),
        }
        return Log(Segments(self._byte_order, contents), ring_values(word))

    def _block(self, text: bytes) -> tuple[int, int]:
        word, size, longs = self._byte_order.word, len(self._text), 1 << 8 * self._byte_order.word
        length = -(-(word + len(text)) // word) * word
        begin = self._position
        beyond = begin + length
        start = begin % size
        if begin // size != (beyond - 1) // size:
            beyond, start = beyond // size * size + length, 0
        self._text[start : start + word + len(text)] = self._longs(self._next) + text
        self._position = beyond % longs
        return begin, self._position

    def _longs(self, *values: int) -> bytes:
        return b"".join(self._number(value, self._byte_order.word) for value in values)

    def _number(self, value: int, size: int) -> bytes:
        return value.to_bytes(size, self._byte_order.order)


def ring(lines: Iterable[Line], byte_order: ByteOrder = AMD64) -> Log:
    """Return a ring buffer with these lines."""
    made = Ring(byte_order)
    for line in lines:
        made.add(*line)
    return made.log()


def ring_values(word: int) -> dict[str, str]:
    """Return how a kernel with this word lays the ring buffer out."""
    numbers = {
        "SIZE(printk_ringbuffer)": 11 * word,
        "OFFSET(printk_ringbuffer.desc_ring)": 0,
        "OFFSET(printk_ringbuffer.text_data_ring)": 6 * word,
        "OFFSET(prb_desc_ring.count_bits)": 0,
        "OFFSET(prb_desc_ring.descs)": word,
        "OFFSET(prb_desc_ring.infos)": 2 * word,
        "OFFSET(prb_desc_ring.head_id)": 3 * word,
        "OFFSET(prb_desc_ring.tail_id)": 4 * word,
        "SIZE(prb_desc)": 3 * word,
        "OFFSET(prb_desc.state_var)": 0,
        "OFFSET(prb_desc.text_blk_lpos)": word,
        "OFFSET(prb_data_blk_lpos.begin)": 0,
        "OFFSET(prb_data_blk_lpos.next)": word,
        "SIZE(printk_info)": INFO_SIZE,
        "OFFSET(printk_info.ts_nsec)": 8,
        "OFFSET(printk_info.text_len)": 16,
        "OFFSET(prb_data_ring.size_bits)": 0,
        "OFFSET(prb_data_ring.data)": word,
        "OFFSET(atomic_long_t.counter)": 0,
    }
    return {"SYMBOL(prb)": f"{POINTER:x}"} | {key: str(value) for key, value in numbers.items()}


def records(
    lines: Iterable[Line],
    byte_order: ByteOrder = AMD64,
    *,
    size: int = 4096,
    start: int = 0,
    struct: str = "printk_log",
) -> Log:
    """Return a log buffer of Linux 3.5 to 5.9 with these lines; one must not outgrow it."""
    buffer, at = bytearray(size), start
    for time, text in lines:
        length = 16 + len(text) + -len(text) % 4
        if at + length + 16 > size:  # room for the empty record that says so
            at = 0
        numbers = ((time, 8), (length, 2), (len(text), 2), (0, 4))
        header = b"".join(value.to_bytes(width, byte_order.order) for value, width in numbers)
        buffer[at : at + length] = (header + text).ljust(length, b"\0")
        at += length
    contents = {
        POINTER: BUFFER.to_bytes(byte_order.word, byte_order.order),
        FIRST: start.to_bytes(4, byte_order.order),
        BEYOND: at.to_bytes(4, byte_order.order),
        LENGTH: size.to_bytes(4, byte_order.order),
        BUFFER: bytes(buffer),
    }
    values = {
        "SYMBOL(log_buf)": f"{POINTER:x}",
        "SYMBOL(log_first_idx)": f"{FIRST:x}",
        "SYMBOL(log_next_idx)": f"{BEYOND:x}",
        "SYMBOL(log_buf_len)": f"{LENGTH:x}",
        f"SIZE({struct})": "16",
        f"OFFSET({struct}.ts_nsec)": "0",
        f"OFFSET({struct}.len)": "8",
        f"OFFSET({struct}.text_len)": "10",
    }
    return Log(Segments(byte_order, contents), values)
