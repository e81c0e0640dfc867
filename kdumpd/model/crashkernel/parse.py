# SPDX-License-Identifier: GPL-2.0-or-later
"""Read crashkernel= as the kernel reads it: which one counts, its sizes and its ranges."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from kdumpd.model.text import printable

NUMBER_PATTERN = rb"0[xX](?P<hexadecimal>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[0-9]+)"
NUMBER_BASES = {"hexadecimal": 16, "octal": 8, "decimal": 10}
SIZE_SUFFIXES = b"kmgtpe"
U64_MASK = (1 << 64) - 1
SIZE_UNIT_LETTERS = ("", *SIZE_SUFFIXES.decode().upper())


def memparse(text: bytes) -> tuple[int, bytes]:
    """Return the number at the beginning, and what follows it; nothing is taken where none is.

    As memparse() of lib/cmdline.c and simple_strtoull() of lib/vsprintf.c: 0x is hexadecimal, 0
    octal, one of K M G T P E in either case follows, and what does not fit into 64 bits loses its
    upper bits. A suffix alone is 0.
    """
    value, end = memparse_at(text, 0)
    return value, text[end:]


def memparse_at(text: bytes, start: int) -> tuple[int, int]:
    """Return the number that begins at `start`, and where it ends: at `start` if there is none."""
    match = re.compile(NUMBER_PATTERN).match(text, start)
    end, kind = (match.end(), match.lastgroup) if match else (start, None)
    value = _number(match[kind], NUMBER_BASES[kind]) if match and kind else 0
    power = SIZE_SUFFIXES.find(text[end : end + 1].lower()) + 1 if end < len(text) else 0
    return (value << 10 * power) & U64_MASK, end + (power > 0)


def short_size(size: int) -> str:
    """Return bytes as crashkernel= would have them: 64M, 1536M, 2G."""
    power = 0
    while size and size % 1024 == 0 and power + 1 < len(SIZE_UNIT_LETTERS):
        size, power = size // 1024, power + 1
    return f"{size}{SIZE_UNIT_LETTERS[power]}"


def _number(digits: bytes, base: int) -> int:
    # int() refuses thousands of digits, and takes a time that grows with their square.
    value = 0
    for digit in digits:
        value = (value * base + int(chr(digit), base)) & U64_MASK
    return value


MAX_PIECE_CHARACTERS = 40  # of somebody's text in a sentence


class RamRange(NamedTuple):
    """One range: with RAM of `start` up to, but not including, `end` bytes, `size` is reserved."""

    start: int
    end: int  # U64_MASK where there is none
    size: int
    text: str

    def holds(self, ram: int) -> bool:
        """Return whether the RAM lies in this range."""
        return self.start <= ram < self.end


class Ranges(NamedTuple):
    """The entries that can be read, and what is wrong behind them."""

    entries: tuple[RamRange, ...]
    complaint: str  # empty where nothing is wrong
    offset: int  # bytes, 0 for none
    offset_complaint: str


class Walk(NamedTuple):
    """Where the kernel, which takes the entries in order, comes to an end."""

    match: RamRange | None = None  # whose size is reserved
    stop: RamRange | None = None  # whose size is not smaller than the RAM: nothing is reserved
    unreadable: bool = False  # the RAM is in none of the entries before the text that is wrong


def parse_ranges(value: bytes) -> Ranges:
    """Return what the value says; any bytes will do."""
    entries: list[RamRange] = []
    position, complaint = 0, ""
    while not complaint:
        found = _parse_entry(value, position)
        if isinstance(found, str):
            complaint = found
        else:
            entry, position = found
            entries.append(entry)
            if value[position : position + 1] != b",":
                break
            position += 1
    # No entry reaches beyond an @: the offset is the same whichever of them counts.
    at = value.find(b"@")
    offset, end = memparse_at(value, at + 1) if at >= 0 else (0, -1)
    return Ranges(
        entries=tuple(entries),
        complaint=complaint,
        offset=offset,
        offset_complaint="a number is missing behind '@'" if end == at + 1 else "",
    )


def walk(ranges: Ranges, ram: int) -> Walk:
    """Return what comes of this much RAM, which is rounded up already."""
    for entry in ranges.entries:
        if entry.size >= ram:
            return Walk(stop=entry)
        if entry.holds(ram):
            return Walk(match=entry)
    return Walk(unreadable=bool(ranges.complaint))


def excerpt(text: bytes) -> str:
    """Return somebody's text for a sentence: printable, and not too long."""
    return (
        printable(text)
        if len(text) <= MAX_PIECE_CHARACTERS
        else printable(text[:MAX_PIECE_CHARACTERS]) + "..."
    )


def _parse_entry(value: bytes, begin: int) -> tuple[RamRange, int] | str:
    bounds = _parse_bounds(value, begin)
    if isinstance(bounds, str):
        return bounds
    start, end, colon = bounds
    if value[colon : colon + 1] != b":":
        return _missing("':'", value, colon)
    size, after = memparse_at(value, colon + 1)
    if after == colon + 1:
        return _missing("a size", value, after)
    return RamRange(start=start, end=end, size=size, text=excerpt(value[begin:after])), after


