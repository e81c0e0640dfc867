# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory that the kernel reserved at boot, and the crashkernel= that asked for it."""

from collections.abc import Iterator

from kdumpd.model.crashkernel.expect import Problem
from kdumpd.model.crashkernel.parse import (
    as_written,
    misspellings,
    short_size,
    superseded,
    unread_rest,
)
from kdumpd.model.formats.boot_messages import AreaKind, Complaint, Reason
from kdumpd.model.readiness.facts import LastReservation, MachineFacts
from kdumpd.model.readiness.finding import Finding, Unknown, fatal, fine, info, unknown, warning
from kdumpd.model.readiness.remedies import memory_need, to_reserve
from kdumpd.model.readiness.reservation import JudgedMachine, Reservation, cmdline_of
from kdumpd.model.text import MIB, human_size, shown
from kdumpd.model.vocabulary import Mechanism

READ_BOOT_LOG = "see the boot messages of the kernel: journalctl -k -g crashkernel"
# The least low area that does: swiotlb takes 64 MiB by default, and x86 leaves 8 MiB beside it
# (arch/x86/include/asm/crash_reserve.h, crash_low_size_default).
MIN_LOW_BYTES = 72 * MIB
# Elsewhere no area is kept low; beside x86, some machines have no memory below 4 GiB at all.
LOW_AREA_REPORTS = {"x86_64": warning, "aarch64": info, "riscv64": info, "loongarch64": info}
MAIN_AREAS = {AreaKind.MAIN, AreaKind.HIGH}
CLEARLY_TOO_SMALL_RATIO = 2  # below this part of what the most modest take, it is too small


def reservation_unreadable(machine: MachineFacts) -> Iterator[Finding]:
    """Report each file about memory that is there and says nothing we understand."""
    for problem in machine.reservation.unreadable:
        yield unknown("reservation-unreadable", Unknown(problem))


def reservation_missing(machine: JudgedMachine) -> Iterator[Finding]:
    """Report that no memory is set aside, whatever was asked for, and why."""
    code = "reservation-missing"
    reservation = machine.reservation_judged
    if not machine.kernel.supported or reservation.reserved is None:
        return
    if reservation.reserved:
        yield fine(code, f"{human_size(reservation.reserved)} is reserved for the crash kernel")
        return
    reasons = tuple(_reasons(machine, reservation))
    request = f"no memory is reserved for the crash kernel: {_request(machine)}"
    way = _way(machine, reservation)
    unexplained = machine.kernel.crashkernel and not reasons
    message = "; ".join((request, *reasons, *_before(machine)))
    yield fatal(code, message, READ_BOOT_LOG if unexplained else way)


def reservation_short(machine: JudgedMachine) -> Iterator[Finding]:
    """Report that the kernel reserved less than it was asked for."""
    code = "reservation-short"
    reservation = machine.reservation_judged
    expected = _expected_main(reservation)
    if not reservation.main or not expected:
        return
    if reservation.main >= expected:
        yield fine(code, f"the kernel reserved at least the {human_size(expected)} requested")
    elif not _was_cut(machine, reservation):
        message = (
            f"only {reservation.main // MIB} MiB of the {expected // MIB} MiB requested by"
            f" {as_written(machine.kernel.crashkernel)} is reserved, so the crash kernel may run"
            " out of memory"
        )
        yield warning(
            code, "; ".join((message, *_complaints(machine, changed=True))), READ_BOOT_LOG
        )


def reservation_cut(machine: JudgedMachine) -> Iterator[Finding]:
    """Report a reservation that was as requested at boot, and was made smaller since."""
    reservation = machine.reservation_judged
    expected = _expected_main(reservation)
    if (
        reservation.main
        and expected
        and reservation.main < expected
        and _was_cut(machine, reservation)
    ):
        yield info(
            "reservation-cut",
            f"{human_size(expected)} was reserved at boot, but only {human_size(reservation.main)}"
            " is left, because someone wrote a smaller size to kexec_crash_size",
            "if you did not do this, find what writes to /sys/kernel/kexec_crash_size, then reboot",
        )


def reservation_low(machine: JudgedMachine) -> Iterator[Finding]:
    """Report that a reservation above 4 GiB has too little below, which many devices need."""
    code = "reservation-low"
    reservation = machine.reservation_judged
    report = LOW_AREA_REPORTS.get(machine.reservation.architecture)
    if not report or not reservation.areas or not reservation.areas.main.is_high:
        return
    low = reservation.areas.low.size if reservation.areas.low else 0
    if low >= MIN_LOW_BYTES:
        yield fine(
            code, f"{human_size(low)} of the reservation is below 4 GiB, for devices that need it"
        )
        return
    has = f"only {human_size(low)} below" if low else "none below"
    yield report(
        code,
        f"the memory reserved for the crash kernel is above 4 GiB, with {has}: some disks and"
        " network cards cannot reach it, so saving a dump may fail",
        f"set crashkernel={short_size(reservation.areas.main.size)},high"
        f" crashkernel={MIN_LOW_BYTES // MIB}M,low on the kernel command line in the boot loader,"
        " then reboot",
    )


