# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon the next look may begin: whoever makes and removes files in a loop gets a share."""

RATIO = 2.0  # seconds of rest for each of looking, so that looks get a third of one processor
# Seconds of rest that may be owed: what comes after quiet, as a dump does, is looked at at once.
CREDIT = 1.0
LONGEST = 2.0  # seconds of one pause, also after a look at a folder that hardly answers


class Pace:
    """Counts what is owed in rest."""

    def __init__(self) -> None:
        self._owed = 0.0
        self._ended = 0.0

    def pause(self, began: float, ended: float) -> float:
        """Return how many seconds to rest after a look that took from `began` to `ended`."""
        rested = max(0.0, began - self._ended)
        owed = max(0.0, self._owed - rested) + RATIO * (ended - began)
        self._owed = min(CREDIT + LONGEST, owed)
        self._ended = ended
        return max(0.0, self._owed - CREDIT)
