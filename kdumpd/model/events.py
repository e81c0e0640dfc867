# SPDX-License-Identifier: GPL-2.0-or-later
"""Events: what is told in the journal, which crashes are new, and which are acknowledged.

An event's id is made from what it is about, so that the same event, seen again after a restart
or a lost ledger, carries the same id.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from math import inf
from types import MappingProxyType
from typing import NamedTuple

from kdumpd.model.boots.record import BootRecord, CrashLoop
from kdumpd.model.captures.capture import Capture, by_time
from kdumpd.model.crash_test import CrashTest, Intent
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.report import sentence
from kdumpd.model.readiness.verdict import Verdict
from kdumpd.model.state import Delays, Observation, State, ToldCrowd
from kdumpd.model.text import microseconds
from kdumpd.model.vocabulary import BootEnd, CaptureState, CrashClass, Readiness

EVENT_ID_DIGITS = 32
MINUTE = timedelta(minutes=1)


class EventKind(StrEnum):
    """What kind of thing happened; each has its MESSAGE_ID and its catalog entry."""

    CAPTURE_COMPLETE = "capture-complete"
    CAPTURE_INCOMPLETE = "capture-incomplete"
    CAPTURE_UNTRUSTED = "capture-untrusted"
    CAPTURE_GONE = "capture-gone"
    CAPTURE_EXPOSED = "capture-exposed"
    BOOT_VALIDATED = "boot-validated"
    READINESS_CHANGED = "readiness-changed"
    TEST_REFUSED = "test-refused"
    TEST_ANNOUNCED = "test-announced"
    TEST_CANCELLED = "test-cancelled"
    TEST_TRIGGERED = "test-triggered"
    TEST_VERDICT = "test-verdict"
    CRASH_NOT_CAPTURED = "crash-not-captured"
    BOOT_UNCLEAN = "boot-unclean"
    CRASH_LOOP = "crash-loop"


CAPTURE_EVENTS = {
    CaptureState.COMPLETE: EventKind.CAPTURE_COMPLETE,
    CaptureState.GONE: EventKind.CAPTURE_GONE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, with its facts as texts: names and paths may hold surrogate escapes."""

    id: str
    kind: EventKind
    at: datetime
    facts: Mapping[str, str]


def capture_event(capture: Capture, at: datetime) -> Event:
    """Return the event that tells of a capture in the state it is now in."""
    kind = CAPTURE_EVENTS.get(capture.state, EventKind.CAPTURE_INCOMPLETE)
    if not capture.trusted and kind is not EventKind.CAPTURE_GONE:
        kind = EventKind.CAPTURE_UNTRUSTED
    # A capture can come and go again: each going is an event of its own.
    occasion = at.isoformat() if kind is EventKind.CAPTURE_GONE else capture.state
    return Event(
        id=_event_id(kind, capture.id, occasion),
        kind=kind,
        at=at,
        facts=_capture_facts(capture),
    )


# Who is told of what anybody can do, is told at most so often: from one entry about somebody's to
# the next, and of how many in that time; a user may have many uids (subuid(5)).
CROWD_PAUSE = timedelta(hours=1)
MAX_CROWDS = 10
CROWD_GATHERING = 2  # times the delay in which one settles: so long a crowd has to come together
MAX_NAMED_UIDS = 5
MIXED = -1  # in the place of a uid: whatever may be root's, in a directory of whomever


