# SPDX-License-Identifier: GPL-2.0-or-later
"""What the ledger keeps of a boot: that it was, what was armed in it, and how it ended."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from kdumpd.model.vocabulary import BootEnd

MOST_RECORDS = 32  # boots that are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRecord:
    """One boot. Of the one that runs it is not known yet how it ends: its word is unknown."""

    id: str  # as KernelFacts.boot_id; of a boot that left no id, made from that of the next one
    seen_at: datetime  # when it was first looked at, or first heard of
    began: datetime | None = None
    release: str = ""
    armed: bool | None = None  # whether something waited for a panic, at the last look
    stopped_at: datetime | None = None  # when kdumpd was ended because the machine shut down
    end: BootEnd = BootEnd.UNKNOWN
    reason: str = ""  # why this word, in a sentence
    capture: str = ""  # the id of the one that tells of its crash
    panic: str = ""  # the kernel's last words, where no capture has them
    crashed_at: datetime | None = None
    decided_at: datetime | None = None  # None while it is not known how it ended
    told: bool = False  # whether there was an event on its end
    reported: bool = False  # whether its crash was told without a capture

    @property
    def decided(self) -> bool:
        """Whether it is known how it ended, or that it cannot be known."""
        return self.decided_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashLoop:
    """Crashes that came soon after one another, and were told of once."""

    id: str  # of the first crash
    first: datetime
    last: datetime


def uncaptured(records: Iterable[BootRecord]) -> tuple[datetime, ...]:
    """Return when boots crashed of which nothing was captured, in the order of the records."""
    return tuple(
        one.crashed_at
        for one in records
        if one.end is BootEnd.CRASH_NOT_CAPTURED and not one.capture and one.crashed_at
    )
