# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of the same may be under way for one asker at once: the others are to be served too."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from kdumpd.dbus.messages import CallError

BUSY = "org.kdumpd1.Error.Busy"


class Turns:
    """Counts what is under way, by sender and by uid."""

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal
        self._under_way: Counter[str | int] = Counter()

    @contextmanager
    def turn(self, who: str | int, most: int) -> Iterator[None]:
        """Be one of at most so many of the asker; CallError where there are as many already."""
        if self._under_way[who] >= most:
            raise CallError(BUSY, self._refusal)
        self._under_way[who] += 1
        try:
            yield
        finally:
            self._under_way[who] -= 1
            self._under_way += Counter()  # drops those with none
