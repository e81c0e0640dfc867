# SPDX-License-Identifier: GPL-2.0-or-later
"""What was reserved for the crash kernel at boot, of how much memory, and what the log says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationFacts:
    """What was reserved for the crash kernel at boot, of how much memory, and what the log says."""

    problem: str = ""  # why nothing of it could be read
