# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.observe.machine import MAX_PAUSE_S, MAX_REST_OWED_S, REST_RATIO, ScanThrottle


def test_after_quiet_nothing_waits() -> None:
    throttle = ScanThrottle()
    assert throttle.pause(100.0, 100.25) == 0.0
    assert throttle.pause(100.25, 100.5) == 0.0


def test_looks_without_rest_are_kept_apart() -> None:
    throttle = ScanThrottle()
    now = 100.0
    pauses = []
    for _ in range(20):
        pauses.append(throttle.pause(now, now + 0.25))
        now += 0.25 + pauses[-1]
    assert pauses[:2] == [0.0, 0.0]
    assert pauses[-1] == pytest.approx(REST_RATIO * 0.25)


def test_rest_pays_what_is_owed() -> None:
    throttle = ScanThrottle()
    assert throttle.pause(100.0, 101.0) == 1.0
    assert throttle.pause(103.0, 103.25) == 0.0


def test_a_directory_that_hardly_answers() -> None:
    throttle = ScanThrottle()
    assert throttle.pause(100.0, 110.0) == MAX_PAUSE_S
    assert throttle.pause(112.0, 122.0) == MAX_PAUSE_S


@given(takes=st.lists(st.floats(0.001, 1.0), min_size=1, max_size=50))
def test_a_share_of_the_time_at_most(takes: list[float]) -> None:
    """Whatever the looks take that follow one another at once."""
    throttle, now = ScanThrottle(), 100.0
    for took in takes:
        ended = now + took
        now = ended + throttle.pause(now, ended)
    rested = now - 100.0 - sum(takes)
    assert rested >= REST_RATIO * sum(takes) - MAX_REST_OWED_S - 1e-6
