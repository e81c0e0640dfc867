# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers as the kernel reads them on its command line."""

import re

NUMBER = rb"0[xX](?P<hexadecimal>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[0-9]+)"
BASES = {"hexadecimal": 16, "octal": 8, "decimal": 10}
SUFFIXES = b"kmgtpe"
MASK = (1 << 64) - 1
UNITS = ("", *SUFFIXES.decode().upper())


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
    match = re.compile(NUMBER).match(text, start)
    end, kind = (match.end(), match.lastgroup) if match else (start, None)
    value = _number(match[kind], BASES[kind]) if match and kind else 0
    power = SUFFIXES.find(text[end : end + 1].lower()) + 1 if end < len(text) else 0
    return (value << 10 * power) & MASK, end + (power > 0)


def short_size(size: int) -> str:
    """Return bytes as crashkernel= would have them: 64M, 1536M, 2G."""
    power = 0
    while size and size % 1024 == 0 and power + 1 < len(UNITS):
        size, power = size // 1024, power + 1
    return f"{size}{UNITS[power]}"


def _number(digits: bytes, base: int) -> int:
    # int() refuses thousands of digits, and takes a time that grows with their square.
    value = 0
    for digit in digits:
        value = (value * base + int(chr(digit), base)) & MASK
    return value
