# SPDX-License-Identifier: GPL-2.0-or-later
"""Where what is said goes: results to stdout, all other words to stderr."""

import sys
from collections.abc import Iterable
from contextlib import suppress

from kdumpd.json_output import to_json


def print_lines(lines: Iterable[str]) -> None:
    """Print a result."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def print_json(value: object, mode: str) -> None:
    """Print a result as JSON, pretty or short."""
    print_lines([to_json(value, pretty=mode == "pretty")])


def tell(words: str, end: str = "\n") -> None:
    """Say something that is no result, if anybody is there to read it."""
    with suppress(OSError):
        sys.stderr.write(words + end)
        sys.stderr.flush()


class Line:
    """A line on stderr that is written over and over; where that is no terminal, only once."""

    def __init__(self) -> None:
        self._shown = ""
        self._ended = False

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def show(self, text: str) -> None:
        """Write the text over what was there."""
        if sys.stderr.isatty():
            tell("\r" + text.ljust(len(self._shown)), end="")
        elif not self._shown:
            tell(text)
        self._shown = text

    def end(self, words: str = "") -> None:
        """Leave the line as it is, and say the words on the next; only the first end counts."""
        if self._ended:
            return
        self._ended = True
        if self._shown and sys.stderr.isatty():
            tell("")
        if words:
            tell(words)
