# SPDX-License-Identifier: GPL-2.0-or-later
"""Small cores made byte by byte, built like those that makedumpfile 1.7.2 wrote of a real panic.

One crash can be written in every format; all of them then say the same of it.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

BLOCK = 4096
ZERO_PAGE = bytes(BLOCK)
BUFFER = 1 << 16  # makedumpfile's own; a record of pages is at most this long
END = b"\xff" * 16

FIRST_PFN = 16  # of the first page that a core holds
NOTES_AT = BLOCK + 104  # right behind the sub-header
ZLIB = 1  # the flag of a compressed page, and of a core that has some

EHDR, PHDR = {True: 64, False: 52}, {True: 56, False: 32}
PT_LOAD, PT_NOTE = 1, 4
MACHINES = {"x86_64": 62, "i686": 3, "ppc64": 21, "ppc64le": 21, "s390x": 22, "aarch64": 183}


def page(number: int) -> bytes:
    """Return a page of its own content, which compresses well."""
    return (b"page %08d\n" % number * BLOCK)[:BLOCK]


def pages(count: int) -> tuple[bytes, ...]:
    """Return pages as memory has them: every third holds nothing but zeros."""
    return tuple(ZERO_PAGE if number % 3 == 1 else page(number) for number in range(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """A crash of a kernel: what every core of it says, and the pages that it holds."""

    release: str = "6.1.0-56-amd64"
    build_id: str = "eb4fbcd037e7253717950bf2b93bd5566f47c56f"
    crash_time: int | None = 1795396414  # None: a kernel that does not say it
    host: str = "crashed.example"
    machine: str = "x86_64"
    pages: tuple[bytes, ...] = field(default_factory=lambda: pages(6))

    @property
    def crashed_at(self) -> datetime | None:
        """When it was."""
        return None if self.crash_time is None else datetime.fromtimestamp(self.crash_time, UTC)

    @property
    def vmcoreinfo(self) -> bytes:
        """The note of the kernel that died, in the order in which Linux 6.1 writes it."""
        lines = [
            f"OSRELEASE={self.release}",
            f"BUILD-ID={self.build_id}",
            "PAGESIZE=4096",
            "SYMBOL(init_uts_ns)=ffffffff921fb000",
            "OFFSET(uts_namespace.name)=0",
            "LENGTH(mem_section)=262144",
            "SIZE(page)=64",
            "NUMBER(SECTION_SIZE_BITS)=27",
            "KERNELOFFSET=f600000",
        ]
        if self.crash_time is not None:
            lines.append(f"CRASHTIME={self.crash_time}")
        return "".join(f"{line}\n" for line in lines).encode("ascii")

    def notes(self, order: str) -> bytes:
        """Return the notes: registers of one CPU, and VMCOREINFO."""
        registers = note(b"CORE", 1, bytes(336), order)
        return registers + note(b"VMCOREINFO", 0, self.vmcoreinfo, order)


def note(name: bytes, kind: int, content: bytes, order: str) -> bytes:
    """Return one ELF note (elf(5))."""
    named = name + b"\0"
    head = struct.pack(order + "III", len(named), len(content), kind)
    return head + _padded(named) + _padded(content)


def flat(records: Iterable[tuple[int, bytes]], *, end: bytes = END) -> bytes:
    """Return a flattened file of these records."""
    header = (b"makedumpfile\0\0\0\0" + struct.pack(">qq", 1, 1)).ljust(BLOCK, b"\0")
    return header + b"".join(record(*one) for one in records) + end


def record(offset: int, data: bytes) -> bytes:
    """Return one record of a flattened file."""
    return struct.pack(">qq", offset, len(data)) + data


def flattened(
    crash: Crash, *, compressed: bool = True, order: str = "<", buffer: int = BUFFER
) -> bytes:
    """Return what `makedumpfile -F -c` writes, Debian's default; without `compressed`, `-F`."""
    return flat(kdump_records(crash, compressed=compressed, order=order, buffer=buffer))


def flattened_elf(crash: Crash, *, order: str = "<", buffer: int = BUFFER) -> bytes:
    """Return what `makedumpfile -F -E` writes."""
    return flat(elf_records(crash, order=order, buffer=buffer))


