# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether kexec is allowed here at all: container, live system, lockdown, limits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SurroundingsFacts:
    """Whether kexec is allowed here at all: container, live system, lockdown, limits."""

    problem: str = ""  # why nothing of it could be read
