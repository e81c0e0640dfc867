# SPDX-License-Identifier: GPL-2.0-or-later
"""The boots that are over, as the journal's files have them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto


class Shutdown(StrEnum):
    """What the journal has of the shutdown at the end of a boot."""

    NONE = auto()
    BEGUN = auto()  # systemd or its logind said that the machine shuts down
    DONE = auto()  # journald was told to end, and was not started again


@dataclass(frozen=True, slots=True, kw_only=True)
class PastBoot:
    """One boot that is over."""

    id: str  # as KernelFacts.boot_id
    began: datetime  # by the clock as it was set at the end of the boot
    ended: datetime  # when its last entry was written
    uptime: float  # seconds at its last entry; what the machine slept does not count
    release: str = ""  # of its kernel
    is_capture: bool = False  # whether it was the kernel that saves the dump of another
    shutdown: Shutdown = Shutdown.NONE
    panic: str = ""  # the kernel's last words, if it is a panic and they came that far


@dataclass(frozen=True, slots=True, kw_only=True)
class PastBoots:
    """The last boots before the one that runs, the newest first, as the journal orders them."""

    boots: tuple[PastBoot, ...] = ()
    began: datetime | None = None  # when the boot that runs began; None where it is not told
    problem: str = ""  # why the journal could not be read
