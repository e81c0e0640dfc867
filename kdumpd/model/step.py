# SPDX-License-Identifier: GPL-2.0-or-later
"""The one step: from what is known and what is seen to what is known now, and what to tell."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf
from types import MappingProxyType

from kdumpd.model.announce import with_verdict
from kdumpd.model.boot_history import with_boots
from kdumpd.model.captures.capture import Capture, Layout, Sighting, by_time, capture_from
from kdumpd.model.captures.core import FileStamp
from kdumpd.model.captures.reading import (
    Job,
    Readings,
    is_awaited,
    next_job,
    read_through,
    sighted,
    with_answers,
)
from kdumpd.model.captures.retention import removal_of, with_the_next
from kdumpd.model.crash_test import last_test
from kdumpd.model.events import Event, capture_event, exposure_event
from kdumpd.model.formats.mounts import is_inside
from kdumpd.model.readiness.verdict import Verdict, verdict_of
from kdumpd.model.state import CrashDirectory, Delays, Growth, Observation, Shown, State
from kdumpd.model.test_outcome import with_tests
from kdumpd.model.text import NANOSECONDS
from kdumpd.model.vocabulary import CaptureState, Crash


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was sighted, parted by whether it is still written."""

    settled: list[Sighting] = field(default_factory=list)
    settling: dict[bytes, Growth] = field(default_factory=dict)
    resting: dict[bytes, Growth] = field(default_factory=dict)  # settled, though it may still grow
    to_read: list[Sighting] = field(default_factory=list)  # cores to be read through


def settle(state: State, seen: Observation, delays: Delays) -> Settlement:
    """Return what has settled, what has not, and which cores are to be read through."""
    parted = Settlement()
    listed = _by_place(state.captures)
    ids = {capture.id for capture in listed.values()}
    for shown in seen.sightings:
        growth = state.settling.get(shown.place) or state.resting.get(shown.place)
        if growth is None or growth.files != shown.files:
            growth = Growth(files=shown.files, since=seen.clock)
        known = listed.get(shown.place)
        sighting = read_through(shown, state.readings)
        if known is not None and sighting.id not in ids:
            sighting = _named(sighting, known)
        waited = seen.clock - growth.since >= delays.settle
        awaited, finished = is_awaited(shown, state.readings), _finished(sighting)
        if awaited and shown.facts.wrapped:
            # Nothing is known of it, not even which crash it is, before it was read through.
            rested = waited or _is_old(sighting.core, seen, delays)
            parted.settling[shown.place] = replace(growth, awaits_reading=rested)
            parted.to_read.extend([shown] if rested else [])
        elif finished or waited or _listed(state.captures, sighting):
            parted.settled.append(sighting)
            parted.resting.update({} if finished else {shown.place: growth})
            parted.to_read.extend([shown] if awaited else [])
        else:
            parted.settling[shown.place] = replace(growth, awaits_reading=False)
    return parted


def _is_old(core: FileStamp | None, seen: Observation, delays: Delays) -> bool:
    age = seen.at.timestamp() - (core.modified_ns / NANOSECONDS if core else 0.0)
    return age >= delays.settle


def _by_place(captures: Mapping[str, Capture]) -> dict[bytes, Capture]:
    return {
        capture.place: capture
        for capture in captures.values()
        if capture.state is not CaptureState.GONE
    }


def _named(sighting: Sighting, known: Capture) -> Sighting:
    """Return the sighting under the id listed for its place, unless it proves another crash."""
    if sighting.facts.identity:
        return sighting
    if not sighting.trusted_directory:  # a stranger's, made where the capture was
        return sighting
    if not is_same_log(sighting, known):
        return sighting
    return replace(sighting, id=known.id)


def is_same_log(sighting: Sighting, known: Capture) -> bool:
    """Return whether no kernel log shows that they are two crashes."""
    return not (sighting.log_id and known.log_id) or sighting.log_id == known.log_id


def _finished(sighting: Sighting) -> bool:
    # The writers rename as their last act; a whole core of the temporary name is about to move.
    return (
        sighting.complete and sighting.core is not None and b"incomplete" not in sighting.core.name
    )


def _listed(captures: Mapping[str, Capture], sighting: Sighting) -> bool:
    known = captures.get(sighting.id)
    return known is not None and capture_from(sighting, known.found_at, known) == known


