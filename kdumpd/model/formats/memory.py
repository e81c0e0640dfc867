# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory map in /proc/iomem."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# kernel/resource.c, r_show(): two spaces for each level, at least 4 digits, the end inclusive.
LINE = rb"( {0,40})([0-9a-f]{4,16})-([0-9a-f]{4,16}) : ([^\n]{1,200})"
PAGE = 4096
FOUR_GIB = 1 << 32
SYSTEM_RAM = b"System RAM"
CRASH_KERNEL = b"Crash kernel"  # the main and the low area alike (kernel/crash_reserve.c)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A range of physical memory: its first byte, and how many there are."""

    start: int
    size: int

    @property
    def is_high(self) -> bool:
        """Return whether it lies above 4 GiB, where devices of 32 bits cannot reach."""
        return self.start >= FOUR_GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Iomem:
    """What the memory map says; all is None where the addresses were hidden from the reader."""

    system_ram: int | None = None  # bytes
    crash: tuple[Region, ...] | None = None  # in the order of their addresses


def parse_iomem(content: bytes) -> Iomem | None:
    """Return what a memory map says, None for what is no memory map.

    Whoever opened the file without CAP_SYS_ADMIN sees only zeroes (kernel/resource.c, r_show).
    """
    lines = list(_lines(content))
    if not lines:
        return None
    if not any(end for _, _, end, _ in lines):
        return Iomem()
    ram = sum(_pages(start, end) for depth, start, end, name in lines if _is_ram(depth, name))
    crash = [
        Region(start=start, size=end + 1 - start)
        for _, start, end, name in lines
        if name.startswith(CRASH_KERNEL) and start <= end
    ]
    return Iomem(
        system_ram=ram or None, crash=tuple(sorted(crash, key=lambda region: region.start))
    )


def parse_ranges(content: bytes) -> tuple[Region, ...] | None:
    """Return the ranges of /sys/kernel/kexec/crash_cma_ranges, None for what is none.

    A line for each, START-END in hexadecimal, the end inclusive; empty where there is none
    (kernel/kexec_core.c, crash_cma_ranges_show).
    """
    regions = []
    for line in content.splitlines():
        match = re.fullmatch(rb"([0-9a-f]{8,16})-([0-9a-f]{8,16})", line)
        if match is None:
            return None
        start, end = int(match[1], 16), int(match[2], 16)
        if end < start:
            return None
        regions.append(Region(start=start, size=end + 1 - start))
    return tuple(regions)


def _lines(content: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    for line in content.splitlines():
        if match := re.fullmatch(LINE, line):
            yield len(match[1]), int(match[2], 16), int(match[3], 16), match[4]


def _is_ram(depth: int, name: bytes) -> bool:
    # On s390 the area lies beside System RAM (arch/s390/kernel/setup.c, setup_resources).
    return depth == 0 and (name == SYSTEM_RAM or name.startswith(CRASH_KERNEL))


def _pages(start: int, end: int) -> int:
    """Return the bytes of whole pages: memblock_trim_memory() leaves no others."""
    first, last = -(-start // PAGE), (end + 1) // PAGE
    return max(last - first, 0) * PAGE
