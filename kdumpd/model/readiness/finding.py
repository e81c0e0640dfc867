# SPDX-License-Identifier: GPL-2.0-or-later
"""What a rule says of the machine: that a thing is as it should be, or what is wrong with it."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import TypeVar, Union

from kdumpd.model.mending import to_mend

T = TypeVar("T")


class Severity(StrEnum):
    """How much a finding matters to the next capture."""

    OK = auto()
    INFO = auto()
    WARNING = auto()
    FATAL = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule found, and what to do about it."""

    code: str
    severity: Severity
    message: str
    remedy: str = ""
    unknown: bool = False  # whether the rule could not tell


@dataclass(frozen=True, slots=True)
class Unknown:
    """In the place of a fact: the file that should tell it, and what is wrong with it."""

    problem: str


# None where the machine does not have what would tell the fact.
Fact = Union[T, Unknown, None]  # noqa: UP007  # X | Y cannot be generic before Python 3.12


def fine(code: str, message: str) -> Finding:
    """Return that a thing is as it should be."""
    return Finding(code=code, severity=Severity.OK, message=message)


def info(code: str, message: str, remedy: str) -> Finding:
    """Return something that is worth knowing and does not stand in the way of a capture."""
    return Finding(code=code, severity=Severity.INFO, message=message, remedy=remedy)


def warning(code: str, message: str, remedy: str) -> Finding:
    """Return something that may keep the next panic from leaving a dump."""
    return Finding(code=code, severity=Severity.WARNING, message=message, remedy=remedy)


def fatal(code: str, message: str, remedy: str) -> Finding:
    """Return something that keeps the next panic from leaving a dump."""
    return Finding(code=code, severity=Severity.FATAL, message=message, remedy=remedy)


def unknown(
    code: str,
    fact: Unknown,
    remedy: str = "",
    severity: Severity = Severity.WARNING,
) -> Finding:
    """Return that a rule could not tell, and why; the remedy follows from that if none is given."""
    return Finding(
        code=code,
        severity=severity,
        message=fact.problem,
        remedy=remedy or to_mend(fact.problem),
        unknown=True,
    )
