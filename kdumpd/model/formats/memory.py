# SPDX-License-Identifier: GPL-2.0-or-later
"""/proc/iomem and /proc/meminfo: how much memory there is, and how large a dump may become."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kdumpd.model.text import MIB, human_size

# kernel/resource.c, r_show(): two spaces for each level, at least 4 digits, the end inclusive.
IOMEM_LINE = rb"( {0,40})([0-9a-f]{4,16})-([0-9a-f]{4,16}) : ([^\n]{1,200})"
PAGE_BYTES = 4096
FOUR_GIB = 1 << 32
SYSTEM_RAM_NAME = b"System RAM"
CRASH_KERNEL_NAME = b"Crash kernel"  # the main and the low area alike (kernel/crash_reserve.c)


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
        if name.startswith(CRASH_KERNEL_NAME) and start <= end
    ]
    return Iomem(
        system_ram=ram or None, crash=tuple(sorted(crash, key=lambda region: region.start))
    )


def parse_cma_ranges(content: bytes) -> tuple[Region, ...] | None:
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
        if match := re.fullmatch(IOMEM_LINE, line):
            yield len(match[1]), int(match[2], 16), int(match[3], 16), match[4]


def _is_ram(depth: int, name: bytes) -> bool:
    # On s390 the area lies beside System RAM (arch/s390/kernel/setup.c, setup_resources).
    return depth == 0 and (name == SYSTEM_RAM_NAME or name.startswith(CRASH_KERNEL_NAME))


def _pages(start: int, end: int) -> int:
    """Return the bytes of whole pages: memblock_trim_memory() leaves no others."""
    first, last = -(-start // PAGE_BYTES), (end + 1) // PAGE_BYTES
    return max(last - first, 0) * PAGE_BYTES


class RamSource(StrEnum):
    """Where the figure comes from, the best first; the value is how a person is told."""

    IOMEM = "the memory map in /proc/iomem"
    LOG = "the kernel log of this boot"
    BLOCKS = "the memory blocks in /sys/devices/system/memory"
    MEMINFO = "MemTotal in /proc/meminfo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ram:
    """The machine's memory in bytes, and how it is known."""

    size: int
    source: RamSource
    exact: bool  # to a MiB

    @property
    def words(self) -> str:
        """Return it as a person reads it, with its source."""
        return f"{'' if self.exact else 'about '}{human_size(self.size)} according to {self.source}"


