# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a kdump-compressed core, makedumpfile's own format (1.7.2, diskdump_mod.h, IMPLEMENTATION).

Block 0 holds the header, block 1 the sub-header; then come two bitmaps of page frames, the
descriptors of the pages that the second bitmap names, and the pages themselves.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kdumpd.model.captures.core import MAX_DUMP_LEVEL, Part
from kdumpd.observe.cores.source import MAX_VMCOREINFO_BYTES, CoreError, Source

MAGIC = b"KDUMP   "
DUMP_DH_COMPRESSED_INCOMPLETE = 0x8  # set when space ran out
FIRST_VERSION_WITH_VMCOREINFO = 3  # header_version
VMCOREINFO_AT = 32  # offset_vmcoreinfo and size_vmcoreinfo in a 64-bit sub-header
DUMP_LEVEL_AT = {True: 8, False: 4}  # behind an unsigned long of a 64-bit or of a 32-bit machine
FIRST_VERSION_WITH_SPLIT = 2
SPLIT_AT = 12  # split, start_pfn and end_pfn in a 64-bit sub-header
FIRST_VERSION_WITH_64_BIT_FRAMES = 6
FRAMES_AT = 96  # max_mapnr_64 in a 64-bit sub-header
COMPRESSION_OF_FLAG = {0x1: "zlib", 0x2: "lzo", 0x4: "snappy", 0x20: "zstd"}

UTSNAME_AT = 12  # where struct new_utsname begins: six fields of 65 bytes
UTSNAME_FIELD_BYTES = 65
NODENAME_FIELD, RELEASE_FIELD, MACHINE_FIELD = 1, 2, 4
# Where status lies: after utsname and a timeval, aligned to 8 bytes (64-bit writers) or to 4.
STATUS_AT = {True: 424, False: 412}
HEADER_BYTES = 464
BLOCK_SIZES = {1 << power for power in range(9, 19)}

DESCRIPTOR_BYTES = 24
DESCRIPTORS_A_READ = 1 << 15
BITMAP_BYTES_A_READ = 1 << 20
MAX_BITMAP_BYTES = 1 << 30  # 16 TiB of RAM in 4 KiB pages have two bitmaps of 512 MiB
MAX_DESCRIPTORS_READ = 1 << 23  # looked at for the last page that is not the shared zero page


@dataclass(frozen=True, slots=True, kw_only=True)
class KdumpHeader:
    """The header; sizes and offsets in bytes where the name does not say blocks."""

    order: str  # of bytes, as struct writes it: < or >
    wide: bool  # written by a 64-bit machine
    version: int
    host: bytes
    release: bytes
    machine: bytes
    status: int
    block_size: int
    sub_header_blocks: int
    bitmap_blocks: int
    frames: int  # of memory, in 32 bits

    @property
    def incomplete(self) -> bool:
        """Whether the writer itself said that it ran out of space."""
        return bool(self.status & DUMP_DH_COMPRESSED_INCOMPLETE)

    @property
    def compression(self) -> str:
        """The name of the pages' compression, empty for none."""
        return next((name for flag, name in COMPRESSION_OF_FLAG.items() if self.status & flag), "")

    @property
    def bitmaps_at(self) -> int:
        """Where the two bitmaps begin; each is half of the bitmap blocks."""
        return (1 + self.sub_header_blocks) * self.block_size

    @property
    def bitmap_size(self) -> int:
        """The size of one of the two bitmaps in bytes."""
        return self.bitmap_blocks * self.block_size // 2

    @property
    def descriptors_at(self) -> int:
        """Where the page descriptors begin."""
        return self.bitmaps_at + self.bitmap_blocks * self.block_size


def read_kdump_header(source: Source) -> KdumpHeader:
    """Return the header; CoreError when no byte order and word size make sense of it."""
    start = source.read(0, HEADER_BYTES)
    if not start.startswith(MAGIC):
        raise CoreError("has no kdump-compressed header")
    for wide in (True, False):
        for order in "<>":
            header = _header(start, order, wide=wide)
            if header.block_size in BLOCK_SIZES and 0 < header.version < 1 << 16:
                return header
    raise CoreError("has a broken kdump-compressed header")


def read_kdump_vmcoreinfo(source: Source, header: KdumpHeader) -> bytes:
    """Return VMCOREINFO, empty when the core has none or a 32-bit machine wrote it."""
    if header.version < FIRST_VERSION_WITH_VMCOREINFO or not header.wide:
        return b""
    place = source.read(header.block_size + VMCOREINFO_AT, 16)
    offset, size = struct.unpack(header.order + "QQ", place)
    if size > MAX_VMCOREINFO_BYTES:
        raise CoreError(f"claims a VMCOREINFO of {size} bytes")
    return source.read(offset, size)


