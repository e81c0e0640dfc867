# SPDX-License-Identifier: GPL-2.0-or-later
"""Values of the model as records of plain values, as the ledger keeps them in JSON.

Bytes that are not UTF-8 become surrogate escapes, times ISO 8601 with their zone. A record of an
older kdumpd lacks what was added since: the default stands for it.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from kdumpd.model.boot_record import BootRecord, CrashLoop
from kdumpd.model.capture import Capture
from kdumpd.model.core import CoreFacts
from kdumpd.model.crash import Crash
from kdumpd.model.crash_test import CrashTest
from kdumpd.model.facts.reservation import LastReservation

Kept = Capture | CoreFacts | Crash | CrashTest | LastReservation | BootRecord | CrashLoop
T = TypeVar("T", Capture, CoreFacts, Crash, CrashTest, LastReservation, BootRecord, CrashLoop)
Plain = str | int | bool | dict[str, "Plain"] | None

TYPES: dict[type[Kept], dict[str, Any]] = {kept: get_type_hints(kept) for kept in get_args(Kept)}


class RecordError(ValueError):
    """The record is not what it should be; the text says which value is wrong."""


def to_record(value: Kept) -> dict[str, Plain]:
    """Return the value as plain values."""
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def from_record(kind: type[T], record: Mapping[str, object]) -> T:
    """Return the value; RecordError when something is missing or of the wrong kind."""
    known: dict[str, Any] = {}
    for field in fields(kind):
        if field.name in record:
            known[field.name] = _value(kind, field.name, record[field.name])
        elif field.default is MISSING:
            raise RecordError(f"no {field.name} in the record of a {kind.__name__}")
    return kind(**known)


def time_from_text(text: str) -> datetime:
    """Return the time; ValueError when the text is none, or says no zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"'{text}' is a time without its zone")
    return at


def _plain(value: object) -> Plain:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, Crash):
        return to_record(value)
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{value!r} is no part of a record")


def _value(kind: type[Kept], name: str, value: object) -> object:
    declared = TYPES[kind][name]
    accepted = get_args(declared) if get_origin(declared) is UnionType else (declared,)
    if value is None and NoneType in accepted:
        return None
    try:
        return _decoded(accepted[0], value)
    except ValueError as error:
        raise RecordError(f"{name} is {value!r} in the record of a {kind.__name__}") from error


def _decoded(declared: type, value: object) -> object:
    if declared in {int, bool, str} and type(value) is declared:
        return value
    if declared is Crash and isinstance(value, dict):
        return from_record(Crash, value)
    if isinstance(value, str):
        if declared is datetime:
            return time_from_text(value)
        if declared is bytes:
            return value.encode("utf-8", "surrogateescape")
        if issubclass(declared, Enum):
            return declared(value)
    raise RecordError("of the wrong kind")
