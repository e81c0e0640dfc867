# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages are wrapped, and are free of phrases that a reader has to read twice."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.test_plain_words import PHRASES, found
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
CONTRIBUTOR_PAGES = [
    PROJECT / "CONTRIBUTING.md",
    *(DOCS / name for name in ("architecture.md", "endurance.md", "threat-model.md")),
]
# These few are looked for in pages alone: messages have their own words for some of them.
MORE = {
    r"by \w+'s leave": "authorised by",
    r"in spite of": "override",
    r"(?:come|comes|came) (?:of it|to nothing)": "the result",
    r"to be had": "available",
    r"as it was\b": "the same",
}
FOR_CONTRIBUTORS = {phrase: better for phrase, better in PHRASES.items() if "ledger" not in phrase}
# The page that says which words are not used has to name them.
NAMED_AS_UNUSED = re.compile(r"\bnot (folder|capture kernel|mend)\b")


def text_lines(page: Path) -> Iterator[str]:
    """Yield the lines of a page that can be wrapped: no code, tables, pictures, or figures."""
    written, *_ = page.read_text().partition(FIGURES)
    text = re.sub(r"^```.*?^```$", "", written, flags=re.DOTALL | re.MULTILINE)
    return (line for line in text.splitlines() if not line.startswith(("|", "![")))


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


@pytest.mark.parametrize("page", USER_PAGES, ids=named)
def test_no_phrase_of_a_page_for_users_has_to_be_read_twice(page: Path) -> None:
    assert list(found(prose(page), PHRASES | MORE)) == []


@pytest.mark.parametrize("page", CONTRIBUTOR_PAGES, ids=named)
def test_no_phrase_of_a_page_for_contributors_has_to_be_read_twice(page: Path) -> None:
    assert list(found(prose(page), FOR_CONTRIBUTORS | MORE)) == []


def test_what_is_no_prose_is_left_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Everybody's file is\ntold; a `folder`.\n\n```sh\nmend\n```\n\n[fix](folder.md)\n"
    )
    assert len(list(found(prose(page), PHRASES))) == 2
    page.write_text("| " + "x" * 200 + " |\n```\n" + "y" * 200 + "\n```\n" + "z " * 60 + "\n")
    assert list(text_lines(page)) == ["", "z " * 60]