def with_crowds(
    before: State, after: State, seen: Observation, delays: Delays
) -> tuple[State, tuple[Event, ...]]:
    """Return the state after telling of what is not trusted, in one event for all that is due."""
    if after.captures is before.captures and seen.clock < (before.crowd_due or inf):
        return after, ()
    at, captures = seen.at, dict(_noted(before, after, seen.at))
    crowds = tuple(one for one in after.crowds if timedelta() <= at - one.at < CROWD_PAUSE)
    untold = [one for one in captures.values() if one.untold_since is not None]
    due_at = {uid: _due_at(uid, since, crowds, delays) for uid, since in _waiting(untold).items()}
    # What waits since a time to come waits by a clock that was set back since.
    due = [one for one in untold if due_at[_whose(one)] <= at or (one.untold_since or at) > at]
    due.sort(key=lambda one: (one.happened_at, one.place))
    told = [[one for one in due if one.mixed], [one for one in due if not one.mixed]]
    events = tuple(_crowd_event(crowd, at) for crowd in told if crowd)
    if due:
        new = [ToldCrowd(at, frozenset(map(_whose, crowd))) for crowd in told if crowd]
        crowds = (*new, *crowds)
        captures.update({one.id: replace(one, untold_since=None) for one in due})
    later = [(one - at).total_seconds() for one in due_at.values() if one > at]
    if any(after.captures[id_] is not one for id_, one in captures.items()):
        after = replace(after, captures=MappingProxyType(captures))
    crowd_due = seen.clock + min(later) if later else None
    return replace(after, crowds=crowds, crowd_due=crowd_due), events


def _noted(before: State, after: State, at: datetime) -> Iterator[tuple[str, Capture]]:
    """Yield the captures, with note taken of those that are not trusted since now."""
    for id_, capture in after.captures.items():
        known = before.captures.get(id_)
        is_new = known is None or not known.may_be_anybodys or (capture.mixed and not known.mixed)
        if known is not capture and capture.may_be_anybodys and is_new:
            yield id_, replace(capture, untold_since=at)
        else:
            yield id_, capture


def _whose(capture: Capture) -> int:
    """Return in whose hour it is told: what may be root's has one of its own."""
    return MIXED if capture.mixed else capture.owner


def _waiting(untold: Iterable[Capture]) -> Mapping[int, datetime]:
    """Return since when something of each uid waits to be told."""
    since: dict[int, datetime] = {}
    for one in untold:
        if one.untold_since is not None:
            whose = _whose(one)
            since[whose] = min(one.untold_since, since.get(whose, one.untold_since))
    return since


def _due_at(uid: int, since: datetime, crowds: Sequence[ToldCrowd], delays: Delays) -> datetime:
    """Return when what is untold of somebody is to be told."""
    times = [since + timedelta(seconds=CROWD_GATHERING * delays.settle)]
    times += [one.at + CROWD_PAUSE for one in crowds if uid in one.uids]
    if uid != MIXED:
        times += [one.at + CROWD_PAUSE for one in crowds[MAX_CROWDS - 1 :]]
    return max(times)


def _crowd_event(crowd: Sequence[Capture], at: datetime) -> Event:
    """Return the event that tells of captures that anybody could have put there."""
    first = capture_event(crowd[0], at)
    uids = sorted({one.owner for one in crowd})
    ids = sorted(one.id for one in crowd)
    told = {
        "uid": str(crowd[0].owner),
        "uids": " ".join(map(str, uids[:MAX_NAMED_UIDS])),
        "other_uids": str(len(uids[MAX_NAMED_UIDS:]) or ""),
        "more": str(len(crowd) - 1 or ""),
        "again_at": str(microseconds(at + CROWD_PAUSE)),
        "mixed": "yes" if crowd[0].mixed else "",
    }
    id_ = first.id if len(crowd) == 1 else _event_id(EventKind.CAPTURE_UNTRUSTED, *ids)
    id_ = _event_id(EventKind.CAPTURE_UNTRUSTED, id_, "mixed") if crowd[0].mixed else id_
    return replace(first, id=id_, facts=_known(**first.facts, **told))


def exposure_event(capture: Capture, at: datetime) -> Event:
    """Return the event that tells of a capture which everybody may read."""
    exposed = capture.exposed_file.decode("utf-8", "surrogateescape")
    # Each exposure is an event of its own; the same one, seen again, is not.
    occasion = (capture.exposed_at or at).isoformat()
    return Event(
        id=_event_id(EventKind.CAPTURE_EXPOSED, capture.id, occasion),
        kind=EventKind.CAPTURE_EXPOSED,
        at=at,
        facts={**_capture_facts(capture), "exposed": exposed},
    )


