# SPDX-License-Identifier: GPL-2.0-or-later
"""Readiness in words: one sentence, then each finding with what to do about it."""

from collections.abc import Iterator, Sequence

from kdumpd.model.finding import Finding
from kdumpd.model.readiness import Readiness, sentence


def readiness_lines(readiness: Readiness, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines that `kdumpd --check` and `kdumpdctl status` print."""
    yield f"{readiness}: {sentence(readiness, findings)}"
    for finding in findings:
        yield ""
        yield f"  {finding.severity}: {finding.message} [{finding.code}]"
        yield f"  what to do: {finding.remedy}"
