# SPDX-License-Identifier: GPL-2.0-or-later
"""Readiness in a sentence."""

from collections.abc import Iterable

from kdumpd.model.readiness.finding import Finding, Severity
from kdumpd.model.vocabulary import Readiness

SENTENCES = {
    Readiness.READY: "The next kernel panic would leave a dump.",
    Readiness.DEGRADED: "The next kernel panic may leave a dump, but something stands in the way.",
    Readiness.NOT_READY: "The next kernel panic would leave no usable dump.",
    Readiness.UNSUPPORTED: "No kernel here can capture its own crash.",
}
UNTOLD = "Whether the next kernel panic would leave a dump cannot be told."


def sentence(readiness: Readiness, findings: Iterable[Finding]) -> str:
    """Return in one sentence what the word says."""
    fatal = [one for one in findings if one.severity is Severity.FATAL]
    if readiness is Readiness.NOT_READY and fatal and all(one.unknown for one in fatal):
        return UNTOLD
    return SENTENCES[readiness]
