# SPDX-License-Identifier: GPL-2.0-or-later
"""A point in time as a person writes it, in the forms of systemd.time(7) that journalctl takes."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from kdumpd.model.time import EPOCH

FORMS = "2026-11-23, '2026-11-23 01:00', 01:00, today, yesterday, now, -2h or '2 days ago'"
DAYS = {"today": 0, "yesterday": -1, "tomorrow": 1}
# systemd.time(7), "Parsing Time Spans": a month is 30.44 days, a year 365.25.
UNITS = {
    timedelta(seconds=1): ("s", "sec", "second", "seconds"),
    timedelta(minutes=1): ("m", "min", "minute", "minutes"),
    timedelta(hours=1): ("h", "hr", "hour", "hours"),
    timedelta(days=1): ("d", "day", "days"),
    timedelta(weeks=1): ("w", "week", "weeks"),
    timedelta(days=30.44): ("M", "month", "months"),
    timedelta(days=365.25): ("y", "year", "years"),
}
UNIT = {word: unit for unit, words in UNITS.items() for word in words}
SPAN = r"(\d{1,9})\s*([A-Za-z]+)\s*"
CALENDAR = (
    r"(?a)(?:(?P<date>\d{4}-\d{2}-\d{2})(?:[ T]+|$))?"
    r"(?P<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?"
    r"(?P<utc> ?UTC|Z)?"
)
SINCE_EPOCH = r"(?a)@(\d{1,12})"

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
        raise MomentError(f"'{text}' is no time: write {FORMS}")
    return at


def _parse(words: str, now: datetime, localize: Localize) -> datetime | None:
    if words == "now":
        return now
    if words in DAYS:
        day = now.date() + timedelta(days=DAYS[words])
        return localize(datetime.combine(day, time()))
    if (match := re.fullmatch(SINCE_EPOCH, words)) is not None:
        return EPOCH + timedelta(seconds=int(match[1]))
    if words.endswith(" ago"):
        return now - _span(words.removesuffix(" ago"))
    if words[:1] in {"-", "+"}:
        span = _span(words[1:].strip())
        return now - span if words[0] == "-" else now + span
    return _calendar(words, now, localize)


def _span(words: str) -> timedelta:
    """Return the length of a time; ValueError where it is none."""
    total, at = timedelta(), 0
    while at < len(words) or at == 0:
        match = re.compile(SPAN).match(words, at)
        if match is None or match[2] not in UNIT:
            raise ValueError(words)
        total += int(match[1]) * UNIT[match[2]]
        at = match.end()
    return total


def _calendar(words: str, now: datetime, localize: Localize) -> datetime | None:
    match = re.fullmatch(CALENDAR, words)
    if match is None or not (match["date"] or match["time"]):
        return None
    day = datetime.fromisoformat(match["date"]).date() if match["date"] else now.date()
    clock = time.fromisoformat(match["time"]) if match["time"] else time()
    wall = datetime.combine(day, clock)
    return wall.replace(tzinfo=UTC) if match["utc"] else localize(wall)
