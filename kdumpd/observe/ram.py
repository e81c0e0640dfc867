# SPDX-License-Identifier: GPL-2.0-or-later
"""Read how much memory the machine has, where the memory map does not tell."""

import re

from kdumpd.model.formats.memory import parse_meminfo
from kdumpd.observe.files import Files

BLOCKS = "sys/devices/system/memory"
BLOCK = r"memory[0-9]{1,10}"


def read_blocks(files: Files) -> int | None:
    """Return the bytes of all memory blocks that are online, None where they are not told.

    block_size_bytes is hexadecimal, without 0x (Documentation/ABI/testing/sysfs-devices-memory).
    """
    size = files.number(f"{BLOCKS}/block_size_bytes", 16)
    names = files.names(BLOCKS)
    if not isinstance(size, int) or not isinstance(names, tuple):
        return None
    blocks = [name for name in names if re.fullmatch(BLOCK, name)]
    online = sum(files.number(f"{BLOCKS}/{name}/online") == 1 for name in blocks)
    return online * size if size > 0 and online else None


def read_memory_total(files: Files) -> int | None:
    """Return the bytes of MemTotal: what is left when the kernel has taken what it needs."""
    content = files.content("proc/meminfo")
    return parse_meminfo(content).get(b"MemTotal") if isinstance(content, bytes) else None
