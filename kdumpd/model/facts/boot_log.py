# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel said at this boot, and where that was read."""

from dataclasses import dataclass
from enum import StrEnum

from kdumpd.model.formats.boot_messages import ReservationLog


class LogSource(StrEnum):
    """Where the log was read; the value is how a person is told."""

    JOURNAL = "the journal"
    KMSG = "/dev/kmsg"
    DMESG = "/var/log/dmesg"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootLog:
    """What one source of the kernel log says of the reservation."""

    source: LogSource
    log: ReservationLog
