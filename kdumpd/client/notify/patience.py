# SPDX-License-Identifier: GPL-2.0-or-later
"""How long something may be missing."""

import time
from collections.abc import Callable

FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0


class GivenUpError(Exception):
    """Something has been missing for too long; the text says what."""


class Patience:
    """Tries again after longer and longer delays, and gives up after some time without success."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: float | None = None
        self._delay = FIRST_DELAY

    def miss(self, what: str, *, stay: bool = False) -> float:
        """Return the seconds until the next attempt; GivenUpError for none, if not to stay."""
        now = self._clock()
        if self._since is None:
            self._since = now
        left = self._since + self._seconds - now
        if left <= 0 and not stay:
            raise GivenUpError(what)
        delay, self._delay = self._delay, min(2 * self._delay, LONGEST_DELAY)
        return min(delay, left) if left > 0 else delay

    def relieve(self) -> None:
        """Note that nothing is missing."""
        self._since = None
        self._delay = FIRST_DELAY
