# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpd-inspect says of one core, as JSON; it may lie: the core may have taken it over."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

from kdumpd.model.captures.core import MAX_IDENTITY_BYTES, CoreFacts, is_printable
from kdumpd.model.codec import RecordError, from_record, out_of_bounds, to_record

CPU_SECONDS = 600  # what one reading may take, unless it is told otherwise
ADDRESS_SPACE_BYTES = 1 << 30  # the same
MAX_LOG_BYTES = 4 << 20  # of a longer one the end is kept
MAX_ANSWER_BYTES = 16 << 20  # of JSON
LOG_SOURCES = {"drgn", "makedumpfile", ""}
ANSWER_KEYS = {"facts", "log", "log_source", "log_problem"}
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
