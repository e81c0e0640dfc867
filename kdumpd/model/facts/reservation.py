# SPDX-License-Identifier: GPL-2.0-or-later
"""What was reserved for the crash kernel at boot, of how much memory, and what the log says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReservation:
    """What an earlier boot came to; sizes in bytes, 0 where unknown."""

    boot_id: str
    reserved: int
    ram: int = 0
    crashkernel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationFacts:
    """What was reserved for the crash kernel at boot, of how much memory, and what the log says."""

    problem: str = ""  # why nothing of it could be read
    last: LastReservation | None = None  # of the boot before this one

    @property
    def system_ram(self) -> int:
        """The machine's memory in bytes, 0 where it is not known."""
        return 0

    @property
    def expected(self) -> int | None:
        """What the kernel should have reserved, in bytes."""
        return None
