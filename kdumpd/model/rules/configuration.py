# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd's own configuration."""

from collections.abc import Iterator

from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, info


def configuration(machine: MachineFacts) -> Iterator[Finding]:
    """Report lines of kdumpd.conf(5) that cannot be used; they keep no dump from being saved."""
    for problem in machine.configuration:
        yield info(
            "configuration",
            f"{problem} (the default stands)",
            "mend it, see kdumpd.conf(5), and have it read: systemctl reload kdumpd",
        )
