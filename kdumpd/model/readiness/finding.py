# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings and facts: what was seen, or why it could not be read, and how to fix that."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import TypeVar, Union

# As kdumpd.observe.files puts it: the file in quotes, then what is wrong.
FILE_PROBLEM_PATTERN = r"'(?P<path>[^']+)' (?P<what>.*)"
NOT_PERMITTED_PATTERN = r": (?:Permission denied|Operation not permitted)"
KERNEL_FILE_PATTERN = r"/(?:proc|sys)/"
# What the errors of read(2) are about where they are not about rights.
CHECK_THE_DISK = "check its disk for errors: journalctl -k -p err"
RUN_AS_ROOT = "run kdumpd as root, for example: sudo kdumpd --check"

T = TypeVar("T")


def remedy_for_unreadable(problem: str) -> str:
    """Return what makes the fact known, where `problem` names the file and what is wrong."""
    if re.search(NOT_PERMITTED_PATTERN, problem):
        return RUN_AS_ROOT
    told = re.match(FILE_PROBLEM_PATTERN, problem)
    if told is None:
        return "see the log of kdumpd: journalctl -u kdumpd"
    fix = _of_kernel if re.search(KERNEL_FILE_PATTERN, told["path"]) else _of_disk
    return fix(told["path"], told["what"])


def _of_disk(path: str, what: str) -> str:
    if what.startswith("does not say how much room"):
        return f"check that its file system is mounted: df '{path}'"
    if what.startswith("cannot be"):
        return CHECK_THE_DISK
    if what.startswith(("is no regular file", "is no file")):
        return f"see what it is with ls -l '{path}', then replace it with a regular file"
    return f"fix '{path}', or reinstall its package"


def _of_kernel(path: str, what: str) -> str:
    if what.startswith("does not exist"):
        return "check that /proc and /sys are mounted: findmnt /proc /sys"
    if what.startswith("cannot be read"):
        return f"read it yourself to see the error: cat '{path}'"
    return f"report a bug with the contents of the file: head -c 200 '{path}'"


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
    # The message for everybody, where the other names what lies in a crash directory.
    public_message: str = ""


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
    public_message: str = "",
) -> Finding:
    """Return that a rule could not tell, and why; the remedy follows from that if none is given."""
    return Finding(
        code=code,
        severity=severity,
        message=fact.problem,
        remedy=remedy or remedy_for_unreadable(fact.problem),
        unknown=True,
        public_message=public_message,
    )


SEE_AS_ROOT = "see the details as root: sudo kdumpdctl check"


def without_names(finding: Finding) -> Finding:
    """Return the finding as everybody may read it, also who may not list a crash directory."""
    if not finding.public_message:
        return finding
    return replace(finding, message=finding.public_message, remedy=SEE_AS_ROOT, public_message="")
