# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known by trying: the last crash test."""

from collections.abc import Iterator

from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, fine, warning


def crash_test_failed(machine: MachineFacts) -> Iterator[Finding]:
    """Report that a crash of this machine, set up as it is now, has left no complete dump."""
    code, test = "crash-test-failed", machine.last_test
    if test is None:
        return
    day = f"{test.at:%Y-%m-%d}"
    if test.passed:
        yield fine(code, f"the crash test of {day} left a complete dump")
        return
    reason = test.reason.rstrip(".")
    because = f": {reason[:1].lower()}{reason[1:]}" if reason else ""
    yield warning(
        code,
        f"the crash test of {day} failed{because}",
        "mend what it names, and see by another test whether that was it: kdumpdctl test",
    )