def reservation_cma_short(machine: JudgedMachine) -> Iterator[Finding]:
    """Report that less of the memory that programs may use is set aside than was asked for."""
    code = "reservation-cma-short"
    reservation = machine.reservation_judged
    if (
        reservation.expectation is None
        or not reservation.expectation.cma
        or reservation.cma is None
    ):
        return
    if reservation.cma >= reservation.expectation.cma:
        yield fine(
            code,
            f"another {human_size(reservation.cma)} is set aside for the crash kernel (,cma)",
        )
    else:
        yield warning(
            code,
            f"only {reservation.cma // MIB} MiB of the {reservation.expectation.cma // MIB} MiB"
            " requested by crashkernel=SIZE,cma is set aside, so the crash kernel may run out of"
            " memory",
            "reserve less with ,cma and more without it, then reboot",
        )


def reservation_small(machine: JudgedMachine) -> Iterator[Finding]:
    """Report less memory than is usual, where no estimate of this machine's own says so."""
    code = "reservation-small"
    reservation = machine.reservation_judged
    if not reservation.reserved or not reservation.least or reservation.ram is None:
        return
    if reservation.reserved < (memory_need(machine.crash_kernel) or 0):
        return  # reservation-below-estimate, by a better reason
    if (reservation.main or 0) < _expected_main(reservation) and _was_cut(machine, reservation):
        return  # reservation-cut: asking for more would help nothing
    size = reservation.reserved + (reservation.cma or 0)
    if size >= reservation.least:
        least = human_size(reservation.least)
        yield fine(
            code,
            f"the reservation is at least the {least} that distributions reserve with this RAM:"
            f" {reservation.ram.words}",
        )
        return
    report = warning if size * CLEARLY_TOO_SMALL_RATIO < reservation.least else info
    yield report(
        code,
        f"only {human_size(size)} is reserved, but {human_size(reservation.suggested)} is usual for"
        f" {human_size(reservation.ram.size)} of RAM: the crash kernel may run out of memory",
        to_reserve(machine, reservation.usual),
    )


def fadump_refused(machine: MachineFacts) -> Iterator[Finding]:
    """Report that fadump was asked for on the command line and is not in use."""
    asked = machine.reservation.cmdline.split()
    fadump = machine.reservation.fadump
    if {b"fadump=on", b"fadump=nocma"} & set(asked) and not (fadump and fadump.enabled):
        message = "the kernel command line has fadump=, but the kernel does not use fadump"
        yield info(
            "fadump-refused",
            "; ".join((message, *_complaints(machine, changed=False))),
            "find the cause with journalctl -k -g fadump, or remove fadump= from the kernel command"
            " line",
        )


def _request(machine: MachineFacts) -> str:
    asked = machine.kernel.crashkernel
    if asked:
        return f"{as_written(asked)} had no effect"
    return "the kernel command line has no crashkernel="


def _way(machine: MachineFacts, reservation: Reservation) -> str:
    following = machine.next_boot.crashkernel
    if (
        following
        and isinstance(following, str)
        and not machine.kernel.crashkernel
        and not reservation.next_refusal
    ):
        return f"reboot; the next boot uses {as_written(following)}"
    return to_reserve(machine, reservation.usual)


def _reasons(machine: MachineFacts, reservation: Reservation) -> Iterator[str]:
    expectation = reservation.expectation
    if expectation and expectation.problem not in (Problem.NONE, Problem.ABSENT):
        yield expectation.explanation
    else:
        yield from _complaints(machine, changed=False)
    for word in misspellings(cmdline_of(machine)):
        yield f"the kernel does not know '{shown(word)}'"


def _complaints(machine: MachineFacts, *, changed: bool) -> Iterator[str]:
    """Tell what the kernel said; `changed` where something was reserved."""
    log = machine.reservation.log
    complaints: tuple[Complaint, ...] = log.log.complaints if log else ()
    for one in complaints:
        if changed == (one.reason is Reason.CHANGED):
            yield f"the kernel said '{one.words}': {one.explanation}"


def _before(machine: MachineFacts) -> Iterator[str]:
    last = machine.reservation.last
    if last and last.reserved and last.crashkernel == machine.kernel.crashkernel:
        ram = f" with {human_size(last.ram)} of RAM" if last.ram else ""
        yield f"the previous boot reserved {human_size(last.reserved)}{ram}"


def _expected_main(reservation: Reservation) -> int:
    """Return what the main area should have: sizes are never rounded down by a kernel."""
    if not reservation.sure:
        return 0
    if reservation.mechanism is Mechanism.FADUMP:
        return reservation.expected or 0
    return reservation.expectation.main if reservation.expectation else 0


