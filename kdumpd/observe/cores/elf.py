# SPDX-License-Identifier: GPL-2.0-or-later
"""Read an ELF core: /proc/vmcore copied whole, or written by `makedumpfile -E`."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kdumpd.observe.cores.source import MAX_VMCOREINFO_BYTES, CoreError, Source

MAGIC = b"\x7fELF"
ET_CORE = 4
PT_LOAD, PT_NOTE = 1, 4
PN_XNUM = 0xFFFF
DUMP_ELF_INCOMPLETE = 0x1  # makedumpfile 1.7.2 elf_info.h: e_flags of a dump that ran out of space

ELF64_PHDR_BYTES = 56
MAX_SEGMENTS = 1 << 16
MAX_NOTES_BYTES = 1 << 22  # in all; the registers of a CPU take about 400
VMCOREINFO_NAME = b"VMCOREINFO\0"

ARCHITECTURE_OF_EM = {
    3: "i686",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
LITTLE_ENDIAN_NAMES = {"ppc64": "ppc64le", "mips": "mipsel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One program header."""

    type: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfHeader:
    """What an ELF core says of itself."""

    order: str  # of bytes, as struct writes it: < or >
    architecture: str
    incomplete: bool
    headers_end: int  # where makedumpfile puts the notes, before it can write the program headers
    segments: tuple[Segment, ...]

    @property
    def written(self) -> bool:
        """Whether the program headers are the real ones, which makedumpfile writes last.

        Until then placeholders without any size stand there (seen: 1.7.2, killed).
        """
        sized = {segment.type for segment in self.segments if segment.size > 0}
        return {PT_NOTE, PT_LOAD} <= sized

    @property
    def end(self) -> int:
        """The size in bytes of the file that holds every segment."""
        return max((segment.offset + segment.size for segment in self.segments), default=0)


def read_elf_header(source: Source) -> ElfHeader:
    """Return the ELF and program headers; CoreError when they are no core's (elf(5))."""
    ident = source.read(0, 16)
    order = {1: "<", 2: ">"}.get(ident[5])
    wide = {1: False, 2: True}.get(ident[4])
    if ident[:4] != MAGIC or order is None or wide is None:
        raise CoreError("has a broken ELF header")
    form = struct.Struct(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"))
    fields = form.unpack(source.read(16, form.size))
    kind, machine, _, _, table, sections, flags, _, entry_size, count = fields[:10]
    if kind != ET_CORE:
        raise CoreError(f"is an ELF file but no core (e_type {kind})")
    if count == PN_XNUM:
        count = _extended_count(source, order, sections, wide=wide)
    if count > MAX_SEGMENTS:
        raise CoreError(f"claims {count} program headers")
    segment = struct.Struct(order + ("IIQQQQQQ" if wide else "IIIIIIII"))
    name = ARCHITECTURE_OF_EM.get(machine, f"elf-{machine}")
    return ElfHeader(
        order=order,
        architecture=LITTLE_ENDIAN_NAMES.get(name, name) if order == "<" else name,
        incomplete=bool(flags & DUMP_ELF_INCOMPLETE),
        headers_end=table + entry_size * count,
        segments=tuple(_segments(source, segment, table, entry_size, count)),
    )


def read_elf_vmcoreinfo(source: Source, header: ElfHeader) -> bytes:
    """Return the VMCOREINFO note, empty when the core has none."""
    left = MAX_NOTES_BYTES
    for segment in header.segments:
        if segment.type == PT_NOTE and segment.size <= left:
            left -= segment.size
            note = _read_note(source, segment.offset, segment.size, header.order)
            if note:
                return note
    if header.written:
        return b""
    return _read_note(source, header.headers_end, MAX_NOTES_BYTES, header.order)


def _read_note(source: Source, at: int, most: int, order: str) -> bytes:
    """Return VMCOREINFO from the notes that begin here, empty when they end before (elf(5))."""
    form = struct.Struct(order + "III")
    end = at + most
    while at + form.size <= end:
        name_size, size, _ = form.unpack(source.read(at, form.size))
        start = at + form.size + _padded(name_size)
        if (
            name_size == len(VMCOREINFO_NAME)
            and source.read(at + form.size, name_size) == VMCOREINFO_NAME
        ):
            return source.read(start, size) if size <= MAX_VMCOREINFO_BYTES else b""
        if name_size == 0:
            return b""
        at = start + _padded(size)
    return b""


def _segments(
    source: Source, form: struct.Struct, table: int, entry_size: int, count: int
) -> Iterator[Segment]:
    if count and entry_size != form.size:
        raise CoreError(f"has program headers of {entry_size} bytes")
    content = source.read(table, entry_size * count)
    for index in range(count):
        fields = form.unpack_from(content, index * entry_size)
        offset, size = (
            (fields[2], fields[5]) if form.size == ELF64_PHDR_BYTES else (fields[1], fields[4])
        )
        yield Segment(type=fields[0], offset=offset, size=size)


def _extended_count(source: Source, order: str, sections: int, *, wide: bool) -> int:
    # With PN_XNUM segments or more, the count stands in sh_info of the first section header.
    form = struct.Struct(order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"))
    info: int = form.unpack(source.read(sections, form.size))[7]
    return info


def _padded(size: int) -> int:
    return (size + 3) & ~3
