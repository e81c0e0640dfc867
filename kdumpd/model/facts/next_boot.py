# SPDX-License-Identifier: GPL-2.0-or-later
"""What the next boot would be: the boot loader's command line, and the kernels installed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NextBootFacts:
    """What the next boot would be: the boot loader's command line, and the kernels installed."""

    problem: str = ""  # why nothing of it could be read
