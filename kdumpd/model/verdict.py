# SPDX-License-Identifier: GPL-2.0-or-later
"""Readiness as one look tells it."""

from dataclasses import dataclass
from datetime import datetime

from kdumpd.model.facts.kernel import KernelFacts
from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding
from kdumpd.model.readiness.reservation import Reservation, reservation_of
from kdumpd.model.readiness.verdict import check, judge, troubles
from kdumpd.model.vocabulary import Readiness


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Readiness as last judged."""

    at: datetime
    machine: MachineFacts
    reservation: Reservation
    readiness: Readiness
    checks: tuple[Finding, ...]  # what every rule said

    @property
    def kernel(self) -> KernelFacts:
        """What the running kernel says."""
        return self.machine.kernel

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The checks that are worth a word."""
        return troubles(self.checks)


def verdict_of(machine: MachineFacts, at: datetime) -> Verdict:
    """Return readiness as the facts tell it."""
    checks = check(machine)
    return Verdict(
        at=at,
        machine=machine,
        reservation=reservation_of(machine),
        readiness=judge(machine, checks),
        checks=checks,
    )
