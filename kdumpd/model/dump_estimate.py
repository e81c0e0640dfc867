# SPDX-License-Identifier: GPL-2.0-or-later
"""How large a dump may become, from what /proc/meminfo counts.

makedumpfile leaves out, by the bits of its -d (makedumpfile(8), and __exclude_unnecessary_pages in
makedumpfile.c): 1 pages of zeros, 2 page cache without private data, 4 all page cache, 8 anonymous
and huge pages of programs, 16 free pages. The page cache is Cached, which holds Shmem, and Buffers
(fs/proc/meminfo.c). A dump of level 31 is what is left: the kernel's own pages.

The kernel's own pages are its slabs, page tables, vmalloc (which holds the stacks), per-CPU data,
and what MemTotal does not count: the map of all pages, a struct page of 64 bytes for each of 4096,
and the kernel's image. Pages that drivers took without telling are not in any counter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kdumpd.model.text import MIB

# Debian 12 with 1.5 GiB: by this count 110 MB are the kernel's, and a zlib dump of level 31 had 39.
COMPRESSION = 2
KERNEL_IMAGE = 48 * MIB  # code, data and bss of Debian's 6.1 by /proc/iomem: 43 MiB
PAGE = 4096
PAGES_PER_MAP_BYTE = 64  # PAGE / sizeof(struct page)
DESCRIPTOR = 24  # bytes that a kdump-compressed dump spends on each page (makedumpfile's page_desc)
BITMAPS = 2  # and bits on each page that the machine has
CACHE, ALL_CACHE, PROGRAMS, FREE = 2, 4, 8, 16
KIB = 1024
LINE = rb"(?m)^([A-Za-z()_]{1,40}):[ \t]{1,40}(\d{1,18}) kB$"
QUARTER_BITS = 3  # the highest bits, which are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """What the memory is used for; sizes in bytes, 0 where the kernel does not count it."""

    total: int
    free: int = 0
    cache: int = 0
    programs: int = 0
    kernel: int = 0

    @property
    def uncounted(self) -> int:
        """Bytes of the kernel that are not part of the total: the map of all pages, its image."""
        return self.total // PAGES_PER_MAP_BYTE + KERNEL_IMAGE

    def dumped(self, level: int) -> int:
        """Return the bytes of memory that a dump of this level holds, as far as is counted."""
        pages = self.kernel + self.uncounted
        pages += 0 if level & (CACHE | ALL_CACHE) else self.cache
        pages += 0 if level & PROGRAMS else self.programs
        pages += 0 if level & FREE else self.free
        return min(pages, self.total + self.uncounted)

    def estimate(self, level: int, *, compressed: bool) -> int:
        """Return the bytes that a dump is likely to need."""
        return self.dumped(level) // (COMPRESSION if compressed else 1)

    def least(self, level: int) -> int:
        """Return the bytes that the tables of a kdump-compressed dump need before any page."""
        return BITMAPS * self.total // PAGE // 8 + DESCRIPTOR * self.dumped(level) // PAGE


def parse_meminfo(content: bytes) -> Mapping[bytes, int]:
    """Return the bytes that /proc/meminfo tells of, by their names there."""
    return {match[1]: int(match[2]) * KIB for match in re.finditer(LINE, content)}


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
    step = 1 << max(0, size.bit_length() - QUARTER_BITS)
    return size // step * step
