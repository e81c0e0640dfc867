# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what a core proves about itself: its format, whether it is whole, and which kernel died.

Completeness is judged by content, never by name: on Debian a killed makedumpfile is still renamed
to a finished dump (`makedumpfile … | compress > dump-incomplete` takes the compressor's status).
"""

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
)
from kdumpd.observe.source import CoreError, FileSource, Source

HEAD = 16
UNSET_HOST = b"(none)"  # the kernel's own, until somebody calls sethostname(2)
OUT_OF_SPACE = "is marked incomplete by its writer, as after running out of space"

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
    if head.startswith(flattened.MAGIC):
        return _judge(source, CoreFacts(format=Format.FLATTENED))
    if head.startswith(kdump_compressed.MAGIC):
        return _judge(source, CoreFacts(format=Format.KDUMP_COMPRESSED))
    if head.startswith(elf_core.MAGIC):
        return _judge(source, CoreFacts(format=Format.ELF))
    return CoreFacts(problem=_foreign(head))


def _judge(source: Source, facts: CoreFacts) -> CoreFacts:
    """Return the facts with all that could be read until something was wrong."""
    ended = True
    inside = source
    try:
        if facts.format is Format.FLATTENED:
            inside, ended = read_flattened(source)
        facts, problem = _read_inside(inside, facts)
        if not ended:
            problem = f"has no end record: it was cut off at {source.size} bytes"
    except CoreError as error:
        problem = str(error)
    return replace(facts, complete=not problem, problem=problem)


def _read_inside(source: Source, facts: CoreFacts) -> tuple[CoreFacts, str]:
    if source.read(0, len(elf_core.MAGIC)) == elf_core.MAGIC:
        return _read_elf(source, facts)
    return _read_kdump(source, facts)


def _read_elf(source: Source, facts: CoreFacts) -> tuple[CoreFacts, str]:
    header = read_elf_header(source)
    facts = replace(facts, architecture=header.architecture)
    facts = _with_vmcoreinfo(facts, read_elf_vmcoreinfo(source, header))
    if header.incomplete:
        return facts, OUT_OF_SPACE
    if header.end > source.size:
        return facts, f"ends at {source.size} bytes, but its last segment at {header.end}"
    return facts, "" if header.written else "has no program headers yet: its writer was killed"


def _read_kdump(source: Source, facts: CoreFacts) -> tuple[CoreFacts, str]:
    header = read_kdump_header(source)
    facts = replace(
        facts,
        compression=header.compression,
        host="" if header.host == UNSET_HOST else printable(header.host),
        kernel_release=printable(header.release),
        architecture=printable(header.machine),
    )
    facts = _with_vmcoreinfo(facts, read_kdump_vmcoreinfo(source, header))
    if header.incomplete:
        return facts, OUT_OF_SPACE
    # In a flattened core the page descriptors lie among the records: its end record is the proof.
    if facts.format is Format.FLATTENED:
        return facts, ""
    return facts, read_missing_pages(source, header)


def _with_vmcoreinfo(facts: CoreFacts, note: bytes) -> CoreFacts:
    if not note:
        return facts
    try:
        info = parse_vmcoreinfo(note)
    except VmcoreinfoError as error:
        raise CoreError(str(error)) from error
    return replace(
        facts,
        crashed_at=info.crashed_at,
        kernel_release=info.kernel_release,
        build_id=info.build_id,
        identity=note + b"\0" + facts.host.encode("ascii"),
    )


def _foreign(head: bytes) -> str:
    if not head:
        return "is empty"
    for magic, name in WRAPPERS.items():
        if head.startswith(magic):
            return f"is compressed by {name}, which kdumpd does not look into yet"
    return f"is no core: it begins with '{printable(head)}'"
