# SPDX-License-Identifier: GPL-2.0-or-later
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.time import EPOCH, microseconds


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