# apport copies the kernel log of kdump-tools' captures into reports of its own. The kernel itself
# writes its log to pstore as well where crash_kexec_post_notifiers is set, as on Hyper-V.
COPIED_TO = frozenset({Layout.APPORT, Layout.PSTORE})


def without_copies(sightings: Iterable[Sighting], known: Iterable[Capture]) -> list[Sighting]:
    """Return the sightings without the logs of crashes that have a capture of their own.

    Such a log may outlive the capture: it is no other crash when that is gone.
    """
    seen = list(sightings)
    marks: set[tuple[object, ...]] = set()
    for original in seen:
        if original.layout not in COPIED_TO:
            marks.update(_marks(original.log_id, original.crash))
    for capture in known:
        if capture.layout not in COPIED_TO:
            marks.update(_marks(capture.log_id, capture.crash))
    return [
        one
        for one in seen
        if one.layout not in COPIED_TO or marks.isdisjoint(_marks(one.log_id, one.crash))
    ]


def _marks(log_id: str, crash: Crash | None) -> Iterator[tuple[object, ...]]:
    """Yield what no other crash shares: its log, and the microsecond in which it began."""
    if log_id:
        yield (log_id,)
    if crash is not None and crash.moment is not None and crash.kernel_release:
        yield crash.moment, crash.kernel_release, crash.class_, crash.function


# Nobody can open them any more; what was told of them stays in the journal.

KEPT = timedelta(days=90)  # after it was found gone
MOST_GONE = 1000


def without_forgotten(
    captures: Mapping[str, Capture], wanted: Collection[str], at: datetime
) -> Mapping[str, Capture]:
    """Return the captures but for those that are gone since long, or are too many of the gone.

    One that waits for somebody to acknowledge it is kept, and those that are wanted.
    """
    gone = [_dated(one, at) for one in captures.values() if one.state is CaptureState.GONE]
    gone.sort(key=lambda one: (one.gone_at or at, one.id), reverse=True)
    kept = {
        one.id: one
        for number, one in enumerate(gone)
        if one.waits or one.id in wanted or not _is_past(one, at, among=number)
    }
    if all(captures[id_] is one for id_, one in kept.items()) and len(kept) == len(gone):
        return captures
    forgotten = {one.id for one in gone} - kept.keys()
    return {id_: kept.get(id_, one) for id_, one in captures.items() if id_ not in forgotten}


def _is_past(capture: Capture, at: datetime, *, among: int) -> bool:
    """Return whether it is gone for long, or so many are gone since; not before that was told."""
    age = at - (capture.gone_at or at)
    return age >= KEPT or (among >= MOST_GONE and age > timedelta())


def _dated(capture: Capture, at: datetime) -> Capture:
    # An older kdumpd did not keep the time.
    return capture if capture.gone_at else replace(capture, gone_at=at)


def with_occurrences(captures: Mapping[str, Capture]) -> dict[str, Capture]:
    """Return the captures, each with its number among those of the same signature, from 1 on.

    The oldest crash is the first; a capture whose number stays is the same object.
    """
    alike: defaultdict[str, list[Capture]] = defaultdict(list)
    for capture in captures.values():
        if capture.crash.signature:
            alike[capture.crash.signature].append(capture)
    numbers = {
        capture.id: number
        for group in alike.values()
        for number, capture in enumerate(sorted(group, key=by_time), 1)
    }
    return {
        id_: capture
        if capture.occurrence == numbers.get(id_, 0)
        else replace(capture, occurrence=numbers.get(id_, 0))
        for id_, capture in captures.items()
    }


def with_removals(
    captures: Mapping[str, Capture], settled: Iterable[Sighting], seen: Observation
) -> dict[str, Capture]:
    """Return the captures, each with when it will be removed, and by what."""
    directories = [sighting.directory for sighting in seen.sightings]
    next_ = with_the_next(seen.retention, directories)
    after = dict(captures)
    for sighting in settled:
        known = after.get(sighting.id)
        removal = removal_of(sighting, seen.retention, next_)
        if known and known.place == sighting.place and removal != (known.removal_at, known.removal):
            after[known.id] = replace(known, removal_at=removal[0], removal=removal[1])
    return after