def _was_cut(machine: MachineFacts, reservation: Reservation) -> bool:
    """Return whether the log says that at boot there was as much as expected."""
    log = machine.reservation.log
    sizes = [area.size for area in log.log.areas if area.kind in MAIN_AREAS] if log else []
    return max(sizes, default=0) >= _expected_main(reservation)


def reservation_shrank(machine: JudgedMachine) -> Iterator[Finding]:
    """Report less memory than at the last boot although the same was asked for."""
    reservation = machine.reservation_judged
    last = _comparable(machine, reservation)
    if (
        last
        and reservation.reserved
        and reservation.reserved < last.reserved
        and not _was_whole(machine, last)
    ):
        yield warning(
            "reservation-shrank",
            f"this boot reserved only {_now(reservation)}, the previous one {_then(last)}, although"
            " crashkernel= is the same: the crash kernel may run out of memory",
            "check whether memory was removed, or set crashkernel= to a size for this RAM",
        )


def reservation_grew(machine: JudgedMachine) -> Iterator[Finding]:
    """Report more memory than at the last boot although the same was asked for."""
    reservation = machine.reservation_judged
    last = _comparable(machine, reservation)
    if last and reservation.reserved and reservation.reserved > last.reserved:
        yield info(
            "reservation-grew",
            f"this boot reserved {_now(reservation)}, the previous one {_then(last)}, although"
            " crashkernel= is the same",
            "no action needed if you added memory or changed the kernel",
        )


def _comparable(machine: MachineFacts, reservation: Reservation) -> LastReservation | None:
    last, kernel = machine.reservation.last, machine.kernel
    if last is None or last.boot_id == kernel.boot_id or not last.reserved:
        return None
    return last if reservation.reserved and last.crashkernel == kernel.crashkernel else None


def _was_whole(machine: MachineFacts, last: LastReservation) -> bool:
    """Return whether the log says that at boot there was as much: it was cut since."""
    log = machine.reservation.log
    return log is not None and sum(area.size for area in log.log.areas) >= last.reserved


def _now(reservation: Reservation) -> str:
    ram = reservation.ram.size if reservation.ram else None
    return f"{human_size(reservation.reserved or 0)}{_of(ram)}"


def _then(last: LastReservation) -> str:
    return f"{human_size(last.reserved)}{_of(last.ram)}"


def _of(ram: int | None) -> str:
    return f" with {human_size(ram)} of RAM" if ram else ""


def crashkernel_repeated(machine: MachineFacts) -> Iterator[Finding]:
    """Report that crashkernel= is given more than once with different sizes."""
    for value in superseded(cmdline_of(machine)):
        yield info(
            "crashkernel-repeated",
            f"the kernel ignores crashkernel={shown(value)}, because another one follows",
            _without(f"crashkernel={shown(value)}"),
        )


def crashkernel_ignored(machine: JudgedMachine) -> Iterator[Finding]:
    """Report a ,high, ,low or ,cma that does not count beside what else is there."""
    if not machine.kernel.reserved:
        return
    for clause in (
        clause for one in machine.reservation_judged.expectations[:1] for clause in one.ignored
    ):
        yield info("crashkernel-ignored", clause.text, _without(clause.text.partition(" ")[0]))


def crashkernel_misspelled(machine: MachineFacts) -> Iterator[Finding]:
    """Report what looks like crashkernel= and means nothing, beside one that counts."""
    if not machine.kernel.reserved:
        return
    for word in misspellings(cmdline_of(machine)):
        yield info(
            "crashkernel-misspelled",
            f"the kernel does not know '{shown(word)}' on its command line",
            _without(shown(word)),
        )


def crashkernel_without_unit(machine: JudgedMachine) -> Iterator[Finding]:
    """Report a size in bytes, as memparse() reads a number without K, M or G (lib/cmdline.c)."""
    for expectation in machine.reservation_judged.expectations[:1]:
        if 0 < expectation.main < MIB:
            yield warning(
                "crashkernel-without-unit",
                f"crashkernel= asks for {expectation.main} bytes, too few for any crash kernel: a"
                " unit such as M is missing",
                to_reserve(machine, machine.reservation_judged.usual),
            )


def crashkernel_fragile(machine: JudgedMachine) -> Iterator[Finding]:
    """Report ranges that only work because the kernel stops reading before what is wrong."""
    if not any(one.main for one in machine.reservation_judged.expectations):
        return
    if complaint := unread_rest(cmdline_of(machine)):
        yield info(
            "crashkernel-fragile",
            "the kernel cannot read all of crashkernel=, and with another amount of RAM it would"
            f" reserve nothing: {complaint}",
            "fix crashkernel= on the kernel command line in the boot loader",
        )


def _without(word: str) -> str:
    return f"remove {word} from the kernel command line in the boot loader"
