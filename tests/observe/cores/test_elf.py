# SPDX-License-Identifier: GPL-2.0-or-later
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.observe.cores.elf import read_elf_header, read_elf_vmcoreinfo
from kdumpd.observe.cores.source import CoreError, FileSource
from tests.support.cores import PT_LOAD, PT_NOTE, Crash, Segment, elf, note

PHNUM_AT = {True: 56, False: 44}
PHOFF_AT, SHOFF_AT = {True: 32, False: 28}, {True: 40, False: 32}
BUDGET = 64 << 20  # bytes; more than the registers of 100,000 CPUs


class Counted:
    """A file that counts the bytes that were asked of it."""

    def __init__(self, fd: int) -> None:
        self._file = FileSource(fd)
        self.size, self.whole = self._file.size, self._file.whole
        self.asked = 0

    def read(self, offset: int, length: int) -> bytes:
        self.asked += length
        return self._file.read(offset, length)


@contextmanager
def source_of(content: bytes, size: int = 0) -> Iterator[Counted]:
    """Open a file of this content, filled up with a hole."""
    fd = os.memfd_create("core")
    try:
        os.write(fd, content)
        os.ftruncate(fd, max(size, len(content)))
        yield Counted(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("wide", [True, False])
def test_header(order: str, *, wide: bool) -> None:
    with source_of(elf(Crash(), order=order, wide=wide)) as source:
        header = read_elf_header(source)
        assert [one.type for one in header.segments] == [PT_NOTE, PT_LOAD, PT_LOAD, PT_LOAD]
        assert header.end == source.size
        assert header.written
        assert not header.incomplete
        assert read_elf_vmcoreinfo(source, header) == Crash().vmcoreinfo


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("wide", [True, False])
def test_more_segments_than_the_header_can_count(order: str, *, wide: bool) -> None:
    """Then sh_info of the first section header counts them (PN_XNUM, elf(5))."""
    core = bytearray(elf(Crash(), order=order, wide=wide))
    sections = struct.pack(order + ("IIQQQQIIQQ" if wide else "10I"), *[0] * 7, 4, 0, 0)
    struct.pack_into(order + "H", core, PHNUM_AT[wide], 0xFFFF)
    struct.pack_into(order + ("Q" if wide else "I"), core, SHOFF_AT[wide], len(core))
    with source_of(bytes(core) + sections) as source:
        header = read_elf_header(source)
        assert len(header.segments) == 4
        assert read_elf_vmcoreinfo(source, header) == Crash().vmcoreinfo


@pytest.mark.parametrize("size", [0, 1, 55, 57, 65535])
def test_program_headers_of_a_strange_size(size: int) -> None:
    """Nothing is read by a length that only the file vouches for."""
    core = bytearray(elf(Crash()))
    struct.pack_into("<HH", core, PHNUM_AT[True] - 2, size, 65534)
    with source_of(bytes(core), 1 << 33) as source:
        with pytest.raises(CoreError, match="program headers"):
            read_elf_header(source)
        assert source.asked < BUDGET


def test_more_program_headers_than_any_core_has() -> None:
    core = bytearray(elf(Crash()))
    sections = struct.pack("<IIQQQQIIQQ", *[0] * 7, 1 << 31, 0, 0)
    struct.pack_into("<H", core, PHNUM_AT[True], 0xFFFF)
    struct.pack_into("<Q", core, SHOFF_AT[True], len(core))
    with source_of(bytes(core) + sections, 1 << 40) as source:
        with pytest.raises(CoreError, match="claims"):
            read_elf_header(source)
        assert source.asked < BUDGET


def test_many_segments_of_many_notes() -> None:
    """Each of them is within its bound; all together they must be, too."""
    notes = note(b"ABC", 0, b"", "<") * (1 << 12)
    core = bytearray(elf(Crash()))
    segments = [Segment(PT_NOTE, len(core), len(notes), 0)] * 1500
    table = b"".join(segment.header("<", wide=True) for segment in segments)
    struct.pack_into("<H", core, PHNUM_AT[True], len(segments))
    struct.pack_into("<Q", core, PHOFF_AT[True], len(core) + len(notes))
    with source_of(bytes(core) + notes + table) as source:
        header = read_elf_header(source)
        with suppress(CoreError):
            assert read_elf_vmcoreinfo(source, header) == b""
        assert source.asked < BUDGET


def test_vmcoreinfo_in_a_second_segment_of_notes() -> None:
    """The kernel's own /proc/vmcore merges them; others write one for each."""
    crash = Crash()
    core = elf(crash)
    info = note(b"VMCOREINFO", 0, crash.vmcoreinfo, "<")
    segments = (
        Segment(PT_NOTE, core.index(crash.notes("<")), 356, 356),
        Segment(PT_NOTE, core.index(info), len(info), len(info)),
    )
    changed = bytearray(core)
    table = b"".join(segment.header("<", wide=True) for segment in segments)
    changed[64 : 64 + len(table)] = table
    with source_of(bytes(changed)) as source:
        assert read_elf_vmcoreinfo(source, read_elf_header(source)) == crash.vmcoreinfo


def test_no_vmcoreinfo() -> None:
    crash = Crash()
    content = elf(crash).replace(b"VMCOREINFO", b"SOMETHING!")
    with source_of(content) as source:
        assert read_elf_vmcoreinfo(source, read_elf_header(source)) == b""


@pytest.mark.parametrize(
    ("machine", "order", "name"),
    [
        ("x86_64", "<", "x86_64"),
        ("aarch64", "<", "aarch64"),
        ("s390x", ">", "s390x"),
        ("ppc64", ">", "ppc64"),
        ("ppc64", "<", "ppc64le"),
    ],
)
def test_architecture(machine: str, order: str, name: str) -> None:
    with source_of(elf(replace(Crash(), machine=machine), order=order)) as source:
        assert read_elf_header(source).architecture == name


def test_unknown_architecture() -> None:
    core = bytearray(elf(Crash()))
    struct.pack_into("<H", core, 18, 4711)
    with source_of(bytes(core)) as source:
        assert read_elf_header(source).architecture == "elf-4711"


def with_notes(notes: bytes, order: str = "<") -> bytes:
    """Return a core of these notes, and of nothing else."""
    core = elf(Crash(), order=order)
    segments = (
        Segment(PT_NOTE, 64 + 4 * 56, len(notes), len(notes)),
        Segment(PT_LOAD, 0, 0, 0),
        Segment(PT_LOAD, 0, 0, 0),
        Segment(PT_LOAD, 0, 64, 64),
    )
    return core[:64] + b"".join(one.header(order, wide=True) for one in segments) + notes


def vmcoreinfo_of(notes: bytes, order: str = "<") -> bytes:
    with source_of(with_notes(notes, order)) as source:
        return read_elf_vmcoreinfo(source, read_elf_header(source))


@given(
    notes=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=50)), max_size=10),
    info=st.binary(max_size=50),
    order=st.sampled_from("<>"),
)
@settings(deadline=None)
def test_vmcoreinfo_among_other_notes(
    notes: list[tuple[bytes, bytes]], info: bytes, order: str
) -> None:
    notes = [(b"CORE", bytes(336)), *notes]
    content = b"".join(note(name, 1, text, order) for name, text in notes if name != b"VMCOREINFO")
    assert vmcoreinfo_of(content, order) == b""
    assert vmcoreinfo_of(content + note(b"VMCOREINFO", 0, info, order), order) == info


@given(notes=st.binary(max_size=200), order=st.sampled_from("<>"))
@settings(deadline=None)
def test_any_bytes_as_notes(notes: bytes, order: str) -> None:
    with suppress(CoreError):
        assert vmcoreinfo_of(notes, order) in notes


@pytest.mark.parametrize("size", [17, 1 << 16, (1 << 20) + 1, 0xFFFFFFFF])
def test_a_note_that_claims_more_than_there_is(size: int) -> None:
    claimed = bytearray(note(b"VMCOREINFO", 0, b"OSRELEASE=6.1\n", "<"))
    struct.pack_into("<I", claimed, 4, size)
    with suppress(CoreError):
        assert vmcoreinfo_of(bytes(claimed)) == b""


def test_vmcoreinfo_before_the_program_headers_are_written() -> None:
    """The notes are there early; until the end there are zeros where they should be described."""
    crash = Crash()
    core = bytearray(elf(crash))
    core[64 : 64 + 4 * 56] = bytes(4 * 56)
    with source_of(bytes(core)) as source:
        header = read_elf_header(source)
        assert not header.written
        assert read_elf_vmcoreinfo(source, header) == crash.vmcoreinfo
