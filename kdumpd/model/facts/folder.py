# SPDX-License-Identifier: GPL-2.0-or-later
"""What a look at a crash folder says about the next capture."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """What a look at one crash folder says about the next capture."""

    path: bytes
    present: bool
    problem: str = ""
    hidden: bool = False  # from the daemon alone
    optional: bool = False  # whether the next capture needs none there
