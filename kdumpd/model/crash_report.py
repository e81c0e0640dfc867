# SPDX-License-Identifier: GPL-2.0-or-later
"""Which crashes are new from one state to the next: each is reported once, in one way."""

from collections.abc import Iterator
from dataclasses import dataclass

from kdumpd.model.boots.record import BootRecord
from kdumpd.model.captures.capture import Capture, by_time
from kdumpd.model.crash_class import CrashClass
from kdumpd.model.state import State
from kdumpd.model.vocabulary import BootEnd, CaptureState


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashReport:
    """A crash; without a capture where nothing was saved of it."""

    capture: str  # its id
    class_: str
    reason: str


def new_crashes(before: State, after: State) -> Iterator[CrashReport]:
    """Yield the crashes that are known after, and were not before."""
    reported = {after.attributed[id_] for id_ in before.captures if id_ in after.attributed}
    reported |= {one.id for one in before.history if one.reported}
    for capture in _newly_told(before, after):
        boot = after.attributed.get(capture.id, "")
        if boot in reported:
            continue
        reported |= {boot} if boot else set()
        crash = capture.crash
        yield CrashReport(capture=capture.id, class_=str(crash.class_), reason=crash.reason)
    for record in reversed(after.history):
        if record.reported and record.id not in reported and _is_uncaptured(record):
            yield _without_capture(record)


def _is_uncaptured(record: BootRecord) -> bool:
    return record.end is BootEnd.CRASH_NOT_CAPTURED and not record.capture


def _without_capture(record: BootRecord) -> CrashReport:
    reason = record.panic or record.reason
    return CrashReport(capture="", class_=str(CrashClass.UNKNOWN), reason=reason)


def _newly_told(before: State, after: State) -> list[Capture]:
    """Return the captures whose crash is new, the oldest first."""
    outgrown = {
        capture.place
        for id_, capture in before.captures.items()
        if id_ not in after.captures and capture.trusted and not capture.log_awaited
    }
    new = [
        capture
        for id_, capture in after.captures.items()
        if _tells(capture)
        and not _tells(before.captures.get(id_))
        and capture.place not in outgrown
    ]
    return sorted(new, key=by_time)


def _tells(capture: Capture | None) -> bool:
    """Return whether a capture is known well enough to tell of a crash."""
    if capture is None or not capture.trusted or capture.log_awaited:
        return False
    return capture.state is not CaptureState.GONE or capture.was_read