def boot_event(verdict: Verdict) -> Event:
    """Return the event that tells, once in a boot, how ready the machine is."""
    return Event(
        id=_event_id(EventKind.BOOT_VALIDATED, verdict.kernel.boot_id),
        kind=EventKind.BOOT_VALIDATED,
        at=verdict.at,
        facts=_readiness_facts(verdict),
    )


def readiness_event(verdict: Verdict, before: Readiness) -> Event:
    """Return the event that tells of a change of readiness within a boot."""
    occasion = (verdict.kernel.boot_id, before, verdict.readiness, verdict.at.isoformat())
    return Event(
        id=_event_id(EventKind.READINESS_CHANGED, *occasion),
        kind=EventKind.READINESS_CHANGED,
        at=verdict.at,
        facts={**_readiness_facts(verdict), "before": before},
    )


def triggered_event(test: CrashTest) -> Event:
    """Return the event that tells that the kernel is about to be crashed."""
    return Event(
        id=_event_id(EventKind.TEST_TRIGGERED, test.id),
        kind=EventKind.TEST_TRIGGERED,
        at=test.at,
        facts=_test_facts(test),
    )


def outcome_event(test: CrashTest, at: datetime) -> Event:
    """Return the event that tells what came of a test."""
    return Event(
        id=_event_id(EventKind.TEST_VERDICT, test.id, test.verdict),
        kind=EventKind.TEST_VERDICT,
        at=at,
        facts=_test_facts(test),
    )


def refusal_event(uid: int, because: str, at: datetime, codes: Iterable[str] = ()) -> Event:
    """Return the event that tells that a user was refused a test: why, or by which objections."""
    return Event(
        id=_event_id(EventKind.TEST_REFUSED, str(uid), at.isoformat()),
        kind=EventKind.TEST_REFUSED,
        at=at,
        facts=_known(uid=str(uid), because=because, objections=" ".join(codes)),
    )


def announcement_event(intent: Intent, seconds: float) -> Event:
    """Return the event that tells everybody that the kernel will be crashed in some seconds."""
    return Event(
        id=_event_id(EventKind.TEST_ANNOUNCED, intent.id),
        kind=EventKind.TEST_ANNOUNCED,
        at=intent.at,
        facts={**_intent_facts(intent), "seconds": f"{seconds:g}"},
    )


def cancellation_event(intent: Intent, because: str, at: datetime) -> Event:
    """Return the event that tells that an announced test has not crashed the kernel, and why."""
    return Event(
        id=_event_id(EventKind.TEST_CANCELLED, intent.id),
        kind=EventKind.TEST_CANCELLED,
        at=at,
        facts={**_intent_facts(intent), "because": because},
    )


def _intent_facts(intent: Intent) -> Mapping[str, str]:
    return _known(
        test=intent.id,
        uid=str(intent.uid),
        user=intent.user,
        host=intent.host,
        overridden=" ".join(intent.overridden),
        rehearsal="yes" if intent.rehearsal else "",
    )


def not_captured_event(record: BootRecord, capture: Capture | None) -> Event:
    """Return the event that tells of a boot's crash without a dump, by its kernel log if any."""
    log = dict(_capture_facts(capture)) if capture else {}
    # A file that was archived at the next boot does not have the time of the crash.
    log.pop("crashed_at", "")
    return Event(
        id=_event_id(EventKind.CRASH_NOT_CAPTURED, record.id),
        kind=EventKind.CRASH_NOT_CAPTURED,
        at=record.decided_at or record.seen_at,
        facts=_known(**{"reason": record.panic, **log, **_record_facts(record)}),
    )


