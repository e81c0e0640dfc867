# SPDX-License-Identifier: GPL-2.0-or-later
"""What each capture was made of: of the same it would be made the same again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kdumpd.model.capture import Capture, Sighting
from kdumpd.model.retention import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A capture, and what one look made it of."""

    capture: Capture
    sighting: Sighting
    retention: Retention

    def shows(self, sighting: Sighting, capture: Capture | None) -> bool:
        """Return whether it was made of this sighting, and is known as this capture since.

        What is unchanged is the same object, so that this takes no time where there are many.
        """
        return self.sighting is sighting and self.capture is capture

    def stands(self, sighting: Sighting, capture: Capture, retention: Retention) -> bool:
        """Return whether it shows this, and the machine's jobs remove what they did then."""
        return self.retention is retention and self.shows(sighting, capture)


Makings = Mapping[str, Made]  # by the captures' ids


def made_of(
    captures: Mapping[str, Capture],
    settled: Iterable[Sighting],
    retention: Retention,
    before: Makings,
) -> dict[str, Made]:
    """Return what the captures that were just seen are made of."""
    makings = {}
    for sighting in settled:
        capture, known = captures.get(sighting.id), before.get(sighting.id)
        if capture is None or capture.place != sighting.place:
            continue
        if known is None or not known.stands(sighting, capture, retention):
            known = Made(capture=capture, sighting=sighting, retention=retention)
        makings[sighting.id] = known
    return makings
