# SPDX-License-Identifier: GPL-2.0-or-later
"""What people see, kept as files: a change of a word is seen in the change of a file.

WRITE_GOLDEN=1 in the environment writes them anew, to be read before they are committed.
"""

import os
import re
from pathlib import Path

DIRECTORY = Path(__file__).parent / "golden"
CHANGING = (
    (re.compile(r"unix:path=[^' ]+"), "BUS"),
    (re.compile(r"(Found: ).*"), r"\1(when the test ran)"),
    (re.compile(r"(Reported by: kdumpdctl ).*"), r"\1VERSION"),
)


def assert_golden(name: str, text: str) -> None:
    """Compare what was seen with the file of this name; escape sequences are written as such."""
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    text = text.replace("\x1b", "\\e")
    file = DIRECTORY / f"{name}.txt"
    if os.environ.get("WRITE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text(), f"{file.name} differs"
