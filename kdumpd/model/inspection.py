# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpd-inspect says of one core, as JSON; it may lie: the core may have taken it over."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from kdumpd.model.core import CoreFacts, Format

LONGEST_LOG = 4 << 20  # bytes; of a longer one the end is kept
LONGEST_ANSWER = 16 << 20  # bytes of JSON
LONGEST_TEXT = 512  # characters; a field of struct new_utsname has 65 bytes, each at most four here
LONGEST_IDENTITY = 1 << 17  # bytes; VMCOREINFO and the host's name
MOST_DUMP_LEVEL = 31  # makedumpfile 1.7.2, makedumpfile.h: MAX_DUMP_LEVEL
LOG_SOURCES = {"drgn", "makedumpfile", ""}
KEYS = {"facts", "log", "log_source", "log_problem"}
# The one who asks knows whether anything was read, and what part it is: the answer says neither.
FACTS = tuple(field.name for field in fields(CoreFacts) if field.name not in {"wrapped", "part"})
TEXTS = ("compression", "problem", "host", "kernel_release", "architecture", "build_id", "wrapper")

Object = Mapping[str, object]


class InspectionError(Exception):
    """There is no answer about a core, or none to believe; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What a whole reading of a core said."""

    facts: CoreFacts | None  # None: the core could be read for its log only
    log: bytes | None  # the kernel log's lines as dmesg prints them, at most LONGEST_LOG
    log_problem: str  # why there is no log: the end of a sentence that begins with the core
    log_source: str = ""  # who read the log: drgn, makedumpfile or nobody


def parse_inspected(answer: bytes) -> Inspected:
    """Return what the answer says; InspectionError for anything but such an answer."""
    if len(answer) > LONGEST_ANSWER:
        raise InspectionError(f"the answer is longer than {LONGEST_ANSWER} bytes")
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise InspectionError("the answer is not JSON") from error
    content = _object(said, KEYS)
    facts, source = content["facts"], _text(content, "log_source")
    if source not in LOG_SOURCES:
        raise InspectionError("the answer names an unknown source of the log")
    return Inspected(
        facts=None if facts is None else _facts(_object(facts, set(FACTS))),
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
    said = {name: getattr(facts, name) for name in FACTS}
    at = facts.crashed_at
    return said | {
        "crashed_at": None if at is None else at.isoformat(),
        "identity": facts.identity.hex(),
    }


def _facts(content: Object) -> CoreFacts:
    complete, level = content["complete"], content["dump_level"]
    if not isinstance(complete, bool):
        raise InspectionError("the answer does not say whether the core is complete")
    # A bool is an int to isinstance.
    if level is not None and (type(level) is not int or not 0 <= level <= MOST_DUMP_LEVEL):
        raise InspectionError("the answer holds a broken dump level")
    texts = {name: _text(content, name) for name in TEXTS}
    if complete == bool(texts["problem"]):
        raise InspectionError("the answer contradicts itself about whether the core is complete")
    try:
        format_ = Format(_text(content, "format"))
    except ValueError as error:
        raise InspectionError("the answer names an unknown format") from error
    return CoreFacts(
        format=format_,
        compression=texts["compression"],
        complete=complete,
        problem=texts["problem"],
        crashed_at=_time(content["crashed_at"]),
        host=texts["host"],
        kernel_release=texts["kernel_release"],
        architecture=texts["architecture"],
        build_id=texts["build_id"],
        identity=_identity(content["identity"]),
        dump_level=level,
        wrapper=texts["wrapper"],
    )


def _object(value: object, keys: set[str]) -> Object:
    if not isinstance(value, dict) or value.keys() != keys:
        raise InspectionError("the answer has other keys than it should have")
    return value


def _text(content: Object, name: str) -> str:
    text = content[name]
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        raise InspectionError(f"the answer holds no such text as '{name}'")
    if not (text.isascii() and text.isprintable()):
        raise InspectionError(f"the answer's '{name}' cannot be printed")
    return text


def _time(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError as error:
        raise InspectionError("the answer holds a broken time") from error
    if at.utcoffset() != timedelta():
        raise InspectionError("the answer holds a time that is not UTC")
    return at.astimezone(UTC)


def _identity(text: object) -> bytes:
    if not isinstance(text, str) or len(text) > 2 * LONGEST_IDENTITY:
        raise InspectionError("the answer holds no such identity")
    try:
        return bytes.fromhex(text)
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
    if len(log) > LONGEST_LOG:
        raise InspectionError(f"the answer's log is longer than {LONGEST_LOG} bytes")
    return log
