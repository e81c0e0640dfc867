# SPDX-License-Identifier: GPL-2.0-or-later
"""Readiness as people and programs are told it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kdumpd.model.crashkernel.explain import Clause
from kdumpd.model.crashkernel.parse import as_written
from kdumpd.model.readiness.finding import Finding, Severity
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


def status_lines(report: Report) -> Iterator[str]:
    """Yield the sentence, and then what stands in the way, or is good to know."""
    yield report.summary
    for one in report.checks:
        if one.outcome != Severity.OK:
            yield ""
            yield f"  {one.outcome}: {one.message} [{one.code}]"
            if one.remedy:
                yield f"  what to do: {one.remedy}"


def check_lines(report: Report) -> Iterator[str]:
    """Yield the sentence, a line for each check, and how crashkernel= reads."""
    yield report.summary
    yield ""
    width = max((len(one.outcome) for one in report.checks), default=0)
    for one in report.checks:
        code = "" if one.outcome == Severity.OK else f" [{one.code}]"
        yield f"  {one.outcome:<{width}}  {one.message}{code}"
        if one.remedy:
            yield f"  {'':<{width}}    what to do: {one.remedy}"
    yield from _reading_lines(report)


def _reading_lines(report: Report) -> Iterator[str]:
    if not report.reading:
        return
    here = f" (here: {report.ram})" if report.ram else ""
    yield ""
    yield f"How the kernel reads {as_written(report.crashkernel)}{here}:"
    for line in report.reading:
        yield (APPLIES_PREFIX if line.applies else APPLIES_NOT_PREFIX) + line.text