def best_ram(
    iomem: int | None, logged: int | None, blocks: int | None, meminfo: int | None
) -> Ram | None:
    """Return the RAM, None where nothing tells; every source in bytes, None for unknown.

    The log has memblock_phys_mem_size(), which is what crashkernel= is read by, in whole MiB. The
    memory map is the same to the byte, but where memory was added since the boot, or where some of
    it is marked as not mapped (arm64): then the log is believed. MemTotal lacks what the kernel
    needs for itself. A memory block counts whole, also where it has holes.
    """
    if iomem and (logged is None or iomem // MIB == logged // MIB):
        return Ram(size=iomem, source=RamSource.IOMEM, exact=True)
    if logged:
        return Ram(size=logged, source=RamSource.LOG, exact=True)
    if blocks:
        return Ram(size=blocks, source=RamSource.BLOCKS, exact=False)
    return Ram(size=meminfo, source=RamSource.MEMINFO, exact=False) if meminfo else None


# Debian 12 with 1.5 GiB: by this count 110 MB are the kernel's, and a zlib dump of level 31 had 39.
COMPRESSION_RATIO = 2
KERNEL_IMAGE_BYTES = 48 * MIB  # code, data and bss of Debian's 6.1 by /proc/iomem: 43 MiB
PAGES_PER_MAP_BYTE = 64  # PAGE_BYTES / sizeof(struct page)
# spent by a kdump-compressed dump on each page (makedumpfile's page_desc)
PAGE_DESCRIPTOR_BYTES = 24
BITMAPS_IN_DUMP = 2  # and bits on each page that the machine has
# makedumpfile leaves out, by the bits of its -d (makedumpfile(8), and __exclude_unnecessary_pages
# in makedumpfile.c): 1 pages of zeros, 2 page cache without private data, 4 all page cache, 8
# anonymous and huge pages of programs, 16 free pages. Level 31 leaves the kernel's own pages.
DUMP_LEVEL_CACHE, DUMP_LEVEL_ALL_CACHE, DUMP_LEVEL_PROGRAMS, DUMP_LEVEL_FREE = 2, 4, 8, 16
KIB = 1024
MEMINFO_LINE = rb"(?m)^([A-Za-z()_]{1,40}):[ \t]{1,40}(\d{1,18}) kB$"
ROUNDED_SIZE_BITS = 3  # the highest bits, which are kept


class MemoryUse(NamedTuple):
    """What the memory is used for; sizes in bytes, 0 where the kernel does not count it.

    The page cache is Cached, which holds Shmem, and Buffers (fs/proc/meminfo.c). The kernel's own
    pages are its slabs, page tables, vmalloc (which holds the stacks), per-CPU data, and what
    MemTotal does not count: the map of all pages, a struct page of 64 bytes for each of 4096, and
    the kernel's image. Pages that drivers took without telling are not in any counter.
    """

    total: int
    free: int = 0
    cache: int = 0
    programs: int = 0
    kernel: int = 0

    @property
    def uncounted(self) -> int:
        """Bytes of the kernel that are not part of the total: the map of all pages, its image."""
        return self.total // PAGES_PER_MAP_BYTE + KERNEL_IMAGE_BYTES

    def dumped(self, level: int) -> int:
        """Return the bytes of memory that a dump of this level holds, as far as is counted."""
        pages = self.kernel + self.uncounted
        pages += 0 if level & (DUMP_LEVEL_CACHE | DUMP_LEVEL_ALL_CACHE) else self.cache
        pages += 0 if level & DUMP_LEVEL_PROGRAMS else self.programs
        pages += 0 if level & DUMP_LEVEL_FREE else self.free
        return min(pages, self.total + self.uncounted)

    def estimate(self, level: int, *, compressed: bool) -> int:
        """Return the bytes that a dump is likely to need."""
        return self.dumped(level) // (COMPRESSION_RATIO if compressed else 1)

    def least(self, level: int) -> int:
        """Return the bytes that the tables of a kdump-compressed dump need before any page."""
        return (
            BITMAPS_IN_DUMP * self.total // PAGE_BYTES // 8
            + PAGE_DESCRIPTOR_BYTES * self.dumped(level) // PAGE_BYTES
        )


def parse_meminfo(content: bytes) -> Mapping[bytes, int]:
    """Return the bytes that /proc/meminfo tells of, by their names there."""
    return {match[1]: int(match[2]) * KIB for match in re.finditer(MEMINFO_LINE, content)}


def memory_use(said: Mapping[bytes, int]) -> MemoryUse | None:
    """Return how the memory is used, None where not even MemTotal is said."""

    def of(*names: bytes) -> int:
        return sum(said.get(name, 0) for name in names)

    if not of(b"MemTotal"):
        return None
    return MemoryUse(
        total=of(b"MemTotal"),
        free=of(b"MemFree"),
        cache=of(b"Cached", b"Buffers"),
        programs=of(b"AnonPages", b"SwapCached", b"Hugetlb"),
        kernel=of(b"Slab", b"PageTables", b"SecPageTables", b"Percpu")
        + max(of(b"VmallocUsed"), of(b"KernelStack")),
    )


def steady(size: int) -> int:
    """Return a size rounded down to a quarter of its power of two: it does not change all day."""
    step = 1 << max(0, size.bit_length() - ROUNDED_SIZE_BITS)
    return size // step * step
