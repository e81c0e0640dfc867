# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what a core proves about itself: its format, whether it is whole, and which kernel died.

Completeness is judged by content, never by name: on Debian a killed makedumpfile is still renamed
to a finished dump (`makedumpfile … | compress > dump-incomplete` takes the compressor's status).
"""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

from kdumpd.model.captures.core import CoreFacts, Format, VmcoreinfoError, parse_vmcoreinfo
from kdumpd.model.text import printable
from kdumpd.observe.cores import elf, flattened, kdump_compressed
from kdumpd.observe.cores.elf import read_elf_header, read_elf_vmcoreinfo
from kdumpd.observe.cores.flattened import read_flattened
from kdumpd.observe.cores.kdump_compressed import (
    read_dump_level,
    read_kdump_header,
    read_kdump_vmcoreinfo,
    read_missing_pages,
    read_part,
)
from kdumpd.observe.cores.source import CoreError, FileSource, Source

MAGIC_BYTES = 16
UNSET_HOST_NAME = b"(none)"  # the kernel's own, until somebody calls sethostname(2)
OUT_OF_SPACE = "is marked incomplete by its writer, as after running out of space"

FORMAT_OF_MAGIC = {
    flattened.MAGIC: Format.FLATTENED,
    kdump_compressed.MAGIC: Format.KDUMP_COMPRESSED,
    elf.MAGIC: Format.ELF,
}
COMPRESSION_OF_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def read_core(fd: int) -> CoreFacts:
    """Return what bounded reads of the open core prove, and in `problem` what is wrong."""
    source, facts = FileSource(fd), CoreFacts()
    try:
        facts = parse_magic(source.read(0, min(MAGIC_BYTES, source.size)))
        if facts.problem:
            return facts
        inside, ended = read_inside(source, facts.format)
    except CoreError as error:
        return replace(facts, problem=str(error))
    return judge(inside, facts, cut="" if ended else no_end_record(source.size))


def read_inside(source: Source, format_: Format) -> tuple[Source, bool]:
    """Return the core that a flattened one holds, any other itself, and whether its end is there.

    CoreError when it is flattened in an unknown way.
    """
    return read_flattened(source) if format_ is Format.FLATTENED else (source, True)


def read_vmcoreinfo(source: Source) -> bytes:
    """Return the note of a core that is not flattened, empty when it has none; or CoreError."""
    if source.read(0, len(elf.MAGIC)) == elf.MAGIC:
        return read_elf_vmcoreinfo(source, read_elf_header(source))
    return read_kdump_vmcoreinfo(source, read_kdump_header(source))


def parse_magic(head: bytes) -> CoreFacts:
    """Return the format or the wrapper that the first MAGIC_BYTES name; else a problem."""
    for magic, format_ in FORMAT_OF_MAGIC.items():
        if head.startswith(magic):
            return CoreFacts(format=format_)
    for magic, name in COMPRESSION_OF_MAGIC.items():
        if head.startswith(magic):
            problem = f"is compressed by {name} and not read through yet"
            return CoreFacts(wrapper=name, wrapped=True, problem=problem)
    # What it begins with is not said: any file could lie there, and all may read the problem.
    foreign = "is no core: it begins with no known magic number"
    return CoreFacts(problem=foreign if head else "is empty")


def judge(source: Source, facts: CoreFacts, *, cut: str = "") -> CoreFacts:
    """Return the facts with all that could be read until something was wrong.

    The source is the core, of a flattened one what is inside; `cut` says that the latter has no
    proper end.
    """
    try:
        for reading in _readings(source, facts):
            facts = reading
    except CoreError as error:
        return replace(facts, complete=False, problem=str(error))
    problem = cut or facts.problem
    return replace(facts, complete=not problem, problem=problem)


def no_end_record(size: int) -> str:
    """Return what is wrong with a flattened core that ends after `size` bytes."""
    return f"has no end record: it was cut off at {size} bytes"


def _readings(source: Source, facts: CoreFacts) -> Iterator[CoreFacts]:
    """Yield the facts again each time that more is known; CoreError where they end."""
    is_elf = source.read(0, len(elf.MAGIC)) == elf.MAGIC
    return _elf_readings(source, facts) if is_elf else _kdump_readings(source, facts)


def _elf_readings(source: Source, facts: CoreFacts) -> Iterator[CoreFacts]:
    header = read_elf_header(source)
    facts = replace(facts, architecture=header.architecture)
    yield facts
    facts = _with_vmcoreinfo(facts, read_elf_vmcoreinfo(source, header))
    yield facts
    if header.incomplete:
        yield replace(facts, problem=OUT_OF_SPACE)
    elif not header.written and source.whole:
        yield replace(facts, problem="has no program headers yet: its writer was killed")
    elif header.end > source.size:
        cut = f"ends at {source.size} bytes, but its last segment at {header.end}"
        yield replace(facts, problem=cut)


def _kdump_readings(source: Source, facts: CoreFacts) -> Iterator[CoreFacts]:
    header = read_kdump_header(source)
    facts = replace(
        facts,
        compression=header.compression,
        host="" if header.host == UNSET_HOST_NAME else printable(header.host),
        kernel_release=printable(header.release),
        architecture=printable(header.machine),
    )
    yield facts
    facts = replace(facts, dump_level=read_dump_level(source, header))
    facts = _with_vmcoreinfo(facts, read_kdump_vmcoreinfo(source, header))
    facts = replace(facts, part=read_part(source, header))
    yield facts
    if header.incomplete:
        yield replace(facts, problem=OUT_OF_SPACE)
    # In a flattened core the page descriptors lie among the records: its end record is the proof.
    elif facts.format is Format.KDUMP_COMPRESSED:
        yield replace(facts, problem=read_missing_pages(source, header, facts.part))


def _with_vmcoreinfo(facts: CoreFacts, note: bytes) -> CoreFacts:
    if not note:
        return facts
    try:
        info = parse_vmcoreinfo(note)
    except VmcoreinfoError as error:
        raise CoreError("has a VMCOREINFO that names no kernel") from error
    # Without the time, two crashes of one kernel may say the same.
    identity = sha256(note + b"\0" + facts.host.encode("ascii")).digest()
    return replace(
        facts,
        crashed_at=info.crashed_at,
        kernel_release=info.kernel_release,
        build_id=info.build_id,
        identity=identity if info.crashed_at else b"",
    )
