# SPDX-License-Identifier: GPL-2.0-or-later
"""Readiness in words: one sentence, then each finding with what to do about it."""

from collections.abc import Iterable, Iterator

from kdumpd.model.readiness import SENTENCES, Finding, Readiness


def readiness_lines(readiness: Readiness, findings: Iterable[Finding]) -> Iterator[str]:
    """Yield the lines that `kdumpd --check` and `kdumpdctl status` print."""
    yield f"{readiness}: {SENTENCES[readiness]}"
    for finding in findings:
        yield ""
        yield f"  {finding.severity}: {finding.message} [{finding.code}]"
        yield f"  what to do: {finding.remedy}"
