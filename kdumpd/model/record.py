# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture as a record of plain values, for the ledger and for JSON output."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum

from kdumpd.model.capture import Capture, CaptureState, Format, Layout

Plain = str | int | bool | None

TIMES = {"crashed_at", "found_at"}
PATHS = {"directory", "core_file", "dmesg_file"}
ENUMS = {"layout": Layout, "format": Format, "state": CaptureState}
TYPES: dict[str, type] = {
    "acknowledged": bool,
    "filesystem": int,
    "size": int,
    "trusted": bool,
    "world_readable": bool,
}


class RecordError(ValueError):
    """The record is not a capture's; the text says which value is wrong."""


def capture_to_record(capture: Capture) -> dict[str, Plain]:
    """Return the capture as plain values; bytes that are not UTF-8 become surrogate escapes."""
    return {field.name: _plain(getattr(capture, field.name)) for field in fields(Capture)}


def capture_from_record(record: Mapping[str, object]) -> Capture:
    """Return the capture; RecordError when a value is missing or of the wrong kind."""
    try:
        values = {field.name: _value(field.name, record[field.name]) for field in fields(Capture)}
    except KeyError as error:
        raise RecordError(f"no {error.args[0]} in the record of a capture") from error
    return Capture(**values)  # type: ignore[arg-type]  # each value was checked by its name


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
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{value!r} is no part of a capture")


def _value(name: str, value: object) -> object:
    if name == "crashed_at" and value is None:
        return None
    expected = TYPES.get(name, str)
    if type(value) is not expected:
        raise RecordError(f"{name} is {value!r} in the record of a capture")
    if not isinstance(value, str):
        return value
    try:
        return _from_text(name, value)
    except ValueError as error:
        raise RecordError(f"{name} is {value!r} in the record of a capture") from error


def _from_text(name: str, text: str) -> object:
    if name in TIMES:
        return time_from_text(text)
    if name in PATHS:
        return text.encode("utf-8", "surrogateescape")
    return ENUMS[name](text) if name in ENUMS else text
