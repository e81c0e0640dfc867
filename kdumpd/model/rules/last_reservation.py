# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory set aside at this boot, against what the boot before had."""

from collections.abc import Iterator

from kdumpd.model.facts.reservation import LastReservation
from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, info, warning
from kdumpd.model.readiness.reservation import Reservation, reservation_of
from kdumpd.model.text import human_size


def reservation_shrank(machine: MachineFacts) -> Iterator[Finding]:
    """Report less memory than at the last boot although the same was asked for."""
    found = reservation_of(machine)
    last = _comparable(machine, found)
    if last and found.reserved and found.reserved < last.reserved and not _was_whole(machine, last):
        yield warning(
            "reservation-shrank",
            f"only {_now(found)} is reserved, and the boot before had {_then(last)}, although"
            " crashkernel= is the same: the crash kernel may run out of memory",
            "see whether memory was taken out, or give crashkernel= a size for this RAM",
        )


def reservation_grew(machine: MachineFacts) -> Iterator[Finding]:
    """Report more memory than at the last boot although the same was asked for."""
    found = reservation_of(machine)
    last = _comparable(machine, found)
    if last and found.reserved and found.reserved > last.reserved:
        yield info(
            "reservation-grew",
            f"{_now(found)} is reserved, and the boot before had {_then(last)}, although"
            " crashkernel= is the same",
            "nothing, if memory was added or the kernel is another one",
        )


def _comparable(machine: MachineFacts, found: Reservation) -> LastReservation | None:
    last, kernel = machine.reservation.last, machine.kernel
    if last is None or last.boot_id == kernel.boot_id or not last.reserved:
        return None
    return last if found.reserved and last.crashkernel == kernel.crashkernel else None


def _was_whole(machine: MachineFacts, last: LastReservation) -> bool:
    """Return whether the log says that at boot there was as much: it was cut since."""
    log = machine.reservation.log
    return log is not None and sum(area.size for area in log.log.areas) >= last.reserved


def _now(found: Reservation) -> str:
    return f"{human_size(found.reserved or 0)}{_of(found.ram.size if found.ram else None)}"


def _then(last: LastReservation) -> str:
    return f"{human_size(last.reserved)}{_of(last.ram)}"


def _of(ram: int | None) -> str:
    return f" with {human_size(ram)} of RAM" if ram else ""
