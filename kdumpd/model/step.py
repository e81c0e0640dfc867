# SPDX-License-Identifier: GPL-2.0-or-later
"""The one step: from what is known and what is seen to what is known now, and what to tell."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from math import inf
from types import MappingProxyType

from kdumpd.model.announce import with_verdict
from kdumpd.model.boot_history import with_boots
from kdumpd.model.captures.capture import Capture, Sighting, capture_from
from kdumpd.model.captures.reading import Job, Readings, next_job, sighted, with_answers
from kdumpd.model.copies import without_copies
from kdumpd.model.crash_test import last_test
from kdumpd.model.events import Event, capture_event, exposure_event
from kdumpd.model.forgetting import without_forgotten
from kdumpd.model.formats.mounts import is_inside
from kdumpd.model.occurrence import with_occurrences
from kdumpd.model.removal import with_removals
from kdumpd.model.settling import is_same_log, settle
from kdumpd.model.state import CrashFolder, Observation, Patience, Shown, State
from kdumpd.model.test_outcome import with_tests
from kdumpd.model.verdict import Verdict, verdict_of
from kdumpd.model.vocabulary import CaptureState


def step(state: State, seen: Observation, patience: Patience) -> tuple[State, tuple[Event, ...]]:
    """Return the state after one look at the machine, and the events it brings."""
    verdict = judged(seen, state)
    after = state if _shows_no_more(state, seen) else _with_captures(state, seen, patience)
    after, verdicts = with_tests(replace(after, verdict=verdict), seen, patience)
    if after.tests is not state.tests:
        verdict = judged(seen, after)
    after, told = with_verdict(after, verdict, seen, patience)
    after, of_boots = with_boots(after, seen, patience)
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
        and shown.folders == seen.folders
    )


def _with_captures(state: State, seen: Observation, patience: Patience) -> State:
    """Return the state with what one look shows of captures."""
    before = replace(state, readings=with_answers(state.readings, seen.answers, seen.clock))
    parted = settle(before, seen, patience)
    captures = _list(_watched(state, seen), parted.settled, seen.at)
    captures, missing = _miss(captures, parted.settled, state, seen, patience)
    tested = {test.capture for test in state.tests}
    known = without_forgotten(captures, tested, seen.at)
    readings = dict(before.readings)
    if all(folder.listed for folder in seen.folders):
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
        folders=tuple(folder.facts.path for folder in seen.folders),
    )
    waits = parted.settling or parted.to_read or missing or after.job
    # What was listed only now may make room for another one: the next look is to try that again.
    stands = not waits and _are_the_same(state.captures, captures)
    return replace(after, shown=_shown(after, seen) if stands else None)


def _are_the_same(before: Mapping[str, Capture], after: Mapping[str, Capture]) -> bool:
    return before.keys() == after.keys() and all(before[id_] is after[id_] for id_ in after)


def _shown(state: State, seen: Observation) -> Shown:
    return Shown(
        folders=seen.folders,
        retention=seen.retention,
        readings=state.readings,
        captures=state.captures,
    )


def _watched(state: State, seen: Observation) -> dict[str, Capture]:
    """Return what is known of captures in the folders that are watched now: no more is true."""
    folders = [folder.facts.path for folder in seen.folders]
    return {
        id_: capture
        for id_, capture in state.captures.items()
        if any(is_inside(capture.directory, folder) for folder in folders)
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
    patience: Patience,
) -> tuple[dict[str, Capture], dict[str, float]]:
    """Call gone what has been missing for long enough from a folder that answers."""
    present = {sighting.id for sighting in settled}
    occupied = {sighting.place for sighting in seen.sightings} - {
        sighting.place for sighting in settled
    }
    unread = {place for folder in seen.folders for place in folder.unread}
    answering = [folder for folder in seen.folders if folder.listed]
    missing: dict[str, float] = {}
    forgotten = set()  # what a stranger put there is no record of a crash
    for id_, capture in captures.items():
        if id_ in present or capture.place in occupied or capture.state is CaptureState.GONE:
            continue
        if _among(capture.place, unread):
            continue
        wait = _patience(answering, capture, patience)
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


def _patience(folders: Iterable[CrashFolder], capture: Capture, patience: Patience) -> float | None:
    """Return how long a capture that is not seen may be missing, None while nobody looks there.

    What was seen on a file system that is not mounted now is not gone; but ids of file systems can
    change (xfs makes them of the device's number), so that this cannot be for ever.
    """
    for folder in folders:
        if is_inside(capture.directory, folder.facts.path):
            same = folder.filesystem == capture.filesystem
            return patience.settle if same else patience.mount
    return None


def _among(path: bytes, folders: Collection[bytes]) -> bool:
    """Return whether the path is one of these folders, or lies below one."""
    while path and path not in folders:
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
