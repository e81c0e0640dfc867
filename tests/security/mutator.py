# SPDX-License-Identifier: GPL-2.0-or-later
"""Good inputs made bad, the same for the same seed: what a parser is given that trusts nobody."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random

Parts = tuple[bytes, ...]  # one input, for parsers that take several pieces

MOST_CHANGES = 4  # of one input
LARGEST = 1 << 18  # bytes: an input that grows is cut there
RARELY = 0.01  # a block is repeated until the input is as large as it may be
NEAR = 4  # bytes around one that is not zero are looked at as well
WIDTHS = (1, 2, 4, 8)
EXTREMES = (0, 1, -1, 1 << 15, 1 << 16, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 62, 1 << 63)
WORDS = (
    b"\n",
    b"=",
    b"=\n",
    b"\0",
    b"\xff",
    b"\x1b[31m",
    b"\r\n",
    b"\\x41",
    b"-1",
    b"0x",
    b"18446744073709551616",
    b"9" * 5000,
    b"%s%n",
    b'"',
    b"{",
    b"[" * 2000,
    b"(",
    b"]",
    b",",
    b":",
    b" " * 300,
    "\u202e\u2066\ud7ff\U0010ffff".encode(),
    b"\xed\xa0\x80",
    b"\xff" * 16,
    b"KDUMP   ",
    b"\x7fELF",
    b"Kernel panic - not syncing: ",
    b"BUG: ",
    b"RIP: 0010:",
    b"Call Trace:\n",
    b"+0x10/0x20",
    b"[    0.000000] ",
    b"ffffffff81234567",
    b"\xd9\xa1\xc2\xb2",  # digits to Python: ARABIC-INDIC DIGIT ONE, SUPERSCRIPT TWO
)

Change = Callable[["Chooser", bytearray, bytes], None]


class Chooser:
    """Chooses what to change, and where: mostly where something is, as cores are mostly zeros."""

    def __init__(self, random: Random, good: bytes) -> None:
        self.random = random
        self._places = _telling(good)

    def place(self, content: bytes | bytearray) -> int:
        """Return a place in the content, which began as the good one."""
        if self._places and self.random.random() < 0.8:
            at = self.random.choice(self._places)
            if at < len(content):
                return at
        return self.random.randrange(len(content)) if content else 0

    def number(self, content: bytearray, at: int) -> int:
        """Return an integer that breaks what reckons with it."""
        size = len(content)
        return self.random.choice((*EXTREMES, size, size - at)) + self.random.choice((-1, 0, 1))


def mutate(seeds: Sequence[Parts], random: Random) -> Parts:
    """Return one of the good inputs with a few changes in one or more of its pieces."""
    good = random.choice(seeds)
    parts = list(good)
    for _ in range(random.randint(1, MOST_CHANGES)):
        number = random.randrange(len(parts))
        others = [one[number] for one in seeds if number < len(one)]
        content = bytearray(parts[number])
        change = random.choice(CHANGES)
        change(Chooser(random, good[number]), content, random.choice(others))
        parts[number] = bytes(content[:LARGEST])
    return tuple(parts)


@lru_cache(maxsize=256)
def _telling(content: bytes) -> tuple[int, ...]:
    """Return the places at and near bytes that are not like their neighbours."""
    changes = [at for at in range(1, len(content)) if content[at] != content[at - 1]]
    near = {max(0, at - step) for at in changes for step in range(NEAR)}
    return tuple(sorted(near))


def _flip(chooser: Chooser, content: bytearray, _: bytes) -> None:
    if content:
        content[chooser.place(content)] ^= 1 << chooser.random.randrange(8)


def _set(chooser: Chooser, content: bytearray, _: bytes) -> None:
    if content:
        content[chooser.place(content)] = chooser.random.randrange(256)


def _number(chooser: Chooser, content: bytearray, _: bytes) -> None:
    width = chooser.random.choice(WIDTHS)
    at = chooser.place(content)
    if chooser.random.random() < 0.7:
        at -= at % width
    value = chooser.number(content, at)
    written = (value % (1 << 8 * width)).to_bytes(width, "little")
    content[at : at + width] = written if chooser.random.random() < 0.5 else written[::-1]


def _cut(chooser: Chooser, content: bytearray, _: bytes) -> None:
    del content[chooser.place(content) :]


def _remove(chooser: Chooser, content: bytearray, _: bytes) -> None:
    at = chooser.place(content)
    del content[at : at + chooser.random.randint(1, 64)]


def _insert(chooser: Chooser, content: bytearray, _: bytes) -> None:
    at = chooser.place(content)
    content[at:at] = chooser.random.randbytes(chooser.random.randint(1, 16))


def _say(chooser: Chooser, content: bytearray, _: bytes) -> None:
    at = chooser.place(content)
    word = chooser.random.choice(WORDS)
    content[at : at + chooser.random.choice((0, len(word)))] = word


def _splice(chooser: Chooser, content: bytearray, other: bytes) -> None:
    content[chooser.place(content) :] = other[chooser.place(other) :]


def _copy(chooser: Chooser, content: bytearray, other: bytes) -> None:
    at, start = chooser.place(content), chooser.place(other)
    content[at:at] = other[start : start + chooser.random.randint(1, 256)]


def _repeat(chooser: Chooser, content: bytearray, _: bytes) -> None:
    at = chooser.place(content)
    block = content[at : at + chooser.random.randint(1, 128)]
    most = LARGEST // (len(block) + 1) if chooser.random.random() < RARELY else 100
    content[at:at] = block * chooser.random.choice((1, 2, 16, most))


CHANGES: tuple[Change, ...] = (
    _flip,
    _set,
    _number,
    _number,
    _cut,
    _remove,
    _insert,
    _say,
    _splice,
    _copy,
    _repeat,
)
