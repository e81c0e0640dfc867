# SPDX-License-Identifier: GPL-2.0-or-later
"""What whoever reads a result has before him: a terminal of some width and some colours, or none.

Colour follows https://no-color.org and terminfo(5): NO_COLOR with any text in it, or a terminal
that is dumb, has none.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

RESET = "\x1b[0m"
DUMB = {"", "dumb"}
NARROWEST = 40  # columns; what is narrower is shown as if it were not


class Style(StrEnum):
    """How a word stands out (ECMA-48, SGR)."""

    BOLD = "\x1b[1m"
    DIM = "\x1b[2m"
    GOOD = "\x1b[32m"
    DOUBTFUL = "\x1b[33m"
    BAD = "\x1b[1;31m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A terminal; one without a width is none, and is given whole lines without colours."""

    width: int = 0  # columns
    colour: bool = False
    unicode: bool = False  # whether it shows more than ASCII

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads what is printed."""
        return self.width > 0

    def styled(self, text: str, style: Style | None) -> str:
        """Return the text in this style, where there are colours."""
        return f"{style}{text}{RESET}" if self.colour and style and text else text


PIPE = Screen()


def read_screen(stream: TextIO, environment: Mapping[str, str]) -> Screen:
    """Return what the stream is; COLUMNS says another width than the terminal's own."""
    if not stream.isatty():
        return PIPE
    return Screen(
        width=max(NARROWEST, shutil.get_terminal_size().columns),
        colour=environment.get("TERM", "") not in DUMB and not environment.get("NO_COLOR"),
        unicode=stream.encoding.lower().replace("-", "") == "utf8",
    )
