# SPDX-License-Identifier: GPL-2.0-or-later
"""When a capture is not written any more: it proves complete, or has rested for long enough."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kdumpd.model.captures.capture import LOG_ONLY_LAYOUTS, Capture, Sighting, capture_from
from kdumpd.model.captures.core import FileStamp
from kdumpd.model.captures.reading import (
    is_awaited,
    read_through,
)
from kdumpd.model.state import Delays, Observation, State, UnchangedFiles
from kdumpd.model.text import NSEC_PER_SEC
from kdumpd.model.vocabulary import CaptureState, Crash


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was sighted, parted by whether it is still written."""

    settled: list[Sighting] = field(default_factory=list)
    settling: dict[bytes, UnchangedFiles] = field(default_factory=dict)
    # settled, though it may still grow
    resting: dict[bytes, UnchangedFiles] = field(default_factory=dict)
    to_read: list[Sighting] = field(default_factory=list)  # cores to be read through


def settle(state: State, seen: Observation, delays: Delays) -> Settlement:
    """Return what has settled, what has not, and which cores are to be read through."""
    parted = Settlement()
    listed = _by_place(state.captures)
    ids = {capture.id for capture in listed.values()}
    for sighting in seen.sightings:
        unchanged = _unchanged(state, sighting, seen.clock)
        known = listed.get(sighting.place)
        if sighting.doubtful and known is None:
            continue
        read = read_through(sighting, state.readings)
        if known is not None and read.id not in ids:
            read = _named(read, known)
        waited = seen.clock - unchanged.since >= delays.settle
        awaited, finished = is_awaited(sighting, state.readings), _finished(read)
        if awaited and sighting.facts.wrapped:
            # Nothing is known of it, not even which crash it is, before it was read through.
            rested = waited or _is_old(read.core, seen, delays)
            parted.settling[sighting.place] = replace(unchanged, awaits_reading=rested)
            parted.to_read.extend([sighting] if rested else [])
        elif finished or waited or _listed(state.captures, read):
            parted.settled.append(read)
            rests = unchanged
            if unchanged.awaits_reading is not awaited:
                rests = replace(unchanged, awaits_reading=awaited)
            parted.resting.update({} if finished else {sighting.place: rests})
            parted.to_read.extend([sighting] if awaited else [])
        else:
            parted.settling[sighting.place] = replace(unchanged, awaits_reading=False)
    return parted


def _unchanged(state: State, sighting: Sighting, clock: float) -> UnchangedFiles:
    """Return since when the files of a sighting have been as they are."""
    place, trusted = sighting.place, sighting.trusted
    known = state.settling.get(place) or state.resting.get(place) or state.unseen.get(place)
    if known is None or known.files != sighting.files:
        return UnchangedFiles(files=sighting.files, since=clock, trusted=trusted)
    return known if known.trusted is trusted else replace(known, trusted=trusted)


def _is_old(core: FileStamp | None, seen: Observation, delays: Delays) -> bool:
    age = seen.at.timestamp() - (core.modified_ns / NSEC_PER_SEC if core else 0.0)
    return age >= delays.settle


def _by_place(captures: Mapping[str, Capture]) -> dict[bytes, Capture]:
    return {
        capture.place: capture
        for capture in captures.values()
        if capture.state is not CaptureState.GONE
    }


def _named(sighting: Sighting, known: Capture) -> Sighting:
    """Return the sighting under the id listed for its place, unless it proves another crash."""
    if sighting.facts.identity or not is_same_log(sighting, known):
        return sighting
    # What never was believed has no id that its contents gave it.
    same = known.was_read if sighting.trusted else _is_unchanged(sighting, known)
    return replace(sighting, id=known.id) if same else sighting


def _is_unchanged(sighting: Sighting, known: Capture) -> bool:
    """Return whether what is not read is the capture that was there, not a stranger's.

    Rights and owners change without a word of the contents being another.
    """
    if sighting.trusted_directory or sighting.own_files:
        return True
    return bool(known.files_id) and sighting.files_id == known.files_id


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


def without_copies(sightings: Iterable[Sighting], known: Iterable[Capture]) -> list[Sighting]:
    """Return the sightings without the logs of crashes that have a capture of their own.

    Such a log may outlive the capture: it is no other crash when that is gone.
    """
    seen = list(sightings)
    marks: set[tuple[object, ...]] = set()
    for original in seen:
        if original.layout not in LOG_ONLY_LAYOUTS:
            marks.update(_marks(original.log_id, original.crash))
    for capture in known:
        if capture.layout not in LOG_ONLY_LAYOUTS:
            marks.update(_marks(capture.log_id, capture.crash))
    return [
        one
        for one in seen
        if one.layout not in LOG_ONLY_LAYOUTS or marks.isdisjoint(_marks(one.log_id, one.crash))
    ]


def _marks(log_id: str, crash: Crash | None) -> Iterator[tuple[object, ...]]:
    """Yield what no other crash shares: its log, and the microsecond in which it began."""
    if log_id:
        yield (log_id,)
    if crash is not None and crash.moment is not None and crash.kernel_release:
        yield crash.moment, crash.kernel_release, crash.class_, crash.function
