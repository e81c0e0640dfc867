# SPDX-License-Identifier: GPL-2.0-or-later
"""When a capture is not written any more: it proves complete, or has rested for long enough."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from kdumpd.model.capture import Capture, CaptureState, Sighting, capture_from
from kdumpd.model.state import Growth, Observation, Patience, State


def settle(
    state: State, seen: Observation, patience: Patience
) -> tuple[list[Sighting], dict[bytes, Growth], dict[bytes, Growth]]:
    """Return what has settled, what has not, and of the settled what may still grow."""
    settled = []
    settling: dict[bytes, Growth] = {}
    resting: dict[bytes, Growth] = {}
    listed = _by_place(state.captures)
    ids = {capture.id for capture in listed.values()}
    for shown in seen.sightings:
        sighting = _named(shown, listed, ids)
        growth = state.settling.get(sighting.place) or state.resting.get(sighting.place)
        if growth is None or growth.files != sighting.files:
            growth = Growth(files=sighting.files, since=seen.clock)
        waited = seen.clock - growth.since >= patience.settle
        if _finished(sighting):
            settled.append(sighting)
        elif waited or _listed(state.captures, sighting):
            settled.append(sighting)
            resting[sighting.place] = growth
        else:
            settling[sighting.place] = growth
    return settled, settling, resting


def _by_place(captures: Mapping[str, Capture]) -> dict[bytes, Capture]:
    return {
        capture.place: capture
        for capture in captures.values()
        if capture.state is not CaptureState.GONE
    }


def _named(sighting: Sighting, listed: Mapping[bytes, Capture], ids: Collection[str]) -> Sighting:
    """Return the sighting under the id listed for its place, unless it proves another crash."""
    known = listed.get(sighting.place)
    if known is None or sighting.facts.identity or sighting.id in ids:
        return sighting
    if not sighting.trusted_folder:  # a stranger's, made where the capture was
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
