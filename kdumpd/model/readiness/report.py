# SPDX-License-Identifier: GPL-2.0-or-later
"""Readiness as people and programs are told it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kdumpd.model.crashkernel.explain import Clause
from kdumpd.model.crashkernel.parse import as_written
from kdumpd.model.readiness.finding import Finding, Severity
from kdumpd.model.text import wrapped, wrapped_at_clauses
from kdumpd.model.vocabulary import Readiness

READINESS_SENTENCES = {
    Readiness.READY: "The next kernel panic would leave a dump.",
    Readiness.DEGRADED: "The next kernel panic might not leave a dump.",
    Readiness.NOT_READY: "The next kernel panic would leave no usable dump.",
    Readiness.UNSUPPORTED: "This system cannot capture a crash of its kernel.",
}
READINESS_UNKNOWN = "kdumpd cannot tell whether the next kernel panic would leave a dump."


def sentence(readiness: Readiness, findings: Iterable[Finding]) -> str:
    """Return in one sentence what the word says."""
    fatal = [one for one in findings if one.severity is Severity.FATAL]
    if readiness is Readiness.NOT_READY and fatal and all(one.unknown for one in fatal):
        return READINESS_UNKNOWN
    return READINESS_SENTENCES[readiness]


UNKNOWN_OUTCOME = "unknown"  # the outcome of a check that could not tell
# Of commands that ask for readiness; what else can go wrong has other numbers.
EXIT_STATUS = {
    Readiness.READY: 0,
    Readiness.DEGRADED: 1,
    Readiness.NOT_READY: 2,
    Readiness.UNSUPPORTED: 3,
}
APPLIES_PREFIX, APPLIES_NOT_PREFIX = "  > ", "    "
INDENT, CONTINUED = "  ", "    "
MAX_COLUMNS = 100  # longer lines are hard to read
OUTCOMES: Sequence[str] = (Severity.FATAL, Severity.WARNING, UNKNOWN_OUTCOME, Severity.INFO)


class Check(NamedTuple):
    """What came of one check, as everybody is told it."""

    code: str
    outcome: str  # ok, info, warning, fatal, or unknown
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is said of readiness."""

    summary: str
    checks: Sequence[Check]
    crashkernel: str = ""
    ram: str = ""  # how much memory, and where that is known from
    reading: Sequence[Clause] = ()  # how crashkernel= reads


def summary(readiness: Readiness, findings: Iterable[Finding]) -> str:
    """Return readiness as the word and the sentence that says it."""
    return f"{readiness}: {sentence(readiness, findings)}"


def checks_of(findings: Iterable[Finding]) -> tuple[Check, ...]:
    """Return what came of each check."""
    return tuple(
        Check(
            code=one.code,
            outcome=UNKNOWN_OUTCOME if one.unknown else str(one.severity),
            message=one.message,
            remedy=one.remedy,
        )
        for one in findings
    )


def text_columns(screen: int) -> int:
    """Return how wide a line of text is on a screen of so many columns, 0 where there is none."""
    return min(screen or MAX_COLUMNS, MAX_COLUMNS)


def problems_of(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return what is not as it should be, the worst first; a remedy is told once."""
    wrong = sorted((one for one in checks if one.outcome != Severity.OK), key=_weight)
    return tuple(
        one._replace(remedy=_once(one, wrong[:number])) for number, one in enumerate(wrong)
    )


def problem_lines(problem: Check, width: int = MAX_COLUMNS) -> Iterator[str]:
    """Yield what is wrong, and what to do about it; a command stays on one line."""
    told = f"{problem.outcome}: {problem.message} [{problem.code}]"
    yield from _indented(wrapped(told, width - len(CONTINUED)))
    if problem.remedy:
        remedy = f"what to do: {problem.remedy}"
        yield from _indented(wrapped_at_clauses(remedy, width - len(CONTINUED)))


def status_lines(report: Report, width: int = MAX_COLUMNS) -> Iterator[str]:
    """Yield the sentence, and then what stands in the way, or is good to know."""
    yield from wrapped(report.summary, width)
    for one in problems_of(report.checks):
        yield ""
        yield from problem_lines(one, width)


def check_lines(
    report: Report, width: int = MAX_COLUMNS, *, verbose: bool = False
) -> Iterator[str]:
    """Yield the same, then how many checks passed or which, and how crashkernel= reads."""
    yield from status_lines(report, width)
    passed = [one.message for one in report.checks if one.outcome == Severity.OK]
    if passed:
        yield ""
        count = "1 check" if len(passed) == 1 else f"{len(passed)} checks"
        yield f"{count} passed:" if verbose else f"{count} passed (-v lists them)"
    for message in passed if verbose else ():
        yield from _indented(wrapped(message, width - len(CONTINUED)))
    yield from _reading_lines(report, width)


def _once(check: Check, before: Iterable[Check]) -> str:
    """Return the remedy, or which of the problems before has the same."""
    codes = [one.code for one in before if one.remedy and one.remedy == check.remedy]
    if not codes:
        return check.remedy
    return "the same as above" if check.code in codes else f"the same as for {codes[0]}"


def _weight(check: Check) -> int:
    return OUTCOMES.index(check.outcome) if check.outcome in OUTCOMES else len(OUTCOMES)


def _reading_lines(report: Report, width: int) -> Iterator[str]:
    if not report.reading:
        return
    here = f" (here: {report.ram})" if report.ram else ""
    yield ""
    yield from wrapped(f"How the kernel reads {as_written(report.crashkernel)}{here}:", width)
    for line in report.reading:
        prefix = APPLIES_PREFIX if line.applies else APPLIES_NOT_PREFIX
        for text in wrapped(line.text, width - len(prefix)):
            yield prefix + text
            prefix = APPLIES_NOT_PREFIX


def _indented(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield (CONTINUED if number else INDENT) + line
