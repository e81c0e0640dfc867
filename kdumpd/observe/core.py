# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what a core proves about itself: its format, whether it is whole, and which kernel died.

Completeness is judged by content, never by name: on Debian a killed makedumpfile is still renamed
to a finished dump (`makedumpfile … | compress > dump-incomplete` takes the compressor's status).
"""

from collections.abc import Iterator
from dataclasses import replace

from kdumpd.model.capture import CoreFacts, Format
from kdumpd.model.text import printable
from kdumpd.model.vmcoreinfo import VmcoreinfoError, parse_vmcoreinfo
from kdumpd.observe import elf_core, flattened, kdump_compressed
from kdumpd.observe.elf_core import read_elf_header, read_elf_vmcoreinfo
from kdumpd.observe.flattened import read_flattened
from kdumpd.observe.kdump_compressed import (
    read_kdump_header,
    read_kdump_vmcoreinfo,
    read_missing_pages,
    read_part,
)
from kdumpd.observe.source import CoreError, FileSource, Source

HEAD = 16
UNSET_HOST = b"(none)"  # the kernel's own, until somebody calls sethostname(2)
OUT_OF_SPACE = "is marked incomplete by its writer, as after running out of space"

MAGICS = {
    flattened.MAGIC: Format.FLATTENED,
    kdump_compressed.MAGIC: Format.KDUMP_COMPRESSED,
    elf_core.MAGIC: Format.ELF,
}
WRAPPERS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def read_core(fd: int) -> CoreFacts:
    """Return what bounded reads of the open core prove, and in `problem` what is wrong."""
    source = FileSource(fd)
    try:
        head = source.read(0, min(HEAD, source.size))
    except CoreError as error:
        return CoreFacts(problem=str(error))
    for magic, format_ in MAGICS.items():
        if head.startswith(magic):
            return _judge(source, CoreFacts(format=format_))
    return CoreFacts(problem=_foreign(head))


def _judge(source: Source, facts: CoreFacts) -> CoreFacts:
    """Return the facts with all that could be read until something was wrong."""
    try:
        for reading in _readings(source, facts):
            facts = reading
    except CoreError as error:
        return replace(facts, complete=False, problem=str(error))
    return replace(facts, complete=not facts.problem)


def _readings(source: Source, facts: CoreFacts) -> Iterator[CoreFacts]:
    """Yield the facts again each time that more is known; CoreError where they end."""
    inside, ended = source, True
    if facts.format is Format.FLATTENED:
        inside, ended = read_flattened(source)
    is_elf = inside.read(0, len(elf_core.MAGIC)) == elf_core.MAGIC
    for reading in _elf_readings(inside, facts) if is_elf else _kdump_readings(inside, facts):
        facts = reading
        yield facts
    if not ended:
        yield replace(facts, problem=f"has no end record: it was cut off at {source.size} bytes")


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
        host="" if header.host == UNSET_HOST else printable(header.host),
        kernel_release=printable(header.release),
        architecture=printable(header.machine),
    )
    yield facts
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
    identity = note + b"\0" + facts.host.encode("ascii") if info.crashed_at else b""
    return replace(
        facts,
        crashed_at=info.crashed_at,
        kernel_release=info.kernel_release,
        build_id=info.build_id,
        identity=identity,
    )


def _foreign(head: bytes) -> str:
    if not head:
        return "is empty"
    for magic, name in WRAPPERS.items():
        if head.startswith(magic):
            return f"is compressed by {name}, which kdumpd does not look into yet"
    return f"is no core: it begins with '{printable(head)}'"
