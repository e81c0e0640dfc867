# SPDX-License-Identifier: GPL-2.0-or-later
"""What the machine's own jobs are going to do with each capture."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kdumpd.model.capture import Capture, Sighting
from kdumpd.model.made import Makings
from kdumpd.model.retention import removal_of, with_the_next
from kdumpd.model.state import Observation


def with_removals(
    captures: Mapping[str, Capture],
    settled: Iterable[Sighting],
    seen: Observation,
    makings: Makings,
) -> dict[str, Capture]:
    """Return the captures, each with when it will be removed, and by what."""
    directories = [sighting.directory for sighting in seen.sightings]
    next_ = with_the_next(seen.retention, directories)
    after = dict(captures)
    for sighting in settled:
        known, made = after.get(sighting.id), makings.get(sighting.id)
        if known is None or known.place != sighting.place:
            continue
        # A date comes of nothing else; what goes with the next capture, of all that there are.
        depends = known.removal_at is None and (known.removal or next_)
        if made and made.stands(sighting, known, seen.retention) and not depends:
            continue
        removal = removal_of(sighting, seen.retention, next_)
        if removal != (known.removal_at, known.removal):
            after[known.id] = replace(known, removal_at=removal[0], removal=removal[1])
    return after
