# SPDX-License-Identifier: GPL-2.0-or-later
"""A core as far as it is known: the file, and what was read of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreFacts:
    """What bounded reads of a core prove about it; an unknown text is empty."""

    format: Format = Format.UNKNOWN
    compression: str = ""
    complete: bool = False
    problem: str = ""  # why it is not complete or not readable
    crashed_at: datetime | None = None
    host: str = ""
    kernel_release: str = ""
    architecture: str = ""
    build_id: str = ""
    identity: bytes = b""  # what no other crash shares; empty when the core does not hold it yet
    dump_level: int | None = None  # makedumpfile's -d: which kinds of pages it left out
    wrapper: str = ""  # the compressor that the core as a whole went through, as kdump-tools can
    wrapped: bool = False  # nothing behind the wrapper was read: only kdumpd-inspect reads it
    part: Part | None = None  # of a split core


NOTHING_READ = CoreFacts()
