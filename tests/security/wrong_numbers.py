# SPDX-License-Identifier: GPL-2.0-or-later
"""Cores of which one number lies: each field of each header of each format, each way."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.support import cores
from tests.support.cores import BLOCK, EHDR, NOTES_AT, PHDR, ZERO_PAGE, Crash, Kdump

CRASH = Crash(release="6.1.0-56-liar", pages=(ZERO_PAGE, b"x" * BLOCK))
HEADER_AT = 408  # of a kdump-compressed core: the time, and then ten numbers
NARROW_HEADER_AT = 404
NOTES = 2  # registers and VMCOREINFO


@dataclass(frozen=True, slots=True)
class Field:
    """A number in a core."""

    name: str
    at: int
    width: int
    order: str


@dataclass(frozen=True, slots=True)
class Lie:
    """A core of which one number is not what it should be."""

    name: str
    core: bytes


def lies() -> Iterator[Lie]:
    """Yield every lie in every format."""
    for order in "<>":
        for wide in (True, False):
            suffix = f"{'little' if order == '<' else 'big'}-{64 if wide else 32}"
            core = cores.kdump(CRASH, order=order, wide=wide)
            yield from _lies(f"kdump-{suffix}", core, kdump_fields(order, wide=wide))
            core = cores.elf(CRASH, order=order, wide=wide)
            yield from _lies(f"elf-{suffix}", core, elf_fields(order, wide=wide))
        core = cores.flattened(CRASH, order=order)
        inner = _inside(core, kdump_fields(order, wide=True))
        yield from _lies(f"flattened-{order}", core, [*flattened_fields(core), *inner])
        core = cores.flattened_elf(CRASH, order=order)
        inner = _inside(core, elf_fields(order, wide=True))
        yield from _lies(f"flattened-elf-{order}", core, [*flattened_fields(core), *inner])


def kdump_fields(order: str, *, wide: bool) -> Iterator[Field]:
    """Yield the numbers in a kdump-compressed core of CRASH."""
    yield Field("version", 8, 4, order)
    time = "QQ" if wide else "II"
    yield from _fields("header", HEADER_AT if wide else NARROW_HEADER_AT, time + "I" * 10, order)
    if wide:
        yield from _fields("sub-header", BLOCK, "QII" + "Q" * 11, order)
        yield from _fields("note", NOTES_AT, "III", order)
    shape = Kdump(CRASH, order=order, wide=wide)
    for number in range(len(CRASH.pages)):
        yield from _fields(f"page{number}", shape.descriptors_at + 24 * number, "QIIQ", order)
    yield Field("bitmap", 2 * BLOCK + shape.bitmap_size, 8, order)


def elf_fields(order: str, *, wide: bool) -> Iterator[Field]:
    """Yield the numbers in an ELF core of CRASH."""
    yield from _fields("ident", 4, "BBB", order)
    yield from _fields("header", 16, "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH", order)
    size = PHDR[wide]
    for number in range(4):
        form = "IIQQQQQQ" if wide else "I" * 8
        yield from _fields(f"segment{number}", EHDR[wide] + number * size, form, order)
    notes_at = EHDR[wide] + 4 * size
    first = len(cores.note(b"CORE", 1, bytes(336), order))
    for number, at in zip(range(NOTES), (notes_at, notes_at + first), strict=True):
        yield from _fields(f"note{number}", at, "III", order)


def flattened_fields(core: bytes) -> Iterator[Field]:
    """Yield the numbers that a flattened file has of its own."""
    yield from _fields("flat", 16, "QQ", ">")
    for number, (at, _, _) in enumerate(_records(core)):
        yield from _fields(f"record{number}", at - 16, "QQ", ">")
    yield from _fields("end", len(core) - 16, "QQ", ">")


def _inside(core: bytes, fields: Iterable[Field]) -> Iterator[Field]:
    """Yield the fields of the core inside where they stand in the flattened one, the last time."""
    records = list(_records(core))
    for field in fields:
        for at, offset, size in reversed(records):
            if offset <= field.at and field.at + field.width <= offset + size:
                yield Field(field.name, at + field.at - offset, field.width, field.order)
                break


def _records(core: bytes) -> Iterator[tuple[int, int, int]]:
    at = BLOCK
    while at < len(core) - 16:
        offset, size = struct.unpack_from(">qq", core, at)
        yield at + 16, offset, size
        at += 16 + size


def _fields(name: str, at: int, form: str, order: str) -> Iterator[Field]:
    for number, letter in enumerate(form):
        width = struct.calcsize("<" + letter)
        yield Field(f"{name}.{number}", at, width, order)
        at += width


def _lies(name: str, core: bytes, fields: Iterable[Field]) -> Iterator[Lie]:
    for field in fields:
        told = core[field.at : field.at + field.width]
        for value in _values(len(core), field):
            lie = value.to_bytes(field.width, "little" if field.order == "<" else "big")
            if lie != told:
                at = field.at
                yield Lie(
                    f"{name}-{field.name}-{value:x}", core[:at] + lie + core[at + field.width :]
                )


def _values(size: int, field: Field) -> list[int]:
    highest = 1 << 8 * field.width
    near = (0, 1, 2, -1, -2, size, size - field.at)
    wide = (1 << 15, 1 << 16, 1 << 26, 1 << 30, 1 << 31, 1 << 32, 1 << 40, 1 << 62, 1 << 63)
    return sorted({(value + step) % highest for value in (*near, *wide) for step in (-1, 0, 1)})