def kdump(
    crash: Crash,
    *,
    compressed: bool = True,
    order: str = "<",
    wide: bool = True,
    status: int = 0,
) -> bytes:
    """Return what `makedumpfile -c` writes; the status says what it says beside the compression."""
    core = Kdump(crash, compressed=compressed, order=order, wide=wide, status=status)
    return assembled(core.records(BUFFER))


def split(crash: Crash, *ends: int) -> list[bytes]:
    """Return what `makedumpfile --split -c` writes: parts that end before these page frames.

    Each has the bitmaps of all of memory, room for all page descriptors, and its own pages.
    """
    frames = Kdump(crash).frames
    starts = (0, *ends)
    parts = []
    for part in zip(starts, (*ends, frames), strict=True):
        core = Kdump(crash)
        core.part = part
        parts.append(assembled(core.records(BUFFER)))
    return parts


def kdump_records(
    crash: Crash, *, compressed: bool = True, order: str = "<", buffer: int = BUFFER
) -> list[tuple[int, bytes]]:
    """Return the records of a flattened kdump-compressed core, in the order of writing."""
    return list(Kdump(crash, compressed=compressed, order=order).records(buffer))


def assembled(records: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the core that the records of a flattened one make: `makedumpfile -R`."""
    core = bytearray()
    for offset, data in records:
        core.extend(bytes(max(0, offset + len(data) - len(core))))
        core[offset : offset + len(data)] = data
    return bytes(core)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """Where one page lies in a kdump-compressed core."""

    offset: int
    size: int
    flags: int


class Kdump:
    """The parts of a kdump-compressed core (makedumpfile 1.7.2, diskdump_mod.h)."""

    def __init__(
        self,
        crash: Crash,
        *,
        compressed: bool = True,
        order: str = "<",
        wide: bool = True,
        status: int = 0,
    ) -> None:
        self._crash = crash
        self.part: tuple[int, int] | None = None  # the page frames that a part of a core holds
        self._order = order
        self._wide = wide
        self._compressed = compressed
        self._status = status | (ZLIB if compressed else 0)

    @property
    def frames(self) -> int:
        """The number of page frames that the machine has."""
        return FIRST_PFN + len(self._crash.pages)

    @property
    def bitmap_size(self) -> int:
        """The bytes of each of the two bitmaps, in whole blocks."""
        return -(-self.frames // (8 * BLOCK)) * BLOCK

    @property
    def descriptors_at(self) -> int:
        """Where the page descriptors begin."""
        return 2 * BLOCK + 2 * self.bitmap_size

    @property
    def pages_at(self) -> int:
        """Where the pages begin: with the one that all pages of zeros share."""
        return self.descriptors_at + 24 * len(self._crash.pages)

    def records(self, buffer: int) -> Iterator[tuple[int, bytes]]:
        """Yield offset and data of each write: header, notes, sub-header, bitmaps, pages."""
        yield 0, self._header()
        if self._wide:
            yield NOTES_AT, self._crash.notes(self._order)
        yield BLOCK, self._sub_header()
        exist = (1 << self.frames) - 1
        held = exist >> FIRST_PFN << FIRST_PFN
        bitmaps = b"".join(bits.to_bytes(self.bitmap_size, "little") for bits in (exist, held))
        for start in range(0, len(bitmaps), BLOCK):
            yield 2 * BLOCK + start, bitmaps[start : start + BLOCK]
        yield from self._page_records(buffer)

    def _page_records(self, buffer: int) -> Iterator[tuple[int, bytes]]:
        # Two buffers: whenever that of the pages is full, first that of the descriptors is written.
        descriptors, contents = b"", ZERO_PAGE
        descriptors_at, contents_at = self.descriptors_at, self.pages_at
        for content, descriptor in self._pages():
            if len(contents) + len(content) > buffer:
                if descriptors:
                    yield descriptors_at, descriptors
                yield contents_at, contents
                descriptors_at += len(descriptors)
                contents_at += len(contents)
                descriptors, contents = b"", b""
            contents += content
            descriptors += struct.pack(
                self._order + "QIIQ", descriptor.offset, descriptor.size, descriptor.flags, 0
            )
        if contents:
            yield contents_at, contents
        if descriptors:
            yield descriptors_at, descriptors

    def _pages(self) -> Iterator[tuple[bytes, Descriptor]]:
        at = self.pages_at + BLOCK
        start, end = self.part or (0, self.frames)
        for frame, content in enumerate(self._crash.pages, FIRST_PFN):
            if not start <= frame < end:
                continue
            if content == ZERO_PAGE:
                yield b"", Descriptor(offset=self.pages_at, size=BLOCK, flags=0)
                continue
            small = zlib.compress(content, 1) if self._compressed else content
            stored, flags = (small, ZLIB) if len(small) < BLOCK else (content, 0)
            yield stored, Descriptor(offset=at, size=len(stored), flags=flags)
            at += len(stored)

    def _header(self) -> bytes:
        crash, order = self._crash, self._order
        version = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
        fields = ("Linux", crash.host, crash.release, version, crash.machine, "(none)")
        utsname = b"".join(text.encode("ascii").ljust(65, b"\0") for text in fields)
        time = struct.pack(order + ("6xQQ" if self._wide else "2xII"), crash.crash_time or 0, 0)
        bitmap_blocks = 2 * self.bitmap_size // BLOCK
        numbers = (self._status, BLOCK, 1, bitmap_blocks, self.frames, 0, 0, 0, 0, 1)
        version_6 = struct.pack(order + "I", 6)
        return b"KDUMP   " + version_6 + utsname + time + struct.pack(order + "10I", *numbers)

    def _sub_header(self) -> bytes:
        if not self._wide:
            return bytes(80)
        notes = self._crash.notes(self._order)
        info = self._crash.vmcoreinfo
        at = NOTES_AT + notes.index(info)
        places = (at, len(info), NOTES_AT, len(notes))
        part = self.part or (0, 0)
        return struct.pack(
            self._order + "QiiQQQQQQQQQQQ",
            0x7E00000,
            31,
            1 if self.part else 0,
            *part,
            *places,
            *(0, 0),
            *part,
            self.frames,
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header."""

    kind: int
    at: int
    size: int
    in_memory: int

    def header(self, order: str, *, wide: bool) -> bytes:
        """Return it as it stands in the file."""
        if wide:
            numbers = (self.kind, 7, self.at, 0, 0, self.size, self.in_memory, 0)
            return struct.pack(order + "IIQQQQQQ", *numbers)
        numbers = (self.kind, self.at, 0, 0, self.size, self.in_memory, 7, 0)
        return struct.pack(order + "IIIIIIII", *numbers)


def elf(crash: Crash, *, order: str = "<", wide: bool = True, flags: int = 0) -> bytes:
    """Return what `makedumpfile -E` writes."""
    return assembled(elf_records(crash, order=order, wide=wide, flags=flags))


def elf_records(
    crash: Crash, *, order: str = "<", wide: bool = True, flags: int = 0, buffer: int = BUFFER
) -> list[tuple[int, bytes]]:
    """Return the records of a flattened ELF core: the program headers twice, at first empty."""
    notes = crash.notes(order)
    contents = b"".join(crash.pages)
    table_at = EHDR[wide]
    notes_at = table_at + 4 * PHDR[wide]
    contents_at = notes_at + len(notes)
    half = len(crash.pages) // 2 * BLOCK
    segments = (
        Segment(PT_NOTE, notes_at, len(notes), len(notes)),
        Segment(PT_LOAD, contents_at, half, half),
        Segment(PT_LOAD, 0, 0, 1 << 20),  # none of its pages were asked for
        Segment(PT_LOAD, contents_at + half, len(contents) - half, 1 << 24),
    )
    table = b"".join(segment.header(order, wide=wide) for segment in segments)
    *most, last = [
        (contents_at + start, contents[start : start + buffer])
        for start in range(0, len(contents), buffer)
    ]
    return [
        (table_at, bytes(len(table))),
        (0, _elf_header(crash, len(segments), flags, order, wide=wide)),
        (notes_at, notes),
        *most,
        (table_at, table),
        last,
    ]


def _elf_header(crash: Crash, count: int, flags: int, order: str, *, wide: bool) -> bytes:
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1))
    form = order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH")
    core, table_at = 4, EHDR[wide]
    return ident.ljust(16, b"\0") + struct.pack(
        form,
        *(core, MACHINES[crash.machine], 1, 0, table_at, 0, flags),
        *(EHDR[wide], PHDR[wide], count, 0, 0, 0),
    )


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)