def step(state: State, seen: Observation, delays: Delays) -> tuple[State, tuple[Event, ...]]:
    """Return the state after one look at the machine, and the events it brings."""
    verdict = judged(seen, state)
    after = state if _shows_no_more(state, seen) else _with_captures(state, seen, delays)
    after, verdicts = with_tests(replace(after, verdict=verdict), seen, delays)
    if after.tests is not state.tests:
        verdict = judged(seen, after)
    after, told = with_verdict(after, verdict, seen, delays)
    after, of_boots = with_boots(after, seen, delays)
    return after, (*_capture_events(state, after, seen.at), *verdicts, *told, *of_boots)


def _shows_no_more(state: State, seen: Observation) -> bool:
    """Return whether all that this look shows of captures is in the state: that of most looks is.

    What is unchanged is the same object, so that this takes no time where there are many.
    """
    shown = state.shown
    return (
        shown is not None
        and not seen.answers
        and shown.captures is state.captures
        and shown.readings is state.readings
        and shown.retention == seen.retention
        and shown.directories == seen.directories
    )


def _with_captures(state: State, seen: Observation, delays: Delays) -> State:
    """Return the state with what one look shows of captures."""
    before = replace(state, readings=with_answers(state.readings, seen.answers, seen.clock))
    parted = settle(before, seen, delays)
    captures = _list(_watched(state, seen), parted.settled, seen.at)
    captures, missing = _miss(captures, parted.settled, state, seen, delays)
    tested = {test.capture for test in state.tests}
    known = without_forgotten(captures, tested, seen.at)
    readings = dict(before.readings)
    if all(directory.listed for directory in seen.directories):
        readings = sighted(readings, seen.sightings)
    job = next_job(readings, parted.to_read, seen.clock)
    captures = with_occurrences(with_removals(known, parted.settled, seen))
    after = replace(
        state,
        captures=MappingProxyType(captures),
        settling=MappingProxyType(parted.settling),
        resting=MappingProxyType(parted.resting),
        missing=MappingProxyType(missing),
        readings=MappingProxyType(readings),
        job=job or (state.job if _is_under_way(state.job, readings) else None),
        directories=tuple(directory.facts.path for directory in seen.directories),
    )
    waits = parted.settling or parted.to_read or missing or after.job
    # What was listed only now may make room for another one: the next look is to try that again.
    stands = not waits and _are_the_same(state.captures, captures)
    return replace(after, shown=_shown(after, seen) if stands else None)


def _are_the_same(before: Mapping[str, Capture], after: Mapping[str, Capture]) -> bool:
    return before.keys() == after.keys() and all(before[id_] is after[id_] for id_ in after)


def _shown(state: State, seen: Observation) -> Shown:
    return Shown(
        directories=seen.directories,
        retention=seen.retention,
        readings=state.readings,
        captures=state.captures,
    )


def _watched(state: State, seen: Observation) -> dict[str, Capture]:
    """Return what is known of captures in the directories that are watched now: no more is true."""
    directories = [directory.facts.path for directory in seen.directories]
    return {
        id_: capture
        for id_, capture in state.captures.items()
        if any(is_inside(capture.directory, directory) for directory in directories)
    }


def _list(
    captures: Mapping[str, Capture], settled: Iterable[Sighting], at: datetime
) -> dict[str, Capture]:
    """List every settled capture, the best sighting of each, in place of what it outgrew."""
    after = dict(captures)
    best: dict[str, Sighting] = {}
    originals = without_copies(settled, captures.values())
    for sighting in sorted(originals, key=lambda one: _preference(captures, one)):
        best.setdefault(sighting.id, sighting)
    replaced = _replaced(captures, best)
    for id_, sighting in best.items():
        other = replaced.get(sighting.place)
        outgrown = other is not None and _is_outgrown(other, sighting)
        before = captures.get(id_) or (other if outgrown else None)
        capture = capture_from(sighting, before.found_at if before else at, before)
        # The same value stays the same object: whoever keeps or shows it sees what has changed.
        after[id_] = before if before == capture else capture
        if other is not None:
            after[other.id] = _gone(other, at)
            if outgrown or not other.was_read:
                del after[other.id]
    return after


def _is_outgrown(other: Capture, sighting: Sighting) -> bool:
    """Return whether what was listed at the place of a sighting is the beginning of it.

    One that was complete, or that said itself which crash it is, was another crash.
    """
    if other.state is CaptureState.COMPLETE or other.identified:
        return False
    return is_same_log(sighting, other)


