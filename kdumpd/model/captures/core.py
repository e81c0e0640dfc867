# SPDX-License-Identifier: GPL-2.0-or-later
"""A core: what is known of its file, of its parts, and of the kernel whose memory it holds."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from types import MappingProxyType

from kdumpd.model.codec import bounded
from kdumpd.model.text import EPOCH, printable, shown

MAX_TEXT_CHARACTERS = 512  # a field of struct new_utsname has 65 bytes, each at most four here
MAX_IDENTITY_BYTES = 1 << 17  # VMCOREINFO and the host's name
MAX_DUMP_LEVEL = 31  # makedumpfile 1.7.2, makedumpfile.h: MAX_DUMP_LEVEL


class Format(StrEnum):
    """How a core is written, by its magic number."""

    UNKNOWN = ""
    FLATTENED = auto()
    KDUMP_COMPRESSED = "kdump-compressed"
    ELF = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStamp:
    """What stat says of a file; two equal stamps mean that nobody wrote in between."""

    name: bytes
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    mode: int
    links: int
    owner: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which page frames one part of a split core holds: from start to before end, of so many."""

    start: int
    end: int
    frames: int


def is_printable(text: str) -> bool:
    """Return whether the text can be shown as it is."""
    return len(text) <= MAX_TEXT_CHARACTERS and text.isascii() and text.isprintable()


def _is_utc(at: datetime | None) -> bool:
    return at is None or at.utcoffset() == timedelta()


def _is_identity(identity: bytes) -> bool:
    return len(identity) <= MAX_IDENTITY_BYTES


def _is_dump_level(level: int | None) -> bool:
    return level is None or 0 <= level <= MAX_DUMP_LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreFacts:
    """What bounded reads of a core prove about it; an unknown text is empty."""

    format: Format = Format.UNKNOWN
    compression: str = field(default="", metadata=bounded(is_printable))
    complete: bool = False
    # why it is not complete or not readable
    problem: str = field(default="", metadata=bounded(is_printable))
    crashed_at: datetime | None = field(default=None, metadata=bounded(_is_utc))
    host: str = field(default="", metadata=bounded(is_printable))
    kernel_release: str = field(default="", metadata=bounded(is_printable))
    architecture: str = field(default="", metadata=bounded(is_printable))
    build_id: str = field(default="", metadata=bounded(is_printable))
    # what no other crash shares; empty when the core does not hold it yet
    identity: bytes = field(default=b"", metadata=bounded(_is_identity))
    # makedumpfile's -d: which kinds of pages it left out
    dump_level: int | None = field(default=None, metadata=bounded(_is_dump_level))
    # the compressor that the core as a whole went through, as kdump-tools can
    wrapper: str = field(default="", metadata=bounded(is_printable))
    wrapped: bool = False  # nothing behind the wrapper was read: only kdumpd-inspect reads it
    part: Part | None = None  # of a split core


NOTHING_READ = CoreFacts()


Named = tuple[bytes, CoreFacts]  # a part's file, and what it proves


def joined(parts: Sequence[Named]) -> CoreFacts:
    """Return what the parts, one at least, prove together; the first wrong thing is the problem."""
    facts = next((facts for _, facts in parts if facts.identity), parts[0][1])
    problem = next(_problems(parts), "")
    return replace(facts, complete=not problem, problem=problem, part=None)


def _problems(parts: Sequence[Named]) -> Iterator[str]:
    for name, facts in parts:
        if facts.problem:
            yield f"has '{shown(name)}', which {facts.problem}"
        elif facts.part is None:
            yield f"has '{shown(name)}', which is no part of a split core"
    first, known = parts[0]
    for name, facts in parts[1:]:
        if facts.identity != known.identity or _frames(facts) != _frames(known):
            yield f"has '{shown(name)}', which is of another crash than '{shown(first)}'"
    for gap in _gaps([facts.part for _, facts in parts if facts.part is not None]):
        yield f"{_absent(parts)}page frames {gap.start} to {gap.end} of {gap.frames} are missing"


def _gaps(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield which page frames no part holds."""
    reached, frames = 0, max((part.frames for part in parts), default=0)
    for part in sorted(parts, key=lambda one: one.start):
        if part.start > reached:
            yield Part(start=reached, end=part.start, frames=frames)
        reached = max(reached, part.end)
    if reached < frames:
        yield Part(start=reached, end=frames, frames=frames)


def _absent(parts: Sequence[Named]) -> str:
    """Return which file is not there, as far as the numbers in the names tell."""
    stems = {match[1] for name, _ in parts if (match := re.fullmatch(rb"(.*\.)\d+", name))}
    present = {name for name, _ in parts}
    for stem in stems:
        for number in range(1, len(parts) + 2):
            name = b"%s%d" % (stem, number)
            if name not in present:
                return f"has no '{shown(name)}': "
    return "is a part of a split core: "


def _frames(facts: CoreFacts) -> int:
    return facts.part.frames if facts.part else 0


MAX_UTSNAME_CHARACTERS = 128  # a field of struct new_utsname has 65 bytes
MAX_CRASHTIME_DIGITS = 20  # of 2^64
CRASHTIME_LIMIT_S = 1 << 37  # datetime ends with the year 9999


class VmcoreinfoError(ValueError):
    """The bytes are not the note that a kernel writes."""


@dataclass(frozen=True, slots=True)
class Vmcoreinfo:
    """The note's KEY=VALUE lines (Documentation/admin-guide/kdump/vmcoreinfo.rst)."""

    values: Mapping[str, str]

    @property
    def kernel_release(self) -> str:
        """What uname -r said."""
        return self.values.get("OSRELEASE", "")[:MAX_UTSNAME_CHARACTERS]

    @property
    def build_id(self) -> str:
        """The kernel's build id in hexadecimal; kernels before 5.9 do not say it."""
        return self.values.get("BUILD-ID", "")[:MAX_UTSNAME_CHARACTERS]

    @property
    def crashed_at(self) -> datetime | None:
        """When the kernel died, by its own clock; None where the note does not say it."""
        text = self.values.get("CRASHTIME", "")
        if not (text.isascii() and text.isdigit()) or len(text) > MAX_CRASHTIME_DIGITS:
            return None
        seconds = int(text)
        return EPOCH + timedelta(seconds=seconds) if 0 < seconds < CRASHTIME_LIMIT_S else None


def parse_vmcoreinfo(note: bytes) -> Vmcoreinfo:
    """Return what the note says; VmcoreinfoError when it names no kernel (kernel/vmcore_info.c)."""
    values = {}
    for line in note.rstrip(b"\0").split(b"\n"):
        key, equals, value = line.partition(b"=")
        if equals and key.isascii():
            values[key.decode("ascii")] = printable(value)
    if not values.get("OSRELEASE"):
        raise VmcoreinfoError("no OSRELEASE in VMCOREINFO")
    return Vmcoreinfo(MappingProxyType(values))
