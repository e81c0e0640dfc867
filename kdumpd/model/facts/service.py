# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service manager says of the unit that loads the crash kernel."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """What the service manager says of the unit that loads the crash kernel."""

    problem: str = ""  # why nothing of it could be read