def unclean_event(record: BootRecord) -> Event:
    """Return the event that tells that a boot ended without a shutdown."""
    return Event(
        id=_event_id(EventKind.BOOT_UNCLEAN, record.id),
        kind=EventKind.BOOT_UNCLEAN,
        at=record.decided_at or record.seen_at,
        facts=_record_facts(record),
    )


def loop_event(loop: CrashLoop, crashes: int, at: datetime) -> Event:
    """Return the event that tells of several crashes soon after one another."""
    return Event(
        id=_event_id(EventKind.CRASH_LOOP, loop.id),
        kind=EventKind.CRASH_LOOP,
        at=at,
        facts=_known(
            crashes=str(crashes),
            minutes=str((loop.last - loop.first) // MINUTE),
            crashed_at=str(microseconds(loop.last)),
        ),
    )


def _record_facts(record: BootRecord) -> Mapping[str, str]:
    return _known(
        boot=record.id,
        kernel=record.release,
        loaded=_number(record.armed),
        crashed_at=str(microseconds(record.crashed_at)) if record.crashed_at else "",
        because=record.reason,
    )


def _test_facts(test: CrashTest) -> Mapping[str, str]:
    return _known(
        test=test.id,
        uid=_number(test.uid),
        overridden=test.overridden,
        kernel=test.kernel,
        crashkernel=test.crashkernel,
        loaded=_number(test.armed),
        crashed_at=str(microseconds(test.at)),
        verdict=test.verdict,
        because=test.reason,
        seconds=_number(test.seconds),
        size=str(test.size),
        capture=test.capture,
    )


def _capture_facts(capture: Capture) -> Mapping[str, str]:
    crash = capture.crash
    return _known(
        capture=capture.id,
        core=capture.core_file.decode("utf-8", "surrogateescape"),
        dmesg=capture.dmesg_file.decode("utf-8", "surrogateescape"),
        directory=capture.directory.decode("utf-8", "surrogateescape"),
        state=capture.state,
        kernel=capture.kernel_release,
        crashed_at=str(microseconds(capture.crashed_at)) if capture.crashed_at else "",
        size=str(capture.size),
        problem=capture.problem,
        **{"class": crash.class_},
        reason=crash.reason,
        function=crash.function,
        signature=crash.signature,
        occurrence=str(capture.occurrence) if capture.occurrence > 1 else "",
    )


def _readiness_facts(verdict: Verdict) -> Mapping[str, str]:
    kernel, findings = verdict.kernel, verdict.findings
    return _known(
        readiness=verdict.readiness,
        findings=" ".join(finding.code for finding in findings),
        sentence=sentence(verdict.readiness, findings),
        because="; ".join(one.message for one in findings if one.severity is not Severity.INFO),
        crashkernel=kernel.crashkernel,
        expected=_number(verdict.reservation.expected),
        reserved=_number(verdict.reservation.reserved),
        loaded=_number(verdict.reservation.armed),
        kernel=kernel.release,
    )


def _number(value: int | None) -> str:
    return "" if value is None else str(int(value))


def _known(**facts: str) -> Mapping[str, str]:
    return MappingProxyType({name: text for name, text in facts.items() if text})


def _event_id(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:EVENT_ID_DIGITS]


class CrashReport(NamedTuple):
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
        if id_ not in after.captures and _tells(capture)
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
    return capture is not None and capture.was_read and not capture.log_awaited


def acknowledge(state: State, ids: Collection[str]) -> State:
    """Return the state in which the captures of these ids, where there are such, are acknowledged.

    A capture that is acknowledged already stays the same object, as do all others.
    """
    captures = {
        id_: replace(capture, acknowledged=True)
        if id_ in ids and not capture.acknowledged
        else capture
        for id_, capture in state.captures.items()
    }
    return replace(state, captures=MappingProxyType(captures))


def unacknowledged(state: State) -> frozenset[str]:
    """Return the ids of the crashes of which nobody has taken note yet."""
    return frozenset(id_ for id_, capture in state.captures.items() if capture.is_unacknowledged)
