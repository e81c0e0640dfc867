# SPDX-License-Identifier: GPL-2.0-or-later
"""A point in time as a person writes it, in the forms of systemd.time(7) that journalctl takes."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from kdumpd.model.text import EPOCH, parse_span

TIME_FORMS = "2026-11-23, '2026-11-23 01:00', 01:00, today, yesterday, now, -2h or '2 days ago'"
DAY_OFFSETS = {"today": 0, "yesterday": -1, "tomorrow": 1}
CALENDAR_PATTERN = (
    r"(?a)(?:(?P<date>\d{4}-\d{2}-\d{2})(?:[ T]+|$))?"
    r"(?P<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?"
    r"(?P<utc> ?UTC|Z)?"
)
SINCE_EPOCH_PATTERN = r"(?a)@(\d{1,12})"

Localize = Callable[[datetime], datetime]


class MomentError(ValueError):
    """The text is no time; it says so, and what would be one."""


def local(wall: datetime) -> datetime:
    """Return what this machine's clock on the wall shows as a time, in its own zone."""
    return wall.astimezone()


def parse_moment(text: str, now: datetime, localize: Localize = local) -> datetime:
    """Return the time that is meant, aware; MomentError where none is, or one beyond a calendar.

    Dates and times of day are those of the zone that `now` is in and `localize` knows; a date
    alone is its midnight, a time of day alone today's.
    """
    words = " ".join(text.split())
    try:
        at = _parse(words, now, localize)
    except (ValueError, OverflowError):
        at = None
    if at is None:
        raise MomentError(f"'{text}' is no time: write {TIME_FORMS}")
    return at


def _parse(words: str, now: datetime, localize: Localize) -> datetime | None:
    if words == "now":
        return now
    if words in DAY_OFFSETS:
        day = now.date() + timedelta(days=DAY_OFFSETS[words])
        return localize(datetime.combine(day, time()))
    if (match := re.fullmatch(SINCE_EPOCH_PATTERN, words)) is not None:
        return EPOCH + timedelta(seconds=int(match[1]))
    if words.endswith(" ago"):
        return now - _span(words.removesuffix(" ago"))
    if words[:1] in {"-", "+"}:
        span = _span(words[1:].strip())
        return now - span if words[0] == "-" else now + span
    return _calendar(words, now, localize)


def _span(words: str) -> timedelta:
    """Return the length of a time; ValueError where it is none, or its unit is not said."""
    span = parse_span(words)
    if span is None or words[-1:].isdigit():
        raise ValueError(words)
    return span


def _calendar(words: str, now: datetime, localize: Localize) -> datetime | None:
    match = re.fullmatch(CALENDAR_PATTERN, words)
    if match is None or not (match["date"] or match["time"]):
        return None
    day = datetime.fromisoformat(match["date"]).date() if match["date"] else now.date()
    clock = time.fromisoformat(match["time"]) if match["time"] else time()
    wall = datetime.combine(day, clock)
    return wall.replace(tzinfo=UTC) if match["utc"] else localize(wall)
