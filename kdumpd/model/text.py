# SPDX-License-Identifier: GPL-2.0-or-later
"""Values, sizes and times as text that is safe to show, and times and spans out of text."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

BACKSLASH = ord("\\")
PRINTABLE_BYTES = tuple(
    chr(byte) if 0x20 <= byte < 0x7F and byte != BACKSLASH else f"\\x{byte:02x}"  # noqa: PLR2004
    for byte in range(256)
)
SIZE_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
SIZE_STEP = 1024
MIB, GIB = 1 << 20, 1 << 30


def printable(text: bytes) -> str:
    r"""Return the text with every byte that is not printable ASCII written as \xNN."""
    if text.isascii() and BACKSLASH not in text:
        plain = text.decode("ascii")
        if plain.isprintable():
            return plain
    return "".join(PRINTABLE_BYTES[byte] for byte in text)


def shown(name: bytes) -> str:
    """Return a name or path for a person: UTF-8 stays, what cannot be printed is escaped."""
    text = name.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def human_size(size: int) -> str:
    """Return a size in bytes as a person reads it, such as 38.9 MiB or 384 MiB."""
    amount, unit = float(size), SIZE_UNITS[0]
    for larger in SIZE_UNITS[1:]:
        if amount < SIZE_STEP:
            break
        amount, unit = amount / SIZE_STEP, larger
    return f"{amount:.1f}".removesuffix(".0") + f" {unit}"


# A word may have a path in quotes, with blanks in it. An apostrophe follows a letter.
WORD_PATTERN = r"(?:(?<!\w)'[^']*'|\S)+"


def wrapped(text: str, width: int) -> list[str]:
    """Return the text as lines of at most so many columns, more only where one word has more."""
    return _filled(re.findall(WORD_PATTERN, text), width)


def wrapped_at_clauses(text: str, width: int) -> list[str]:
    """Return the same, but end a line only after a comma or colon outside of brackets.

    A command that is named in the text stays whole.
    """
    clauses = [""]
    for word in re.findall(WORD_PATTERN, text):
        in_brackets = clauses[-1].count("(") > clauses[-1].count(")")
        if clauses[-1].endswith((",", ";", ":")) and not in_brackets:
            clauses.append(word)
        else:
            clauses[-1] = f"{clauses[-1]} {word}".lstrip()
    return _filled(filter(None, clauses), width)


def _filled(pieces: Iterable[str], width: int) -> list[str]:
    lines = [""]
    for piece in pieces:
        longer = f"{lines[-1]} {piece}".lstrip()
        if len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(piece)
    return lines


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
USEC_PER_SEC, NSEC_PER_SEC = 1_000_000, 1_000_000_000  # in a second
# systemd.time(7), "Parsing Time Spans": a month is 30.44 days, a year 365.25.
SPAN_UNIT_WORDS = {
    timedelta(microseconds=1): ("us", "usec", "\N{MICRO SIGN}s", "\N{GREEK SMALL LETTER MU}s"),
    timedelta(milliseconds=1): ("ms", "msec"),
    timedelta(seconds=1): ("", "s", "sec", "second", "seconds"),
    timedelta(minutes=1): ("m", "min", "minute", "minutes"),
    timedelta(hours=1): ("h", "hr", "hour", "hours"),
    timedelta(days=1): ("d", "day", "days"),
    timedelta(weeks=1): ("w", "week", "weeks"),
    timedelta(days=30.44): ("M", "month", "months"),
    timedelta(days=365.25): ("y", "year", "years"),
}
SPAN_UNIT = {word: unit for unit, words in SPAN_UNIT_WORDS.items() for word in words}
# A number without a unit ends with its word: 12.34.56 is none, 12.34 .56 is two.
SPAN_PIECE_PATTERN = r"\s*(?=\.?[0-9])([0-9]{0,15})(?:\.([0-9]{0,9}))?(?:\s*([^\W0-9_]+)|(?=\s|$))"


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


def parse_span(text: str) -> timedelta | None:
    """Return the length of a span of systemd.time(7), None where it is none or too long.

    A number without a unit counts seconds; "infinity" is timedelta.max.
    """
    words = text.strip()
    if words == "infinity":
        return timedelta.max
    if not re.fullmatch(f"(?:{SPAN_PIECE_PATTERN})+", words):
        return None
    try:
        return sum(map(_length, re.finditer(SPAN_PIECE_PATTERN, words)), timedelta())
    except (KeyError, OverflowError):
        return None


def _length(piece: re.Match[str]) -> timedelta:
    whole, fraction, word = piece.groups(default="")
    unit = SPAN_UNIT[word]
    part: timedelta = unit * int(fraction or 0) / 10 ** len(fraction)
    return unit * int(whole or 0) + part
