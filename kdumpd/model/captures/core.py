# SPDX-License-Identifier: GPL-2.0-or-later
"""A core: what is known of its file, its parts, and the kernel whose memory it holds.

What kdumpd-inspect says of it is JSON, and may be a lie: the core may have taken it over.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from types import MappingProxyType

from kdumpd.model.codec import RecordError, bounded, from_record, out_of_bounds, to_record
from kdumpd.model.crashlog.lines import MAX_LOG_BYTES
from kdumpd.model.text import EPOCH, printable, shown

MAX_TEXT_CHARACTERS = 512  # a field of struct new_utsname has 65 bytes, each at most four here
MAX_IDENTITY_BYTES = 1 << 17  # VMCOREINFO and the host's name
MAX_DUMP_LEVEL = 31  # makedumpfile 1.7.2, makedumpfile.h: MAX_DUMP_LEVEL
MAX_UTSNAME_CHARACTERS = 128  # a field of struct new_utsname has 65 bytes
MAX_CRASHTIME_DIGITS = 20  # of 2^64
CRASHTIME_LIMIT_S = 1 << 37  # datetime ends with the year 9999
# Of kdumpd-inspect: what one reading may take, unless it is told otherwise, and what it answers.
CPU_SECONDS = 600
ADDRESS_SPACE_BYTES = 1 << 30
MAX_ANSWER_BYTES = 16 << 20  # of JSON
LOG_SOURCES = {"drgn", "makedumpfile", ""}
ANSWER_KEYS = {"facts", "log", "log_source", "log_problem"}


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


# The one who asks knows whether anything was read, and what part it is: the answer says neither.
FACT_NAMES = tuple(
    field.name for field in fields(CoreFacts) if field.name not in {"wrapped", "part"}
)

Object = Mapping[str, object]


class InspectionError(Exception):
    """There is no answer about a core, or none to believe; the text says why."""


class NotBegunError(InspectionError):
    """Nobody could be started to read the core: that says nothing about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What a whole reading of a core said."""

    facts: CoreFacts | None  # None: the core could be read for its log only
    log: bytes | None  # the kernel log's lines as dmesg prints them, at most MAX_LOG_BYTES
    log_problem: str  # why there is no log: the end of a sentence that begins with the core
    log_source: str = ""  # who read the log: drgn, makedumpfile or nobody


def parse_inspected(answer: bytes) -> Inspected:
    """Return what the answer says; InspectionError for anything but such an answer."""
    if len(answer) > MAX_ANSWER_BYTES:
        raise InspectionError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise InspectionError("the answer is not JSON") from error
    content = _object(said, ANSWER_KEYS)
    facts, source = content["facts"], _text(content, "log_source")
    if source not in LOG_SOURCES:
        raise InspectionError("the answer names an unknown source of the log")
    return Inspected(
        facts=None if facts is None else _facts(_object(facts, set(FACT_NAMES))),
        log=_log(content["log"]),
        log_problem=_text(content, "log_problem"),
        log_source=source,
    )


def to_answer(inspected: Inspected) -> bytes:
    """Return the answer that says it, as one line of ASCII; parse_inspected reads it."""
    facts, log = inspected.facts, inspected.log
    said = {
        "facts": None if facts is None else _said_facts(facts),
        "log": None if log is None else log.decode("utf-8", "surrogateescape"),
        "log_source": inspected.log_source,
        "log_problem": inspected.log_problem,
    }
    return json.dumps(said).encode("ascii") + b"\n"


def _said_facts(facts: CoreFacts) -> Object:
    record = to_record(facts)
    return {name: record[name] for name in FACT_NAMES} | {"identity": facts.identity.hex()}


def _facts(content: Object) -> CoreFacts:
    try:
        facts = from_record(CoreFacts, {**content, "identity": _identity(content["identity"])})
    except RecordError as error:
        raise InspectionError("the answer holds a fact of the wrong kind") from error
    if name := out_of_bounds(facts):
        raise InspectionError(f"the answer's '{name}' is out of bounds")
    if facts.complete == bool(facts.problem):
        raise InspectionError("the answer contradicts itself about whether the core is complete")
    return facts


def _object(value: object, keys: set[str]) -> Object:
    if not isinstance(value, dict) or value.keys() != keys:
        raise InspectionError("the answer has other keys than it should have")
    return value


def _text(content: Object, name: str) -> str:
    text = content[name]
    if not isinstance(text, str) or not is_printable(text):
        raise InspectionError(f"the answer's '{name}' cannot be printed")
    return text


def _identity(text: object) -> str:
    """Return what is written as hexadecimal digits as a record has bytes."""
    if not isinstance(text, str) or len(text) > 2 * MAX_IDENTITY_BYTES:
        raise InspectionError("the answer holds no such identity")
    try:
        return bytes.fromhex(text).decode("utf-8", "surrogateescape")
    except ValueError as error:
        raise InspectionError("the answer holds a broken identity") from error


def _log(text: object) -> bytes | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise InspectionError("the answer holds no such log")
    try:
        log = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InspectionError("the answer's log was never bytes") from error
    if len(log) > MAX_LOG_BYTES:
        raise InspectionError(f"the answer's log is longer than {MAX_LOG_BYTES} bytes")
    return log
