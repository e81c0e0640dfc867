# SPDX-License-Identifier: GPL-2.0-or-later
"""Times as numbers, and numbers as times."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MICROSECONDS, NANOSECONDS = 1_000_000, 1_000_000_000  # in a second


def time_from_microseconds(number: int) -> datetime:
    """Return the time so long after 1970; OverflowError where it is none of a calendar."""
    return EPOCH + timedelta(microseconds=number)


def time_if_any(number: int) -> datetime | None:
    """Return the time so many microseconds after 1970, None where it is none of a calendar."""
    try:
        return time_from_microseconds(number)
    except OverflowError:
        return None


def time_of_file(nanoseconds: int) -> datetime | None:
    """Return the time that a file bears, None where it is none of a calendar."""
    return time_if_any(nanoseconds // 1000)


def microseconds(at: datetime | None) -> int:
    """Return microseconds since 1970, 0 for an unknown time or one before."""
    return 0 if at is None else max(0, (at - EPOCH) // MICROSECOND)
