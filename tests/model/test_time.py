# SPDX-License-Identifier: GPL-2.0-or-later
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.time import (
    EPOCH,
    microseconds,
    time_from_microseconds,
    time_if_any,
    time_of_file,
)


def test_microseconds() -> None:
    assert microseconds(datetime(2026, 11, 23, 1, 13, 34, 5, tzinfo=UTC)) == 1795396414000005
    assert microseconds(None) == 0
    assert microseconds(EPOCH) == 0


def test_before_1970() -> None:
    assert microseconds(EPOCH - timedelta(days=1)) == 0


def test_other_zones() -> None:
    at = datetime(2026, 11, 23, 2, 13, 34, tzinfo=timezone(timedelta(hours=1)))
    assert microseconds(at) == 1795396414000000


@given(number=st.integers(0, 1 << 57))
@settings(deadline=None)
def test_exact(number: int) -> None:
    """A number of floating point would lose the last digits."""
    assert microseconds(EPOCH + timedelta(microseconds=number)) == number
    assert microseconds(time_from_microseconds(number)) == number
    assert microseconds(time_of_file(1000 * number + 999)) == number


def test_a_number_of_no_time() -> None:
    assert time_if_any(0) == EPOCH
    assert time_if_any(-1) == EPOCH - timedelta(microseconds=1)
    assert time_if_any(1 << 62) is None
    assert time_of_file(1 << 80) is None
    with pytest.raises(OverflowError):
        time_from_microseconds(1 << 62)
