# SPDX-License-Identifier: GPL-2.0-or-later
"""Times as numbers, and numbers as times."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def time_of_file(nanoseconds: int) -> datetime | None:
    """Return the time that a file bears, None where it is none of a calendar."""
    try:
        return EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return None


def microseconds(at: datetime | None) -> int:
    """Return microseconds since 1970, 0 for an unknown time or one before."""
    return 0 if at is None else max(0, (at - EPOCH) // MICROSECOND)
