# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of the boots before this one: how each ended, crash loops, and what is told of it.

What was found is believed at once. That nothing was found, or that a boot ended in peace, is only
said when this boot is over and no capture is being written; and it is fixed by what comes later.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from kdumpd.model.boots.journal import PastBoots
from kdumpd.model.boots.previous_boot import (
    STILL_LOOKED_FOR,
    Judgement,
    attribute,
    crashed_at,
    fixes,
    judge,
    tells_of_us,
)
from kdumpd.model.boots.record import (
    MAX_BOOT_RECORDS,
    UNKNOWN_BOOT_PREFIX,
    BootRecord,
    CrashLoop,
    EndedBoot,
    ended_boots,
    unrecorded_boot,
)
from kdumpd.model.captures.capture import LOG_ONLY_LAYOUTS, Capture
from kdumpd.model.events import Event, loop_event, not_captured_event, unclean_event
from kdumpd.model.state import Delays, Observation, State
from kdumpd.model.text import USEC_PER_SEC
from kdumpd.model.vocabulary import BootEnd

# So many crashes within this time are a loop.
CRASHES_OF_A_LOOP, CRASH_LOOP_SPAN = 3, timedelta(minutes=30)
MAX_CRASH_LOOPS = 16  # that are remembered


class CrashTime(NamedTuple):
    """When a kernel crashed, and an id for the crash."""

    at: datetime
    id: str


class NewLoop(NamedTuple):
    """A loop that was not known, and how many crashes it has so far."""

    loop: CrashLoop
    crashes: int


def with_loops(
    known: Sequence[CrashLoop], crashes: Iterable[CrashTime]
) -> tuple[tuple[CrashLoop, ...], tuple[NewLoop, ...]]:
    """Return the loops, the newest first, and of them the new ones, the oldest first.

    A known loop to which more crashes belong is the same loop.
    """
    loops, new = list(known), []
    for members in _runs(sorted(set(crashes))):
        first, last = members[0], members[-1]
        same = next((one for one in loops if _overlap(one, first.at, last.at)), None)
        if same is None:
            loop = CrashLoop(id=first.id, first=first.at, last=last.at)
            loops.append(loop)
            new.append(NewLoop(loop, len(members)))
        elif last.at > same.last:
            loops[loops.index(same)] = replace(same, last=last.at)
    loops.sort(key=lambda one: one.last, reverse=True)
    return tuple(loops[:MAX_CRASH_LOOPS]), tuple(new)


def _runs(crashes: Sequence[CrashTime]) -> list[Sequence[CrashTime]]:
    """Return the crashes that are in loops, those of each loop together."""
    runs: list[tuple[int, int]] = []
    for start in range(len(crashes) - CRASHES_OF_A_LOOP + 1):
        stop = start + CRASHES_OF_A_LOOP
        if crashes[stop - 1].at - crashes[start].at > CRASH_LOOP_SPAN:
            continue
        if runs and start < runs[-1][1]:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((start, stop))
    return [crashes[start:stop] for start, stop in runs]


def _overlap(loop: CrashLoop, first: datetime, last: datetime) -> bool:
    return first <= loop.last and last >= loop.first


ELFCOREHDR_PARAMETER = b"elfcorehdr="
CRASH_TEST_ENDS = frozenset({BootEnd.TEST_CAPTURED, BootEnd.TEST_NOT_CAPTURED})


class BootsWithCaptures(NamedTuple):
    """The boots before this one, the newest first, and which capture is of which of them."""

    boots: tuple[EndedBoot, ...]
    captures: Mapping[str, Capture]
    attributed: Mapping[str, str]  # the boot of a capture, by their ids

    def of(self, boot: EndedBoot) -> list[Capture]:
        """Return what was captured of a boot's crash."""
        return [
            self.captures[id_] for id_, boot_id in self.attributed.items() if boot_id == boot.id
        ]


