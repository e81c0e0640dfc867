# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages in docs, and the blocks of code on them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAGES = (
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(DOCS.glob("*.md")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of code, and the words behind its language: how it is tried."""

    page: str
    language: str
    marks: tuple[str, ...]
    text: str

    @property
    def name(self) -> str:
        """What tells it from others."""
        return f"{self.page}: {self.text.splitlines()[0]}"


def blocks(page: Path, language: str) -> list[Block]:
    """Return the blocks of a page in a language."""
    return [
        Block(page=page.name, language=language, marks=tuple(marks.split()), text=text)
        for marks, text in re.findall(
            rf"^```{language}\b([^\n]*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE
        )
    ]


def all_blocks(language: str, *marks: str) -> list[Block]:
    """Return the blocks of all pages in a language: all of them, or those with these marks."""
    found = [block for page in PAGES for block in blocks(page, language)]
    return [block for block in found if not marks or block.marks == marks]


def links(page: Path) -> Iterator[str]:
    """Yield where the links and pictures of a page lead that are no addresses."""
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            yield target
