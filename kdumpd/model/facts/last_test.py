# SPDX-License-Identifier: GPL-2.0-or-later
"""What the last crash test says of the next crash."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTest:
    """The newest test that crashed the kernel as it is set up now, and what came of it."""

    at: datetime
    passed: bool
    reason: str = ""  # why it failed, as a sentence
