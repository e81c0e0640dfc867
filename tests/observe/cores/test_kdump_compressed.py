# SPDX-License-Identifier: GPL-2.0-or-later
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kdumpd.model.captures.core import Part
from kdumpd.observe.cores.kdump_compressed import (
    COMPRESSION_OF_FLAG,
    read_kdump_header,
    read_kdump_vmcoreinfo,
    read_missing_pages,
    read_part,
)
from kdumpd.observe.cores.source import CoreError, FileSource
from tests.support.cores import BLOCK, FIRST_PFN, ZERO_PAGE, Crash, Kdump, kdump, page, split

STATUS_AT = 424
SUB_BLOCKS_AT, BITMAP_BLOCKS_AT = 432, 436
VMCOREINFO_AT = BLOCK + 32
START_AT, END_AT, FRAMES_AT = BLOCK + 16, BLOCK + 24, BLOCK + 96


@contextmanager
def source_of(content: bytes) -> Iterator[FileSource]:
    fd = os.memfd_create("core")
    try:
        os.write(fd, content)
        yield FileSource(fd)
    finally:
        os.close(fd)


def changed(core: bytes, form: str, at: int, *numbers: int) -> bytes:
    content = bytearray(core)
    struct.pack_into(form, content, at, *numbers)
    return bytes(content)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("wide", [True, False])
def test_header(order: str, *, wide: bool) -> None:
    crash = Crash()
    with source_of(kdump(crash, order=order, wide=wide)) as source:
        header = read_kdump_header(source)
        assert (header.order, header.wide) == (order, wide)
        assert header.host == b"crashed.example"
        assert header.release == b"6.1.0-56-amd64"
        assert header.machine == b"x86_64"
        assert header.descriptors_at == Kdump(crash).descriptors_at
        assert read_missing_pages(source, header) == ""
        assert read_kdump_vmcoreinfo(source, header) == (crash.vmcoreinfo if wide else b"")


@pytest.mark.parametrize(("flag", "name"), COMPRESSION_OF_FLAG.items())
def test_compression(flag: int, name: str) -> None:
    with source_of(kdump(Crash(), compressed=False, status=flag)) as source:
        assert read_kdump_header(source).compression == name


def test_header_before_vmcoreinfo() -> None:
    """Header versions 1 and 2 have no such place in the sub-header."""
    with source_of(changed(kdump(Crash()), "<I", 8, 2)) as source:
        assert read_kdump_vmcoreinfo(source, read_kdump_header(source)) == b""


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 1 << 63), (1 << 63, 10), (0, (1 << 20) + 1), ((1 << 64) - 1, 1)]
)
def test_vmcoreinfo_that_cannot_be(offset: int, size: int) -> None:
    core = changed(kdump(Crash()), "<QQ", VMCOREINFO_AT, offset, size)
    with source_of(core) as source, pytest.raises(CoreError):
        read_kdump_vmcoreinfo(source, read_kdump_header(source))


def test_vmcoreinfo_longer_than_any() -> None:
    """It is within the file, and yet not read."""
    core = changed(kdump(Crash()), "<QQ", VMCOREINFO_AT, 0, (1 << 20) + 1).ljust(1 << 21, b"\0")
    with source_of(core) as source, pytest.raises(CoreError, match="claims"):
        read_kdump_vmcoreinfo(source, read_kdump_header(source))


@pytest.mark.parametrize("at", [SUB_BLOCKS_AT, BITMAP_BLOCKS_AT])
def test_block_counts_that_cannot_be(at: int) -> None:
    core = changed(kdump(Crash()), "<I", at, 0xFFFFFFFF)
    with source_of(core) as source, pytest.raises(CoreError):
        read_missing_pages(source, read_kdump_header(source))


@pytest.mark.parametrize("size", [0, 1, 100, 4095, 1 << 20, 0xFFFFFFFF])
def test_block_size_that_cannot_be(size: int) -> None:
    core = changed(kdump(Crash()), "<I", STATUS_AT + 4, size)
    with source_of(core) as source, pytest.raises(CoreError, match="broken"):
        read_kdump_header(source)


def test_missing_pages() -> None:
    crash = Crash(pages=(page(0), ZERO_PAGE, page(2)))
    core, layout = kdump(crash), Kdump(crash)
    last = layout.descriptors_at + 24 * 2
    for broken, reason in (
        (core[:-1], "last page"),
        (core[: layout.pages_at - 1], "within its page descriptors"),
        (changed(core, "<Q", last, 0), "never written"),
        (changed(core, "<Q", last, layout.pages_at - 1), "never written"),
        (changed(core, "<I", last + 8, 0), "never written"),
        (changed(core, "<Q", last, len(core)), "last page"),
        (changed(core, "<Q", last, (1 << 64) - 1), "last page"),
    ):
        with source_of(broken) as source:
            assert reason in read_missing_pages(source, read_kdump_header(source))


@pytest.mark.parametrize("end", [0, 1, FIRST_PFN, FIRST_PFN + 1, FIRST_PFN + 3, 21, 22])
def test_parts_of_a_split_core(end: int) -> None:
    """Wherever it is split, also within a byte of the bitmap, and into parts without pages."""
    crash = Crash()
    frames = Kdump(crash).frames
    first, last = split(crash, end)
    for core, part in ((first, (0, end)), (last, (end, frames))):
        with source_of(core) as source:
            header = read_kdump_header(source)
            found = read_part(source, header)
            assert found == Part(start=part[0], end=part[1], frames=frames)
            assert read_missing_pages(source, header, found) == ""
    with source_of(last[:-1]) as source:
        header = read_kdump_header(source)
        held = any(end <= FIRST_PFN + number for number in range(len(crash.pages)))
        assert bool(read_missing_pages(source, header, read_part(source, header))) is held


@pytest.mark.parametrize("core", [kdump(Crash()), kdump(Crash(), wide=False)])
def test_a_whole_core_is_no_part(core: bytes) -> None:
    with source_of(core) as source:
        assert read_part(source, read_kdump_header(source)) is None


@pytest.mark.parametrize(
    ("at", "number"),
    [(START_AT, 19), (START_AT, 1 << 63), (END_AT, 1 << 40), (FRAMES_AT, 1 << 63), (FRAMES_AT, 0)],
)
def test_a_part_that_cannot_be(at: int, number: int) -> None:
    core = changed(split(Crash(), 18)[0], "<Q", at, number)
    with source_of(core) as source, pytest.raises(CoreError, match="claims"):
        read_part(source, read_kdump_header(source))


def test_a_part_that_was_never_written() -> None:
    core, layout = split(Crash(), 18)[1], Kdump(Crash())
    broken = changed(core, "<QI", layout.descriptors_at + 24 * 3, 0, 0)
    with source_of(broken) as source:
        header = read_kdump_header(source)
        part = read_part(source, header)
        assert read_missing_pages(source, header, part) == "has pages that were never written"
