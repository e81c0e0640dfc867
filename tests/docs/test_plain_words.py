# SPDX-License-Identifier: GPL-2.0-or-later
"""What users read is plain English: none of the phrases that have to be read twice."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.test_manual import PAGES, PARSERS, parsers_of

ROOT = PAGES.parents[1]
# Each with what to write instead.
PHRASES = {
    r"whoever (?!started)|for who\b|for whom|to whom": "users who",
    r"is told|are told|be told|was told|is said|not said|said once": "kdumpd reports",
    r"tells? of|told of|nothing says|nothing tells (?!you)": "shows, reports",
    r"(?<!\.d/)\bstands? (?:for|in|below|above|behind|after|there|here)|default stands": "is",
    r"mend(?:s|ed)?\b": "fix",
    r"(?<!-)anew": "again",
    r"sp(?:ea|o)ks? against": "a reason not to",
    r"is meant|also meant|meant without": "is used",
    r"(?<!there )is no (?!longer)": "is not a",
    r"(?<!there )is none|none that|of none": "there is no",
    r"there is not\b": "does not exist",
    r"one needs|one's own|everybody's": "you need, your own",
    r"(?:^|\. )Without, ": "Without it,",
    r"but for": "except",
    r"(?<!-)prove[ns]?|outgrown|armed|ledger(?!\.sqlite)": "shows, complete, loaded, database",
    r"folders?": "directory",
    r"capture kernel": "crash kernel",
    r"lies (?:in|on|at|below|above|beside)": "is in",
    r"take note of": "acknowledge",
    r"by who(?:m|ever)": "the user who",
    r"whether of": "whether",
    r"in order to": "to",
}
# Where the reader of a page meets the word, it has been explained: kdumpd(8), GLOSSARY.
NOT_IN_HELP = {r"objections?": "warning, reason"}
PATTERNS = [
    *("docs/man/*", "docs/kdumpd.conf", "dbus/*.xml", "dbus/*.policy", "desktop/*"),
    *("systemd/kdumpd.catalog", "packaging/debian/control"),
]
FILES = [path for pattern in PATTERNS for path in sorted(ROOT.glob(pattern))]
UNITS = [path for path in sorted(ROOT.glob("systemd/**/*")) if path.suffix in {".service", ".path"}]
HELP = [one for parser in PARSERS.values() for one in parsers_of(parser())]


def on_one_line(text: str) -> str:
    """Return the text as it reads: without the macros of mdoc and the ends of lines."""
    words = re.sub(r'^\.\\".*$|^\.(?:[A-Z][a-z]\b)?', "", text, flags=re.MULTILINE)
    return " ".join(words.split())


def found(text: str, phrases: dict[str, str]) -> Iterator[str]:
    for phrase, better in phrases.items():
        for match in re.finditer(rf"\b(?:{phrase})", text, re.IGNORECASE):
            around = text[max(0, match.start() - 30) : match.end() + 30]
            yield f"'{around}': instead of '{match[0]}' write '{better}'"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_of_a_file(path: Path) -> None:
    assert list(found(on_one_line(path.read_text()), PHRASES)) == []


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_of_a_unit(path: Path) -> None:
    (description,) = re.findall(r"^Description=(.+)$", path.read_text(), re.MULTILINE)
    assert list(found(description, PHRASES | NOT_IN_HELP)) == []


@pytest.mark.parametrize("parser", HELP, ids=lambda one: one.prog)
def test_of_help(parser: argparse.ArgumentParser) -> None:
    assert list(found(" ".join(parser.format_help().split()), PHRASES | NOT_IN_HELP)) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Without, the newest crash is meant.",
        "whether that will work, nothing says before the crash",
        "what was told of readiness",
        "the default stands",
        "what speaks against it",
        "'x' is no bus",
    ],
)
def test_the_phrases_are_found(sentence: str) -> None:
    assert list(found(on_one_line(sentence), PHRASES))
