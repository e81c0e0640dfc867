# SPDX-License-Identifier: GPL-2.0-or-later
"""What was reserved for the crash kernel at boot, of how much memory, and what the log says."""

from dataclasses import dataclass

from kdumpd.model.distribution import Distribution
from kdumpd.model.facts.boot_log import BootLog
from kdumpd.model.facts.fadump import FadumpFacts
from kdumpd.model.formats.memory import Region
from kdumpd.model.ram import Ram


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReservation:
    """What a boot had, by the ledger; sizes in bytes."""

    boot_id: str
    crashkernel: str  # as KernelFacts.crashkernel
    reserved: int
    ram: int | None  # None where it was not known
    armed: bool = False  # whether a capture was ever ready to start in that boot


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationFacts:
    """What was reserved for the crash kernel at boot, of how much memory, and what the log says."""

    problem: str = ""  # why nothing of it could be read
    unreadable: tuple[str, ...] = ()  # files that are there, and say nothing we understand
    cmdline: bytes = b""  # /proc/cmdline
    architecture: str = "x86_64"  # as uname -m says it
    distribution: Distribution = Distribution.OTHER
    ram: Ram | None = None
    regions: tuple[Region, ...] | None = None  # "Crash kernel" in /proc/iomem
    cma: int | None = None  # bytes, by /sys/kernel/kexec/crash_cma_ranges
    fadump: FadumpFacts | None = None
    log: BootLog | None = None
    last: LastReservation | None = None  # whoever keeps the ledger puts it here
