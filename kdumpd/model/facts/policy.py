# SPDX-License-Identifier: GPL-2.0-or-later
"""Which events make this kernel panic, and what SysRq may do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """Which events make this kernel panic, and what SysRq may do."""

    problem: str = ""  # why nothing of it could be read