def _gone(capture: Capture, at: datetime) -> Capture:
    return replace(
        capture,
        state=CaptureState.GONE,
        world_readable=False,
        exposed_file=b"",
        exposed_at=None,
        log_awaited=False,
        removal_at=None,
        removal="",
        gone_at=at,
    )


def _preference(
    captures: Mapping[str, Capture], sighting: Sighting
) -> tuple[bool, bool, bool, bytes]:
    known = captures.get(sighting.id)
    moved = known is not None and known.place != sighting.place
    return not sighting.trusted, not sighting.complete, moved, sighting.place


def _replaced(
    captures: Mapping[str, Capture], best: Mapping[str, Sighting]
) -> dict[bytes, Capture]:
    """Return, by place, what was listed where something with another id is seen now."""
    places = {sighting.place for sighting in best.values()}
    return {
        capture.place: capture
        for id_, capture in captures.items()
        if id_ not in best and capture.place in places and capture.state is not CaptureState.GONE
    }


def _miss(
    captures: dict[str, Capture],
    settled: list[Sighting],
    state: State,
    seen: Observation,
    delays: Delays,
) -> tuple[dict[str, Capture], dict[str, float]]:
    """Call gone what has been missing for long enough from a directory that answers."""
    present = {sighting.id for sighting in settled}
    occupied = {sighting.place for sighting in seen.sightings} - {
        sighting.place for sighting in settled
    }
    unread = {place for directory in seen.directories for place in directory.unread}
    answering = [directory for directory in seen.directories if directory.listed]
    missing: dict[str, float] = {}
    forgotten = set()  # what a stranger put there is no record of a crash
    for id_, capture in captures.items():
        if id_ in present or capture.place in occupied or capture.state is CaptureState.GONE:
            continue
        if _among(capture.place, unread):
            continue
        wait = _delays(answering, capture, delays)
        if wait is None:
            continue
        due = min(seen.clock + wait, state.missing.get(id_, inf))
        if seen.clock < due:
            missing[id_] = due
        elif capture.was_read:
            captures[id_] = _gone(capture, seen.at)
        else:
            forgotten.add(id_)
    return {id_: one for id_, one in captures.items() if id_ not in forgotten}, missing


def _delays(
    directories: Iterable[CrashDirectory], capture: Capture, delays: Delays
) -> float | None:
    """Return how long a capture that is not seen may be missing, None while nobody looks there.

    What was seen on a file system that is not mounted now is not gone; but ids of file systems can
    change (xfs makes them of the device's number), so that this cannot be for ever.
    """
    for directory in directories:
        if is_inside(capture.directory, directory.facts.path):
            same = directory.filesystem == capture.filesystem
            return delays.settle if same else delays.mount
    return None


def _among(path: bytes, directories: Collection[bytes]) -> bool:
    """Return whether the path is one of these directories, or lies below one."""
    while path and path not in directories:
        path = path.rpartition(b"/")[0]
    return bool(path)


def judged(seen: Observation, state: State) -> Verdict:
    """Return readiness as one look tells it, compared with the boot before."""
    machine, boot = seen.machine, seen.machine.kernel.boot_id
    if not boot:
        return verdict_of(machine, seen.at)
    last = next((one for one in state.boots if one.boot_id != boot), None)
    machine = replace(
        machine,
        reservation=replace(machine.reservation, last=last),
        was_armed=any(one.armed for one in state.boots if one.boot_id == boot),
        last_test=last_test(state.tests, machine),
    )
    known = state.verdict
    # Of the same facts every rule says the same.
    if known is not None and known.machine == machine:
        return replace(known, at=seen.at)
    return verdict_of(machine, seen.at)


def _is_under_way(job: Job | None, readings: Readings) -> bool:
    return job is not None and job.key in readings and readings[job.key].under_way


def _capture_events(before: State, after: State, at: datetime) -> Iterable[Event]:
    for id_, capture in after.captures.items():
        known = before.captures.get(id_)
        if known is capture:
            continue
        if not capture.log_awaited and (
            known is None or known.log_awaited or known.state is not capture.state
        ):
            yield capture_event(capture, at)
        if capture.is_exposed and not (known and known.is_exposed):
            yield exposure_event(capture, at)
