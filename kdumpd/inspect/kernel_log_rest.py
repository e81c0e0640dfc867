# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the kernel log out of the memory in a core."""

from typing import Protocol

from kdumpd.model.captures.inspection import LONGEST_LOG
from kdumpd.model.crashlog.printk import (
    MOST_BITS,
    Layout,
    Machine,
    PrintkError,
    Ring,
    Values,
    parse_records,
    parse_ring,
    records_log,
    ring_log,
)

INDEX_SIZE = 4  # log_first_idx, log_next_idx and log_buf_len are 32 bits wide


class Memory(Protocol):
    """The memory of the machine that died."""

    @property
    def machine(self) -> Machine:
        """How it writes numbers."""

    def read(self, address: int, size: int) -> bytes:
        """Return so many bytes from a virtual address; or UnreadableMemoryError."""


def read_kernel_log(memory: Memory, values: Values) -> bytes:
    """Return the end of the log, as VMCOREINFO says where it is.

    PrintkError when it is no log, UnreadableMemoryError when the core does not hold it.
    """
    if "SYMBOL(prb)" in values:
        return _read_ring_log(memory, values)
    if "SYMBOL(log_first_idx)" in values:
        return _read_records_log(memory, values)
    raise PrintkError("is of a kernel that does not say where its log lies")


def _read_ring_log(memory: Memory, values: Values) -> bytes:
    layout = Layout(values)
    address = _read_long(memory, layout.symbol("prb"))
    content = memory.read(address, layout.size("printk_ringbuffer"))
    ring = parse_ring(content, memory.machine, values)
    return ring_log(
        ring,
        _read_entries(memory, ring, ring.descriptors_at, layout.size("prb_desc")),
        _read_entries(memory, ring, ring.infos_at, layout.size("printk_info")),
        memory.read(ring.text_at, ring.text_size),
        LONGEST_LOG,
    )


def _read_records_log(memory: Memory, values: Values) -> bytes:
    layout, machine = Layout(values), memory.machine
    first, beyond, size = (
        machine.number(memory.read(layout.symbol(name), INDEX_SIZE), 0, INDEX_SIZE)
        for name in ("log_first_idx", "log_next_idx", "log_buf_len")
    )
    if size > 1 << MOST_BITS:
        raise PrintkError(f"claims a kernel log of {size} bytes")
    content = memory.read(_read_long(memory, layout.symbol("log_buf")), size)
    return records_log(parse_records(content, first, beyond, machine, values), LONGEST_LOG)


def _read_long(memory: Memory, address: int) -> int:
    return memory.machine.long(memory.read(address, memory.machine.word), 0)


def _read_entries(memory: Memory, ring: Ring, address: int, size: int) -> bytes:
    return b"".join(memory.read(address + at * size, count * size) for at, count in ring.spans)
