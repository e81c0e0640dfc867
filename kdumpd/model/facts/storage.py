# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a dump would be written, how much room is there, and how much it may need."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFacts:
    """Where a dump would be written, how much room is there, and how much it may need."""

    problem: str = ""  # why nothing of it could be read
