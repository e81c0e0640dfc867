# SPDX-License-Identifier: GPL-2.0-or-later
"""What the machine's own jobs are going to do with each capture."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kdumpd.model.captures.capture import Capture, Sighting
from kdumpd.model.captures.retention import removal_of, with_the_next
from kdumpd.model.state import Observation


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
