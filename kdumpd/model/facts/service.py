# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service manager says of the unit that loads the crash kernel."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """What the service manager says of the unit that loads the crash kernel."""

    problem: str = ""  # why nothing of it could be read
    starting: bool | None = None  # whether the boot is still under way; None if nobody tells
    at_work: bool = False  # whether a unit loads, unloads or rebuilds just now