def with_boots(state: State, seen: Observation, delays: Delays) -> tuple[State, tuple[Event, ...]]:
    """Return the state with how the boots before this one ended, and what is to be told of it."""
    past, running = seen.past or state.past, seen.machine.kernel.boot_id
    # In a container the boot, and what came before it, are the host's.
    inside = bool(seen.machine.system.container)
    if past is None or not running or inside or _is_crash_kernel(seen):
        return state, ()
    state = replace(state, past=past, history=_with_running(state, seen, past))
    joined = boots_with_captures(state, past, running, seen.machine.kernel.host)
    over = not seen.is_starting(delays) and not state.is_being_written
    history = {record.id: record for record in state.history}
    if UNKNOWN_BOOT_PREFIX + running != joined.boots[0].id:  # what had no name has one now
        history.pop(UNKNOWN_BOOT_PREFIX + running, None)
    events: list[Event] = []
    for boot, judgement in reversed(list(_to_judge(joined, history, state))):
        record = _decided(boot, judgement, history.get(boot.id), seen.at, over=over)
        if record is None:
            continue
        event = _event(record, judgement, is_last=boot is joined.boots[0])
        events += [event] if event else []
        history[boot.id] = replace(record, told=event is not None)
    loops, new = with_loops(state.loops, _crashes(joined, history.values(), seen))
    events += [loop_event(one.loop, one.crashes, seen.at) for one in new]
    return replace(
        state,
        history=_kept(history.values(), running),
        previous=history.get(joined.boots[0].id) or _undecided(joined.boots[0], seen.at),
        attributed=MappingProxyType(dict(joined.attributed)),
        loops=loops,
    ), tuple(events)


def boots_with_captures(
    state: State, past: PastBoots, running: str, host: str
) -> BootsWithCaptures:
    """Return the boots before the running one, and which captures tell of the end of which.

    The newest may be one that no record has: its crash alone tells that it was.
    """
    boots = ended_boots(past, state.history, state.boots, running)
    taken = {
        one.capture: one.id
        for one in state.history
        if one.capture and not one.id.startswith(UNKNOWN_BOOT_PREFIX)
    }
    attributed = attribute(boots, state.captures.values(), host, taken)
    last = unrecorded_boot(running, boots, past)
    rest = [
        one
        for one in state.captures.values()
        if one.id not in attributed and (not boots or _fits_between(one, boots[0], past))
    ]
    unrecorded = attribute([last], rest, host, {}) if past.began is not None else {}
    if unrecorded or not boots:
        boots = (last, *boots)
    return BootsWithCaptures(boots, state.captures, {**attributed, **unrecorded})


def decided(state: State) -> bool:
    """Return whether it is known how the boot before ended, as well as it can be."""
    return state.previous is not None and state.previous.decided


def with_stop(state: State, at: datetime) -> State:
    """Return the state with note taken that the running boot ends in order."""
    running = state.verdict.kernel.boot_id if state.verdict else ""
    history = tuple(
        replace(one, stopped_at=at) if one.id == running else one for one in state.history
    )
    return replace(state, history=history)


def _is_crash_kernel(seen: Observation) -> bool:
    return ELFCOREHDR_PARAMETER in seen.machine.reservation.cmdline


def _with_running(state: State, seen: Observation, past: PastBoots) -> tuple[BootRecord, ...]:
    """Return the records, with one of this boot that says what is armed now."""
    kernel = seen.machine.kernel
    armed = state.verdict.reservation.armed if state.verdict else None
    known = next((one for one in state.history if one.id == kernel.boot_id), None)
    record = known or BootRecord(
        id=kernel.boot_id, seen_at=seen.at, began=past.began, release=kernel.release
    )
    record = replace(record, stopped_at=None)  # whoever looks was not ended with the machine
    if armed is not None and armed != record.armed:
        record = replace(record, armed=armed)
    others = (one for one in state.history if one.id != kernel.boot_id)
    return (record, *others)


