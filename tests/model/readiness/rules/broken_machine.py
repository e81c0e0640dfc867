# SPDX-License-Identifier: GPL-2.0-or-later
"""A healthy machine with one thing broken, and what must be said of it."""

from dataclasses import dataclass, replace
from typing import Any

from kdumpd.model.readiness.facts import (
    CrashKernelFacts,
    MachineFacts,
    NextBootFacts,
    ServiceFacts,
)
from kdumpd.model.readiness.finding import Severity
from tests.support.machine_facts import HEALTHY


@dataclass(frozen=True, slots=True)
class Fault:
    """Facts that break one rule, which alone must tell of it, or besides the others named."""

    facts: MachineFacts
    code: str
    severity: Severity
    words: str  # in the message
    unknown: bool = False
    besides: tuple[str, ...] = ()  # codes of what cannot but be told as well


# A machine of whose memory alone anything is known: what asks for other memory is not there.
ALONE = replace(
    HEALTHY, crash_kernel=CrashKernelFacts(), next_boot=NextBootFacts(), service=ServiceFacts()
)


def broken(group: str, **values: Any) -> MachineFacts:  # noqa: ANN401  # a row of a table
    """Return the healthy machine with these facts of one group in place of its own."""
    changed: Any = replace(getattr(HEALTHY, group), **values)
    facts: Any = {group: changed}
    return replace(HEALTHY, **facts)
