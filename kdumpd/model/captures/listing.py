# SPDX-License-Identifier: GPL-2.0-or-later
"""Which captures are known after a look: new ones, those that grew, went, or are forgotten."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from types import MappingProxyType

from kdumpd.model.captures.capture import Capture, Sighting, by_time, capture_from
from kdumpd.model.captures.reading import (
    Job,
    Readings,
    next_job,
    sighted,
    with_answers,
)
from kdumpd.model.captures.retention import removal_of, with_the_next
from kdumpd.model.captures.settling import is_same_log, settle, without_copies
from kdumpd.model.formats.mounts import is_inside
from kdumpd.model.state import (
    CrashDirectory,
    Delays,
    Observation,
    State,
    UnchangedFiles,
    UnchangedLook,
)
from kdumpd.model.vocabulary import CaptureState

# Nobody can open a capture that is gone; what was told of it stays in the journal.
MAX_GONE_CAPTURE_AGE = timedelta(days=90)  # after it was found gone
MAX_GONE_CAPTURES = 1000


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
        if one.is_unacknowledged or one.id in wanted or not _is_past(one, at, among=number)
    }
    if all(captures[id_] is one for id_, one in kept.items()) and len(kept) == len(gone):
        return captures
    forgotten = {one.id for one in gone} - kept.keys()
    return {id_: kept.get(id_, one) for id_, one in captures.items() if id_ not in forgotten}


def _is_past(capture: Capture, at: datetime, *, among: int) -> bool:
    """Return whether it is gone for long, or so many are gone since; not before that was told."""
    age = at - (capture.gone_at or at)
    return age >= MAX_GONE_CAPTURE_AGE or (among >= MAX_GONE_CAPTURES and age > timedelta())


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


def with_captures(state: State, seen: Observation, delays: Delays) -> State:
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
        unseen=MappingProxyType(_still_unseen(state, seen)),
        missing=MappingProxyType(missing),
        readings=MappingProxyType(readings),
        job=job or (state.job if _is_under_way(state.job, readings) else None),
        directories=tuple(directory.facts.path for directory in seen.directories),
    )
    waits = parted.settling or parted.to_read or missing or after.job
    # What was listed only now may make room for another one: the next look is to try that again.
    stands = not waits and _are_the_same(state.captures, captures)
    return replace(after, unchanged_look=_unchanged_look(after, seen) if stands else None)


def _are_the_same(before: Mapping[str, Capture], after: Mapping[str, Capture]) -> bool:
    return before.keys() == after.keys() and all(before[id_] is after[id_] for id_ in after)


def _unchanged_look(state: State, seen: Observation) -> UnchangedLook:
    return UnchangedLook(
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

    One that was complete, or that said itself which crash it is, was another crash. Nothing that
    is not read is the rest of what was.
    """
    if other.state is CaptureState.COMPLETE or other.identified:
        return False
    if other.was_read and not sighting.trusted:
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
        untold_since=None,
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
        wait = _wait_until_gone(answering, capture, delays)
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


def _wait_until_gone(
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


def _still_unseen(state: State, seen: Observation) -> dict[bytes, UnchangedFiles]:
    """Return what is pending where this look had no answer: nothing says that it is not so."""
    unread = {place for directory in seen.directories for place in directory.unread}
    unread |= {one.facts.path.rstrip(b"/") for one in seen.directories if not one.listed}
    sighted = {sighting.place for sighting in seen.sightings} if unread else set()
    return {
        place: unchanged
        for place, unchanged in state.pending.items()
        if place not in sighted and _among(place, unread)
    }


def _is_under_way(job: Job | None, readings: Readings) -> bool:
    return job is not None and job.key in readings and readings[job.key].under_way


def shows_no_more(state: State, seen: Observation) -> bool:
    """Return whether all that this look shows of captures is in the state: that of most looks is.

    What is unchanged is the same object, so that this takes no time where there are many.
    """
    unchanged = state.unchanged_look
    return (
        unchanged is not None
        and not seen.answers
        and unchanged.captures is state.captures
        and unchanged.readings is state.readings
        and unchanged.retention == seen.retention
        and unchanged.directories == seen.directories
    )
