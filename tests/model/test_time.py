# SPDX-License-Identifier: GPL-2.0-or-later
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.text import (
    EPOCH,
    microseconds,
    parse_span,
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


@pytest.mark.parametrize(
    ("text", "span"),
    [
        # The examples of systemd.time(7).
        ("2 h", timedelta(hours=2)),
        ("2hours", timedelta(hours=2)),
        ("48hr", timedelta(hours=48)),
        ("1y 12month", timedelta(days=365.25 + 12 * 30.44)),
        ("55s500ms", timedelta(seconds=55.5)),
        ("300ms20s 5day", timedelta(days=5, seconds=20.3)),
        *((f"3{unit}", timedelta(microseconds=3)) for unit in ("usec", "us", "\u00b5s", "\u03bcs")),
        *((f"3{unit}", timedelta(milliseconds=3)) for unit in ("msec", "ms")),
        *((f"3{unit}", timedelta(seconds=3)) for unit in ("seconds", "second", "sec", "s", "")),
        *((f"3 {unit}", timedelta(minutes=3)) for unit in ("minutes", "minute", "min", "m")),
        *((f"3{unit}", timedelta(hours=3)) for unit in ("hours", "hour", "hr", "h")),
        *((f"3{unit}", timedelta(days=3)) for unit in ("days", "day", "d")),
        *((f"3{unit}", timedelta(weeks=3)) for unit in ("weeks", "week", "w")),
        *((f"3{unit}", timedelta(days=3 * 30.44)) for unit in ("months", "month", "M")),
        *((f"3{unit}", timedelta(days=3 * 365.25)) for unit in ("years", "year", "y")),
        ("infinity", timedelta.max),
        (" infinity ", timedelta.max),
        ("1.5h", timedelta(minutes=90)),
        (".5", timedelta(milliseconds=500)),
        ("12.34 .56", timedelta(seconds=12.9)),
        ("12.34s.56", timedelta(seconds=12.9)),
        ("0.000001", timedelta(microseconds=1)),
        ("5min20", timedelta(minutes=5, seconds=20)),
        ("\t1d  12h\n", timedelta(days=1.5)),
        ("0", timedelta()),
        # Since parts may come in any order, and twice.
        ("1s 1h 1s", timedelta(hours=1, seconds=2)),
    ],
)
def test_a_span(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", "s", "h 2", "-5", "-5s", "+5s", "- 5s", "5 -s", "soon", "2 parsecs"),
        *("12.34.56", "3.+1s", "1e3", "1,5s", "0x10", "inf", "nan", "Infinity", "-infinity"),
        *("infinity 1s", "1 infinity", "3H", "3S", "3 mS", "5 # seconds", "5s;", "1_000"),
        *("\u0663s", "9999999999999999", "999999999999999y", "5s\0"),
    ],
)
def test_no_span(text: str) -> None:
    assert parse_span(text) is None


@given(text=st.text(st.sampled_from("0123456789. \tsmhdwMyuinft-")) | st.text())
def test_any_text_is_a_span_or_none(text: str) -> None:
    span = parse_span(text)
    assert span is None or span >= timedelta()


@given(seconds=st.integers(0, 1 << 40))
def test_a_number_of_seconds(seconds: int) -> None:
    assert parse_span(f"{seconds}") == timedelta(seconds=seconds)
