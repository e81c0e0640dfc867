# SPDX-License-Identifier: GPL-2.0-or-later
"""A core as far as it is known: the file, and what was read of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, auto

from kdumpd.model.codec import bounded

LONGEST_TEXT = 512  # characters; a field of struct new_utsname has 65 bytes, each at most four here
LONGEST_IDENTITY = 1 << 17  # bytes; VMCOREINFO and the host's name
MOST_DUMP_LEVEL = 31  # makedumpfile 1.7.2, makedumpfile.h: MAX_DUMP_LEVEL


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
    return len(text) <= LONGEST_TEXT and text.isascii() and text.isprintable()


def _is_utc(at: datetime | None) -> bool:
    return at is None or at.utcoffset() == timedelta()


def _is_identity(identity: bytes) -> bool:
    return len(identity) <= LONGEST_IDENTITY


def _is_dump_level(level: int | None) -> bool:
    return level is None or 0 <= level <= MOST_DUMP_LEVEL


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
