# SPDX-License-Identifier: GPL-2.0-or-later
"""Text for a notification: what a stranger may have chosen stays text, in sight and bounded."""

from kdumpd.model.text import shown

LONGEST_LINE = 200
LONGEST_WORD = 80  # of what is but a part of a line
ELLIPSIS = "…"
# Desktop Notifications Specification 1.2, Markup: that of XML, of which only these matter in text.
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def visible(text: str, longest: int = LONGEST_LINE) -> str:
    r"""Return the text on one line: control and bidi characters as \x1b or \u202e, the end cut."""
    line = shown(text[: longest + 1].encode("utf-8", "backslashreplace"))
    return line if len(line) <= longest else line[: longest - 1] + ELLIPSIS


def escaped(text: str) -> str:
    """Return the text as markup that shows it as it is."""
    return text.translate(ENTITIES)


def bold(text: str) -> str:
    """Return the markup that shows the text in bold letters."""
    return f"<b>{escaped(text)}</b>"
