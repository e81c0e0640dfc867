# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that nothing speaks against crashing, and the same with one thing changed."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kdumpd.model.readiness.facts import SystemFacts
from kdumpd.trigger.facts import (
    KdumpdFacts,
    MemoryFacts,
    PeopleFacts,
    PreflightAnswers,
    PreflightFacts,
    Session,
)

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
UID = 1000
QUIET = PreflightAnswers(
    at=AT,
    uid=UID,
    kdumpd=KdumpdFacts(
        readiness="ready", findings=(), mechanism="kdump", loaded=True, settling=0, crashes=()
    ),
    machine=PreflightFacts(
        loaded=True,
        panic_timeout=0,
        uptime=7200.0,
        load=0.3,
        processors=2,
        pressure=(("cpu", 0.3), ("io", 1.0), ("memory", 0.0)),
        memory=MemoryFacts(total=4 << 30, dirty=1 << 20),
        locks=(),
    ),
    people=PeopleFacts(sessions=(Session(uid=UID, name="me"),), inhibitors=()),
)


def changed(group: str, **values: Any) -> PreflightAnswers:  # noqa: ANN401  # a row of a table
    """Return the quiet machine with these facts of one group in place of its own."""
    facts: Any = {group: replace(getattr(QUIET, group), **values)}
    return replace(QUIET, **facts)


def around(**values: Any) -> PreflightAnswers:  # noqa: ANN401  # a row of a table
    """Return the quiet machine where these facts of what surrounds the kernel are others."""
    return changed("machine", system=SystemFacts(**values))