def read_dump_level(source: Source, header: KdumpHeader) -> int | None:
    """Return makedumpfile's -d, a sum of the kinds of pages left out; None where it is not said."""
    place = source.read(header.block_size + DUMP_LEVEL_AT[header.wide], 4)
    (level,) = struct.unpack(header.order + "i", place)
    return level if 0 <= level <= MAX_DUMP_LEVEL else None


def read_part(source: Source, header: KdumpHeader) -> Part | None:
    """Return which part of a split core this is (makedumpfile --split), None for a whole one."""
    if header.version < FIRST_VERSION_WITH_SPLIT or not header.wide:
        return None
    split, start, end = struct.unpack(
        header.order + "iQQ", source.read(header.block_size + SPLIT_AT, 20)
    )
    if not split:
        return None
    frames = header.frames
    if header.version >= FIRST_VERSION_WITH_64_BIT_FRAMES:
        place = source.read(header.block_size + FRAMES_AT, 8)
        (frames,) = struct.unpack(header.order + "Q", place)
    if not start <= end <= frames <= header.bitmap_size * 8:
        raise CoreError(f"claims to hold page frames {start} to {end} of {frames}")
    return Part(start=start, end=end, frames=frames)


def read_missing_pages(source: Source, header: KdumpHeader, part: Part | None = None) -> str:
    """Return what shows that pages are missing at the end of a file, empty when none are.

    A killed writer sets no flag, but pages and descriptors are written in order: the core is whole
    when every page that the second bitmap names has a descriptor, and the last page lies within the
    file. All-zero pages share one copy, the first after the descriptors. In each part of a split
    core the bitmap names the pages of all, and the descriptors have room for all; the part's own
    are written, from the first on (makedumpfile 1.7.2, seen).
    """
    pages = own = _count_pages(source, header, 0, header.bitmap_size * 8)
    if part is not None:
        own = _count_pages(source, header, part.start, part.end)
    pages_at = header.descriptors_at + pages * DESCRIPTOR_BYTES
    if pages == 0:
        return "names no pages"
    if own and pages_at > source.size:
        return f"ends at {source.size} bytes, within its page descriptors"
    for descriptors in _from_the_last(source, header, own):
        if any(offset < pages_at or size == 0 for offset, size, _, _ in descriptors):
            return "has pages that were never written"
        end = max(offset + size for offset, size, _, _ in descriptors)
        if end > source.size:
            return f"ends at {source.size} bytes, but its last page at {end}"
        if any(offset != pages_at for offset, _, _, _ in descriptors):
            return ""
    return ""


def _header(start: bytes, order: str, *, wide: bool) -> KdumpHeader:
    (version,) = struct.unpack_from(order + "I", start, len(MAGIC))
    status, block_size, sub_blocks, bitmap_blocks, frames = struct.unpack_from(
        order + "5I", start, STATUS_AT[wide]
    )
    utsname = [
        start[UTSNAME_AT + field * UTSNAME_FIELD_BYTES :][:UTSNAME_FIELD_BYTES].partition(b"\0")[0]
        for field in range(6)
    ]
    return KdumpHeader(
        order=order,
        wide=wide,
        version=version,
        host=utsname[NODENAME_FIELD],
        release=utsname[RELEASE_FIELD],
        machine=utsname[MACHINE_FIELD],
        status=status,
        block_size=block_size,
        sub_header_blocks=sub_blocks,
        bitmap_blocks=bitmap_blocks,
        frames=frames,
    )


def _count_pages(source: Source, header: KdumpHeader, start: int, end: int) -> int:
    """Return how many of these page frames the second bitmap names."""
    if header.bitmap_size > MAX_BITMAP_BYTES:
        raise CoreError(f"claims a bitmap of {header.bitmap_size} bytes")
    bitmap_at = header.bitmaps_at + header.bitmap_size
    pages = 0
    for first in range(start - start % 8, end, BITMAP_BYTES_A_READ * 8):
        count = min(BITMAP_BYTES_A_READ * 8, end - first)
        bits = source.read(bitmap_at + first // 8, (count + 7) // 8)
        named = int.from_bytes(bits, "little") & ((1 << count) - 1)
        pages += (named >> max(0, start - first)).bit_count()
    return pages


def _from_the_last(
    source: Source, header: KdumpHeader, pages: int
) -> Iterator[list[tuple[int, int, int, int]]]:
    first = max(0, pages - MAX_DESCRIPTORS_READ)
    for end in range(pages, first, -DESCRIPTORS_A_READ):
        start = max(first, end - DESCRIPTORS_A_READ)
        content = source.read(
            header.descriptors_at + start * DESCRIPTOR_BYTES, (end - start) * DESCRIPTOR_BYTES
        )
        yield list(struct.iter_unpack(header.order + "QIIQ", content))