def _fits_between(capture: Capture, newest: EndedBoot, past: PastBoots) -> bool:
    """Return whether a boot that lived until this crash fits between the last known and this one.

    A log that the last one has outlived, as of an oops, does not make another boot.
    """
    at, moment = crashed_at(capture), capture.crash.moment
    if at is None or moment is None or newest.ended is None or past.began is None:
        return False
    between = (past.began - newest.ended).total_seconds()
    return at > newest.ended and moment / USEC_PER_SEC <= between


def _to_judge(
    joined: BootsWithCaptures, history: Mapping[str, BootRecord], state: State
) -> Iterable[tuple[EndedBoot, Judgement]]:
    """Yield the boots that are to be judged, the newest first, up to one that was already.

    Where none ever was, those before the last that ended in order are of the past.
    """
    last, *older = joined.boots
    yield last, judge(last, joined.of(last), state.tests)
    ever = any(one.decided for id_, one in history.items() if id_ != last.id)
    for boot in older:
        record = history.get(boot.id)
        if record is not None and record.decided:
            return
        judgement = judge(boot, joined.of(boot), state.tests)
        if not ever and judgement.end is BootEnd.CLEAN:
            return
        yield boot, judgement


def _decided(
    boot: EndedBoot, judgement: Judgement, known: BootRecord | None, at: datetime, *, over: bool
) -> BootRecord | None:
    """Return the record of the boot with its end, None where that is not to be said, or was."""
    if not (over or judgement.at_once):
        return None
    if known is not None and known.decided and not fixes(judgement.end, known.end):
        return None
    capture = judgement.capture.id if judgement.capture else ""
    record = known or BootRecord(
        id=boot.id, seen_at=at, began=boot.began, release=boot.release, armed=boot.armed
    )
    crashed = judgement.end not in {BootEnd.CLEAN, BootEnd.UNCLEAN, BootEnd.UNKNOWN}
    not_captured = judgement.end is BootEnd.CRASH_NOT_CAPTURED
    return replace(
        record,
        end=judgement.end,
        reason=judgement.reason,
        capture=capture,
        panic=boot.panic,
        crashed_at=(judgement.at or boot.next_began) if crashed else None,
        decided_at=at,
        reported=record.reported or (not_captured and not capture),
    )


def _event(record: BootRecord, judgement: Judgement, *, is_last: bool) -> Event | None:
    """Return the event that tells of the end of a boot; captures have events of their own."""
    if record.end is BootEnd.CRASH_NOT_CAPTURED:
        return not_captured_event(record, judgement.capture)
    if record.end is BootEnd.UNCLEAN and is_last:
        return unclean_event(record)
    return None


def _crashes(
    joined: BootsWithCaptures, records: Iterable[BootRecord], seen: Observation
) -> Iterable[CrashTime]:
    """Yield the crashes of this host, each once; no tests."""
    tested = {one.id for one in records if one.end in CRASH_TEST_ENDS}
    for capture in joined.captures.values():
        is_test = capture.is_test or joined.attributed.get(capture.id) in tested
        if capture.layout in LOG_ONLY_LAYOUTS or is_test or capture.crashed_at is None:
            continue
        if tells_of_us(capture, seen.machine.kernel.host):
            yield CrashTime(capture.crashed_at, capture.id)
    for record in records:
        if record.end is BootEnd.CRASH_NOT_CAPTURED and record.crashed_at is not None:
            yield CrashTime(record.crashed_at, record.id)


def _undecided(boot: EndedBoot, at: datetime) -> BootRecord:
    return BootRecord(id=boot.id, seen_at=at, reason=STILL_LOOKED_FOR)


def _kept(records: Iterable[BootRecord], running: str) -> tuple[BootRecord, ...]:
    """Return the records to keep, that of the running boot first, then the newest."""
    ordered: Sequence[BootRecord] = sorted(
        records, key=lambda one: (one.id == running, one.began or one.seen_at), reverse=True
    )
    return tuple(ordered[:MAX_BOOT_RECORDS])