def _parse_bounds(value: bytes, begin: int) -> tuple[int, int, int] | str:
    """Return start, end and where they end."""
    start, minus = memparse_at(value, begin)
    if minus == begin:
        return _missing("a number", value, begin)
    if value[minus : minus + 1] != b"-":
        return _missing("'-'", value, minus)
    if value[minus + 1 : minus + 2] == b":":
        return start, U64_MASK, minus + 1
    end, after = memparse_at(value, minus + 1)
    if after == minus + 1:
        return _missing("a number or ':'", value, after)
    if end <= start:
        return f"a range ends before it begins in '{excerpt(value[begin:after])}'"
    return start, end, after


def _missing(what: str, value: bytes, position: int) -> str:
    rest = value[position:]
    return (
        f"{what} is missing before '{excerpt(rest)}'" if rest else f"{what} is missing at the end"
    )


def boundaries(ranges: Ranges) -> Iterator[int]:
    """Yield every amount of RAM from which on something else may come of it."""
    yield 0
    for entry in ranges.entries:
        yield entry.start
        yield entry.size + 1
        if entry.end != U64_MASK:
            yield entry.end


PARAMETER_PREFIX = b"crashkernel="
VALUE_PATTERN = rb"[^ \0]*"
PLAIN_KIND, HIGH_KIND, LOW_KIND, CMA_KIND = b"", b"high", b"low", b"cma"
SUFFIX_KINDS = (HIGH_KIND, LOW_KIND, CMA_KIND)


def crashkernel_parameter(cmdline: bytes) -> str:
    """Return the crashkernel= parameter as written, empty where there is none.

    The last of each kind counts (kernel/crash_reserve.c, get_last_crashkernel), and the text counts
    wherever it stands, not by word. Several kinds are separated by a space. It is safe to show.
    """
    found = (value.partition(b"\n")[0] for value in last_of_each_kind(cmdline).values())
    return " ".join(printable(value) for value in found)


def last_of_each_kind(
    cmdline: bytes, kinds: tuple[bytes, ...] = SUFFIX_KINDS
) -> dict[bytes, bytes]:
    """Return what stands behind the last crashkernel= of each kind; b"" is the plain kind.

    What ends in a kind that is not among `kinds`, as ,cma is to an older kernel, is a plain one.
    """
    last: dict[bytes, bytes] = {}
    pieces = cmdline.removesuffix(b"\n").split(PARAMETER_PREFIX)[1:]
    for number, piece in enumerate(pieces, 1):
        match = re.match(VALUE_PATTERN, piece)
        value = match[0] if match else b""
        # Where the text stands within a value, both end alike, and the inner one comes last.
        if len(value) < len(piece) or number == len(pieces):
            ending = value.rpartition(b",")[2] if b"," in value else b""
            last[ending if ending in kinds else PLAIN_KIND] = value
    return last


def as_written(values: str) -> str:
    """Return the parameters as they stand on a command line, from their values."""
    return " ".join(f"crashkernel={value}" for value in values.split())


MAX_CRASHKERNEL_VALUES = 4  # of them are told
MAX_WORD_CHARACTERS = 60  # of somebody's text in a sentence
# Not the kernel's own crashkernel=; the kernel hands what it does not know to init in silence.
MISSPELT_PATTERN = (
    rb"(?i)(?:crash[_-]kernel[=:]|crashkernel:|crashkernal=|crashkernels=|crashk=|kdump_crashkernel=)"
    rb"[^ \n\0]*"
)
PARAMETER_PATTERN = rb"crashkernel=([^ \n\0]*)"


def misspellings(cmdline: bytes) -> tuple[bytes, ...]:
    """Return the words that look like crashkernel= and are not."""
    words = cmdline.split()
    return tuple(
        word[:MAX_WORD_CHARACTERS]
        for word in words
        if re.fullmatch(MISSPELT_PATTERN, word) or _is_shouted(word)
    )


def superseded(cmdline: bytes) -> tuple[bytes, ...]:
    """Return the values that do not count because another one of their kind comes later."""
    last = set(last_of_each_kind(cmdline).values())
    values = dict.fromkeys(re.findall(PARAMETER_PATTERN, cmdline))
    found = [value for value in values if value not in last]
    return tuple(value[:MAX_WORD_CHARACTERS] for value in found[:MAX_CRASHKERNEL_VALUES])


def unread_rest(cmdline: bytes) -> str:
    """Return what is wrong behind the last range that can be read, empty where nothing is."""
    value = last_of_each_kind(cmdline).get(PLAIN_KIND, b"")
    return parse_ranges(value).complaint if b":" in value else ""


def _is_shouted(word: bytes) -> bool:
    return word.lower().startswith(PARAMETER_PREFIX) and not word.startswith(PARAMETER_PREFIX)
