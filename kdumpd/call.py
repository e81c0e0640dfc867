# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said on a message bus, as plain values that know no D-Bus library."""

from dataclasses import dataclass
from typing import Any

Body = list[Any]


class BusError(Exception):
    """The bus cannot be used; the text says why."""


class CallError(Exception):
    """A method call's error answer, ours or another's: the error's name and a sentence."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A method call from somebody."""

    path: str
    interface: str
    member: str
    sender: str
    signature: str
    body: Body


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a call."""

    signature: str = ""
    body: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A signal to send."""

    path: str
    interface: str
    member: str
    signature: str = ""
    body: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes: the bus name, the object and the interface."""

    name: str
    path: str
    interface: str
