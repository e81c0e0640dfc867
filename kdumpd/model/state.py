# SPDX-License-Identifier: GPL-2.0-or-later
"""The one step: from what is known and what is seen to what is known now, and what to tell."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from kdumpd.model.capture import Capture, CaptureState, FileStamp, Sighting, capture_from
from kdumpd.model.event import Event, boot_event, capture_event, readiness_event
from kdumpd.model.readiness import (
    Finding,
    FolderFacts,
    KernelFacts,
    MachineFacts,
    Readiness,
    find,
    judge,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashFolder:
    """One look at one crash folder."""

    facts: FolderFacts
    sightings: tuple[Sighting, ...] = ()
    listed: bool = True  # whether what is neither sighted nor unread is not there
    unread: frozenset[bytes] = frozenset()  # directories that could not be looked into
    filesystem: int | None = None  # its id, None where the folder does not exist


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at the machine."""

    number: int  # of the look; a look begun later has a larger one
    at: datetime
    clock: float  # seconds that never step back; CLOCK_BOOTTIME
    kernel: KernelFacts
    folders: tuple[CrashFolder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A capture that does not prove complete: its files, and since when they have been so."""

    files: tuple[FileStamp, ...]
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Readiness as last judged."""

    at: datetime
    kernel: KernelFacts
    readiness: Readiness
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that is known; every sink shows this one value."""

    captures: Mapping[str, Capture] = field(default_factory=dict)
    settling: Mapping[bytes, Growth] = field(default_factory=dict)
    resting: Mapping[bytes, Growth] = field(default_factory=dict)  # settled, though not complete
    missing: Mapping[str, float] = field(default_factory=dict)  # captures not seen, since when
    folders: tuple[bytes, ...] = ()
    verdict: Verdict | None = None
    validated_boot: str = ""  # the boot id whose validation was told


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait before something counts as settled, in seconds."""

    settle: float = 30.0


def step(state: State, seen: Observation, patience: Patience) -> tuple[State, tuple[Event, ...]]:
    """Return the state after one look at the machine, and the events it brings."""
    settled, settling, resting = _settle(state, seen, patience)
    captures = _list(_watched(state, seen), settled, seen.at)
    captures, missing = _miss(captures, settled, state, seen, patience)
    verdict = judged(seen)
    after = replace(
        state,
        captures=MappingProxyType(captures),
        settling=MappingProxyType(settling),
        resting=MappingProxyType(resting),
        missing=MappingProxyType(missing),
        folders=tuple(folder.facts.path for folder in seen.folders),
        verdict=verdict,
        validated_boot=verdict.kernel.boot_id or state.validated_boot,
    )
    return after, (*_capture_events(state, after, seen.at), *_verdict_events(state, verdict))


def next_look(state: State, clock: float, patience: Patience) -> float | None:
    """Return in how many seconds something is due to settle, None when nothing is."""
    since = [growth.since for growth in state.settling.values()]
    since += state.missing.values()
    return max(0.0, min(since) + patience.settle - clock) if since else None


def _watched(state: State, seen: Observation) -> dict[str, Capture]:
    """Return what is known of captures in the folders that are watched now: no more is true."""
    folders = [folder.facts.path for folder in seen.folders]
    return {
        id_: capture
        for id_, capture in state.captures.items()
        if any(_inside(capture.directory, folder) for folder in folders)
    }


def _settle(
    state: State, seen: Observation, patience: Patience
) -> tuple[list[Sighting], dict[bytes, Growth], dict[bytes, Growth]]:
    settled = []
    settling: dict[bytes, Growth] = {}
    resting: dict[bytes, Growth] = {}
    listed = _by_directory(state.captures)
    for shown in _sightings(seen):
        sighting = _named(shown, listed, state.captures.keys())
        growth = state.settling.get(sighting.directory) or state.resting.get(sighting.directory)
        if growth is None or growth.files != sighting.files:
            growth = Growth(files=sighting.files, since=seen.clock)
        waited = seen.clock - growth.since >= patience.settle
        if _finished(sighting):
            settled.append(sighting)
        elif waited or _listed(state.captures, sighting):
            settled.append(sighting)
            resting[sighting.directory] = growth
        else:
            settling[sighting.directory] = growth
    return settled, settling, resting


def _by_directory(captures: Mapping[str, Capture]) -> dict[bytes, Capture]:
    return {
        capture.directory: capture
        for capture in captures.values()
        if capture.state is not CaptureState.GONE
    }


def _named(sighting: Sighting, listed: Mapping[bytes, Capture], ids: Collection[str]) -> Sighting:
    """Return the sighting under the id listed for its directory, unless it proves another crash."""
    known = listed.get(sighting.directory)
    if known is None or sighting.facts.identity or sighting.id in ids:
        return sighting
    return replace(sighting, id=known.id)


def _finished(sighting: Sighting) -> bool:
    # The writers rename as their last act; a whole core of the temporary name is about to move.
    return (
        sighting.complete and sighting.core is not None and b"incomplete" not in sighting.core.name
    )


def _listed(captures: Mapping[str, Capture], sighting: Sighting) -> bool:
    known = captures.get(sighting.id)
    return known is not None and capture_from(sighting, known.found_at, known) == known


def _list(
    captures: Mapping[str, Capture], settled: list[Sighting], at: datetime
) -> dict[str, Capture]:
    """List every settled capture, the best sighting of each, in place of what it outgrew."""
    after = dict(captures)
    best: dict[str, Sighting] = {}
    for sighting in sorted(settled, key=lambda one: _preference(captures, one)):
        best.setdefault(sighting.id, sighting)
    outgrown = _outgrown(captures, best)
    for id_, sighting in best.items():
        before = captures.get(id_) or _same_crash(outgrown.get(sighting.directory))
        after[id_] = capture_from(sighting, before.found_at if before else at, before)
    for capture in outgrown.values():
        if capture.state is CaptureState.COMPLETE:
            after[capture.id] = replace(capture, state=CaptureState.GONE)
        else:
            del after[capture.id]
    return after


def _same_crash(outgrown: Capture | None) -> Capture | None:
    return None if outgrown is None or outgrown.state is CaptureState.COMPLETE else outgrown


def _preference(captures: Mapping[str, Capture], sighting: Sighting) -> tuple[bool, bool, bytes]:
    known = captures.get(sighting.id)
    moved = known is not None and known.directory != sighting.directory
    return not sighting.complete, moved, sighting.directory


def _outgrown(
    captures: Mapping[str, Capture], best: Mapping[str, Sighting]
) -> dict[bytes, Capture]:
    """Return, by directory, what was listed where another crash is seen now.

    One that was complete has been replaced; any other could not say yet which crash it is.
    """
    places = {sighting.directory for sighting in best.values()}
    return {
        capture.directory: capture
        for id_, capture in captures.items()
        if id_ not in best
        and capture.directory in places
        and capture.state is not CaptureState.GONE
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
    occupied = {sighting.directory for sighting in _sightings(seen)} - {
        sighting.directory for sighting in settled
    }
    occupied |= {directory for folder in seen.folders for directory in folder.unread}
    answering = [folder for folder in seen.folders if folder.listed]
    missing: dict[str, float] = {}
    forgotten = set()  # what a stranger put there is no record of a crash
    for id_, capture in captures.items():
        if id_ in present or capture.directory in occupied or capture.state is CaptureState.GONE:
            continue
        if not any(_would_hold(folder, capture) for folder in answering):
            continue
        since = state.missing.get(id_, seen.clock)
        if seen.clock - since < patience.settle:
            missing[id_] = since
        elif capture.trusted:
            captures[id_] = replace(capture, state=CaptureState.GONE, world_readable=False)
        else:
            forgotten.add(id_)
    return {id_: one for id_, one in captures.items() if id_ not in forgotten}, missing


def _would_hold(folder: CrashFolder, capture: Capture) -> bool:
    """Return whether the capture, if it were still there, would be in this folder.

    What was seen on a file system that is not mounted now is not gone.
    """
    same = folder.filesystem in {None, capture.filesystem}
    return same and _inside(capture.directory, folder.facts.path)


def _inside(directory: bytes, folder: bytes) -> bool:
    return directory == folder or directory.startswith(folder.rstrip(b"/") + b"/")


def _sightings(seen: Observation) -> Iterator[Sighting]:
    return (sighting for folder in seen.folders for sighting in folder.sightings)


def judged(seen: Observation) -> Verdict:
    """Return readiness as one look tells it."""
    machine = MachineFacts(
        kernel=seen.kernel, folders=tuple(folder.facts for folder in seen.folders)
    )
    findings = find(machine)
    return Verdict(
        at=seen.at, kernel=seen.kernel, readiness=judge(machine, findings), findings=findings
    )


def _capture_events(before: State, after: State, at: datetime) -> Iterable[Event]:
    for id_, capture in after.captures.items():
        known = before.captures.get(id_)
        if known is None or known.state != capture.state:
            yield capture_event(capture, at)


def _verdict_events(state: State, verdict: Verdict) -> Iterable[Event]:
    kernel, readiness, findings = verdict.kernel, verdict.readiness, verdict.findings
    if kernel.boot_id and kernel.boot_id != state.validated_boot:
        yield boot_event(kernel, readiness, findings, verdict.at)
    elif state.verdict is not None and state.verdict.readiness is not readiness:
        yield readiness_event(kernel, state.verdict.readiness, readiness, findings, verdict.at)
