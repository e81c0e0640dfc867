# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages are wrapped, and are free of phrases that a reader has to read twice."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.page import DOCS, PROJECT

MAX_COLUMNS = 100
FIGURES = "<!-- figures -->"  # A program writes what follows in bench/RESULTS.md.
DIRECTORIES = ("bench", "dbus", "docs", "kdumpd", "packaging", "tests")
PAGES = sorted(
    [
        *PROJECT.glob("*.md"),
        *(page for name in DIRECTORIES for page in (PROJECT / name).rglob("*.md")),
    ]
)
# These are for people who use kdumpd; the others are for those who change it.
USER_PAGES = [
    *(PROJECT / name for name in ("README.md", "NEWS.md", "SECURITY.md")),
    *(DOCS / name for name in ("administrators.md", "integrators.md", "fleet/README.md")),
]
PROSE_PAGES = [
    *USER_PAGES,
    PROJECT / "CONTRIBUTING.md",
    *(DOCS / name for name in ("architecture.md", "endurance.md", "threat-model.md")),
]
MANUAL_PAGES = sorted((DOCS / "man").iterdir())
# Word for word from another language, or with the subject last. What to write instead: "users",
# "reports", "again", "the result", "reasons not to", "the default".
UNUSED = re.compile(
    r"\b(whoever|whomever|nothing says|(is|are|was|were|be|been) told|told of|tells? of"
    r"|(for|of) whom|for who|everybody's|anybody's|nobody's|everybody who|capture kernel|folders?"
    r"|mend(s|ed|ing)?|is meant|by \w+'s leave|in spite of|(come|comes|came) (of it|to nothing)"
    r"|to be had|anew|speaks? against|stands? (for|below|behind|in the way)|as it was)\b",
    re.IGNORECASE,
)
# No page for users explains these; the glossary of kdumpd(8) explains what they do use.
JARGON = re.compile(r"\b(ledger|proven|armed|outgrown|deed|herald)s?\b", re.IGNORECASE)
# The page that says which words are not used has to name them.
NAMED_AS_UNUSED = re.compile(r"\bnot (folder|capture kernel|mend)\b")


def text_lines(page: Path) -> Iterator[str]:
    """Yield the lines of a page that can be wrapped: no code, tables, pictures, or figures."""
    written, *_ = page.read_text().partition(FIGURES)
    text = re.sub(r"^```.*?^```$", "", written, flags=re.DOTALL | re.MULTILINE)
    return (line for line in text.splitlines() if not line.startswith(("|", "![")))


def manual_prose(page: Path) -> str:
    """Return the sentences of a manual page on one line: what mdoc has for text, and no names."""
    lines = page.read_text().splitlines()
    return " ".join(line for line in lines if not line.startswith("."))


def prose(page: Path) -> str:
    """Return what a page says on one line, without code and without the targets of links."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`]+`|\]\([^)]+\)", "", text)
    return " ".join(NAMED_AS_UNUSED.sub("", " ".join(text.split())).split())


def named(page: Path) -> str:
    return str(page.relative_to(PROJECT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_text_is_wrapped(page: Path) -> None:
    assert [line for line in text_lines(page) if len(line) > MAX_COLUMNS] == []


@pytest.mark.parametrize("page", PROSE_PAGES, ids=named)
def test_no_phrase_has_to_be_read_twice(page: Path) -> None:
    assert [found[0] for found in UNUSED.finditer(prose(page))] == []


@pytest.mark.parametrize("page", USER_PAGES, ids=named)
def test_users_meet_no_unexplained_word(page: Path) -> None:
    assert [found[0] for found in JARGON.finditer(prose(page))] == []


@pytest.mark.parametrize("page", MANUAL_PAGES, ids=named)
def test_manual_pages_are_plain(page: Path) -> None:
    text = manual_prose(page)
    assert [found[0] for found in UNUSED.finditer(text)] == []
    assert [found[0] for found in JARGON.finditer(text)] == []


def test_phrases_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Whoever asks is\ntold; a `folder` is none.\n\n```sh\nmend\n```\n\n[fix](folder.md)\n"
    )
    assert [found[0] for found in UNUSED.finditer(prose(page))] == ["Whoever", "is told"]
    page.write_text("| " + "x" * 200 + " |\n```\n" + "y" * 200 + "\n```\n" + "z " * 60 + "\n")
    assert list(text_lines(page)) == ["", "z " * 60]
