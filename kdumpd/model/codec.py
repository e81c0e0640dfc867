# SPDX-License-Identifier: GPL-2.0-or-later
"""Values of the model as records of plain values, as the ledger keeps them in JSON.

Bytes that are not UTF-8 become surrogate escapes, times ISO 8601 with their zone. A record of an
older kdumpd lacks what was added since: the default stands for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    NamedTuple,
    Protocol,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)


class Recordable(Protocol):
    """A value of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


T = TypeVar("T", bound=Recordable)
Plain = str | int | bool | dict[str, "Plain"] | None
BOUND_METADATA_KEY = "bound"  # in a field's metadata


class FieldSpec(NamedTuple):
    """What a record has under a name."""

    name: str
    declared: type
    may_be_none: bool
    required: bool


@cache
def _field_specs(kind: type[Recordable]) -> tuple[FieldSpec, ...]:
    """Return what the records of these values have."""
    types = get_type_hints(kind)
    return tuple(
        FieldSpec(
            name=field.name,
            declared=_accepted(types[field.name])[0],
            may_be_none=NoneType in _accepted(types[field.name]),
            required=field.default is MISSING,
        )
        for field in fields(kind)
    )


def _accepted(declared: Any) -> tuple[Any, ...]:  # noqa: ANN401  # a type, or a union of them
    return get_args(declared) if get_origin(declared) is UnionType else (declared,)


class RecordError(ValueError):
    """The record is not what it should be; the text says which value is wrong."""


def to_record(value: Recordable) -> dict[str, Plain]:
    """Return the value as plain values."""
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def from_record(kind: type[T], record: Mapping[str, object]) -> T:
    """Return the value; RecordError when something is missing or of the wrong kind."""
    known: dict[str, Any] = {}
    for one in _field_specs(kind):
        if one.name in record:
            known[one.name] = _value(kind, one, record[one.name])
        elif one.required:
            raise RecordError(f"no {one.name} in the record of a {kind.__name__}")
    return kind(**known)


def bounded(holds: Callable[[Any], bool]) -> Mapping[str, object]:
    """Return the metadata of a field, of which that holds for what is not trusted either."""
    return {BOUND_METADATA_KEY: holds}


def out_of_bounds(value: Recordable) -> str:
    """Return the first field for which what bounds it does not hold, empty for none."""
    bounds = ((field.name, field.metadata.get(BOUND_METADATA_KEY)) for field in fields(value))
    return next((name for name, holds in bounds if holds and not holds(getattr(value, name))), "")


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
    if is_dataclass(value) and not isinstance(value, type):
        return to_record(value)
    raise TypeError(f"{value!r} is no part of a record")


def _value(kind: type[Recordable], one: FieldSpec, value: object) -> object:
    if value is None and one.may_be_none:
        return None
    try:
        return _decoded(one.declared, value)
    except ValueError as error:
        raise RecordError(f"{one.name} is {value!r} in the record of a {kind.__name__}") from error


def _decoded(declared: type, value: object) -> object:
    if declared in {int, bool, str} and type(value) is declared:
        return value
    if isinstance(value, dict) and is_dataclass(declared):
        return from_record(declared, value)
    if isinstance(value, str):
        if declared is datetime:
            return time_from_text(value)
        if declared is bytes:
            return value.encode("utf-8", "surrogateescape")
        if issubclass(declared, Enum):
            return declared(value)
    raise RecordError("of the wrong kind")
