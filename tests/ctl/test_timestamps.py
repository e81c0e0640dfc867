# SPDX-License-Identifier: GPL-2.0-or-later
"""Times as a person writes them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.ctl.timestamps import MomentError, parse_moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 27, 14, 30, 15, tzinfo=BERLIN)


def parsed(text: str, now: datetime = NOW) -> datetime:
    return parse_moment(text, now, lambda wall: wall.replace(tzinfo=BERLIN))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=BERLIN)),
        ("2026-11-23 01:00", datetime(2026, 11, 23, 1, tzinfo=BERLIN)),
        ("2026-11-23T01:00:07", datetime(2026, 11, 23, 1, 0, 7, tzinfo=BERLIN)),
        ("2026-11-23 01:00:07.250", datetime(2026, 11, 23, 1, 0, 7, 250000, tzinfo=BERLIN)),
        ("2026-11-23 01:00 UTC", datetime(2026, 11, 23, 1, tzinfo=UTC)),
        ("2026-11-23T01:00:00Z", datetime(2026, 11, 23, 1, tzinfo=UTC)),
        # Summer, though it is winter now.
        ("2026-07-01", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("12:05", datetime(2026, 11, 27, 12, 5, tzinfo=BERLIN)),
        ("now", NOW),
        ("today", datetime(2026, 11, 27, tzinfo=BERLIN)),
        ("yesterday", datetime(2026, 11, 26, tzinfo=BERLIN)),
        ("tomorrow", datetime(2026, 11, 28, tzinfo=BERLIN)),
        ("-2h", NOW - timedelta(hours=2)),
        ("+90s", NOW + timedelta(seconds=90)),
        ("-1d2h", NOW - timedelta(days=1, hours=2)),
        ("- 1 day 30 min", NOW - timedelta(days=1, minutes=30)),
        ("2 days ago", NOW - timedelta(days=2)),
        ("  3   weeks  ago ", NOW - timedelta(weeks=3)),
        ("1M ago", NOW - timedelta(days=30.44)),
        ("1m ago", NOW - timedelta(minutes=1)),
        ("@1795396414", datetime(2026, 11, 23, 1, 13, 34, tzinfo=UTC)),
    ],
)
def test_forms(text: str, at: datetime) -> None:
    assert parsed(text) == at


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "-",
            "ago",
            " ago",
            "2",
            "2h",
            "-2",
            "-h",
            "-2 parsecs",
            "soon",
            "UTC",
            "@",
            "@x",
        ),
        *("2026-13-01", "2026-02-30", "2026-11-23 25:00", "23.11.2026", "2026-11-23 UTC 01:00"),
        *("-999999999y", "@999999999999", "\u0662\u0660\u0662\u0666-11-23", "@\u0661"),
    ],
)
def test_what_is_no_time_is_said_with_the_forms(text: str) -> None:
    with pytest.raises(MomentError, match="is no time: write 2026-11-23, "):
        parsed(text)


@given(st.text())
def test_any_text_is_a_time_or_an_error(text: str) -> None:
    with suppress(MomentError):
        assert parsed(text).tzinfo is not None


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001  # a wall's clock
def test_a_date_and_time_come_back(wall: datetime) -> None:
    assert parsed(f"{wall:%Y-%m-%d %H:%M:%S.%f}").replace(tzinfo=None) == wall
