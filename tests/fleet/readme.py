# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/fleet/README.md tells people to type, and to write into files."""

import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
FLEET = PROJECT / "docs/fleet"
README = (FLEET / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the blocks of code in a language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return found


def commands(word: str) -> list[str]:
    """Return the commands that begin with a word; there is one at least."""
    found = [line for line in all_commands() if line.split()[0].endswith(word)]
    assert found
    return found


def all_commands() -> Iterator[str]:
    """Yield all commands, a line each."""
    for block in blocks("sh"):
        yield from block.splitlines()


def rows(title: str) -> dict[str, str]:
    """Return the first and the last cell of each row of the table that begins with a title."""
    (table,) = re.findall(rf"^\| {title} \|.*?\n\n", README, re.DOTALL | re.MULTILINE)
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {row[0].strip("`"): row[-1] for row in cells if row[0]}
