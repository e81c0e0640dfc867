# SPDX-License-Identifier: GPL-2.0-or-later
"""What is remembered of boots and of crash loops, and all that is known of a boot that is over."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kdumpd.model.boots.journal import PastBoot, PastBoots, Shutdown
from kdumpd.model.readiness.facts import LastReservation
from kdumpd.model.vocabulary import BootEnd

MAX_BOOT_RECORDS = 32  # boots that are remembered


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


LONG_AGO = datetime.min.replace(tzinfo=UTC)
UNKNOWN_BOOT_PREFIX = "before "  # and the id of the boot after it


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedBoot:
    """All that is known of a boot that is over, but for what was captured of it."""

    id: str
    began: datetime | None = None
    ended: datetime | None = None  # its last sign of life in the journal
    uptime: float | None = None  # seconds, at that
    next_began: datetime | None = None  # when the next boot began that was no crash kernel's
    next_seen: datetime | None = None  # when kdumpd first looked in that boot
    release: str = ""
    armed: bool | None = None  # whether something waited for a panic, as last known
    shutdown: Shutdown | None = None  # None where no journal has this boot
    stopped: bool = False  # whether kdumpd was ended because the machine shut down
    panic: str = ""  # the kernel's last words
    crash_kernel_started: bool = False  # whether the crash kernel was seen to boot after it
    problem: str = ""  # why the journal could not be read, where no other has this boot

    @property
    def in_order(self) -> bool:
        """Whether it is known to have ended in order."""
        return self.stopped or self.shutdown in {Shutdown.BEGUN, Shutdown.DONE}

    @property
    def known(self) -> bool:
        """Whether there is any record of it."""
        return self.shutdown is not None or self.began is not None


def ended_boots(
    past: PastBoots,
    records: Sequence[BootRecord],
    reservations: Sequence[LastReservation],
    running: str,
) -> tuple[EndedBoot, ...]:
    """Return the boots before the running one, the newest first; none of a crash kernel.

    They are ordered by when they began: journals of a machine that lost its power share no order.
    """
    journaled = {boot.id: boot for boot in past.boots if boot.id != running}
    recorded = {one.id: one for one in records if not one.id.startswith(UNKNOWN_BOOT_PREFIX)}
    reserved = {one.boot_id: one for one in reservations}
    ids = [*journaled, *(id_ for id_ in recorded if id_ not in journaled and id_ != running)]
    ids.sort(key=lambda id_: _began(journaled.get(id_), recorded.get(id_)))
    boots: list[EndedBoot] = []
    next_began, next_seen = past.began, _seen(recorded.get(running))
    ids.reverse()
    for newer, id_ in zip([running, *ids], ids, strict=False):
        boot, record = journaled.get(id_), recorded.get(id_)
        if boot is not None and boot.is_crash_kernel:
            continue
        after = journaled.get(newer)
        ended = _ended(id_, boot, record, reserved.get(id_))
        boots.append(
            replace(
                ended,
                next_began=next_began,
                next_seen=next_seen,
                crash_kernel_started=after is not None and after.is_crash_kernel,
                problem="" if boot else past.problem,
            )
        )
        next_began, next_seen = ended.began, _seen(record)
    return tuple(boots)


def find_ended(boots: Sequence[EndedBoot], boot_id: str) -> EndedBoot | None:
    """Return what is known of the boot with this id, None where nothing is."""
    return next((boot for boot in boots if boot.id == boot_id), None)


def unrecorded_boot(running: str, boots: Sequence[EndedBoot], past: PastBoots) -> EndedBoot:
    """Return the boot before the running one of which no record has the id."""
    return EndedBoot(
        id=UNKNOWN_BOOT_PREFIX + running,
        ended=boots[0].ended if boots else None,
        next_began=past.began,
        problem=past.problem,
    )


def _ended(
    id_: str, boot: PastBoot | None, record: BootRecord | None, reserved: LastReservation | None
) -> EndedBoot:
    ever_armed = reserved.armed if reserved else None
    armed = record.armed if record and record.armed is not None else ever_armed
    return EndedBoot(
        id=id_,
        began=boot.began if boot else (record.began or record.seen_at if record else None),
        ended=boot.ended if boot else None,
        uptime=boot.uptime if boot else None,
        release=(boot.release if boot else "") or (record.release if record else ""),
        armed=armed,
        shutdown=boot.shutdown if boot else None,
        stopped=record is not None and record.stopped_at is not None,
        panic=boot.panic if boot else "",
    )


def _began(boot: PastBoot | None, record: BootRecord | None) -> datetime:
    if boot is not None:
        return boot.began
    return (record.began or record.seen_at) if record else LONG_AGO


def _seen(record: BootRecord | None) -> datetime | None:
    return record.seen_at if record else None
