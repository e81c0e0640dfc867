# SPDX-License-Identifier: GPL-2.0-or-later
"""What is missing is tried again, less and less often, and given up in the end."""

from contextlib import suppress

import pytest

from kdumpd.notify.notifier import MAX_RETRY_S, Backoff, GivenUpError


class Clock:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def attempts(backoff: Backoff, clock: Clock) -> list[float]:
    """Return the delays until it is given up."""
    delays: list[float] = []
    with suppress(GivenUpError):
        for _ in range(100):
            delays.append(backoff.miss("a bus"))
            clock.now += delays[-1]
    assert len(delays) < 100
    return delays


def test_delays_grow_to_the_end() -> None:
    clock = Clock()
    assert attempts(Backoff(200, clock), clock) == [1, 2, 4, 8, 16, 32, 60, 60, 17]
    assert attempts(Backoff(0, clock), clock) == []


def test_what_came_back_is_waited_for_anew() -> None:
    clock = Clock()
    backoff = Backoff(10, clock)
    attempts(backoff, clock)
    backoff.relieve()
    assert attempts(backoff, clock) == [1, 2, 4, 3]


def test_whoever_is_to_stay_does_not_give_up() -> None:
    clock = Clock()
    backoff = Backoff(10, clock)
    for _ in range(50):
        clock.now += backoff.miss("a bus", stay=True)
    assert backoff.miss("a bus", stay=True) == MAX_RETRY_S
    with pytest.raises(GivenUpError):
        backoff.miss("a bus")
