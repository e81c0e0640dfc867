# SPDX-License-Identifier: GPL-2.0-or-later
"""The version stands in four places, which agree."""

import re
import tomllib
from pathlib import Path

from kdumpd import __version__

TREE = Path(__file__).parents[1]
CHANGELOG = (TREE / "packaging/debian/changelog").read_text()
# An entry of deb-changelog(5), with lines of 80 columns at most.
ENTRY = re.compile(
    r"kdumpd \((?P<version>\S+)\) (?P<distribution>\S+); urgency=\w+\n\n"
    r"(?:  (?:\*| ) \S.{0,74}\n|\n(?!\n| --))+\n"
    r" -- [^<>]+ <[^<>@ ]+@[^<>@ ]+>  \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\n"
)


def newest_news() -> tuple[str, str]:
    """Return the version of the newest section of NEWS.md, and when it was released."""
    found = re.search(r"^## (\S+), (.+)$", (TREE / "NEWS.md").read_text(), re.MULTILINE)
    assert found is not None
    return found[1], found[2]


def test_one_version() -> None:
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    entry = ENTRY.match(CHANGELOG)
    assert entry is not None
    assert project["version"] == __version__ == entry["version"] == newest_news()[0]


def test_released_in_all_places_or_in_none() -> None:
    entry = ENTRY.match(CHANGELOG)
    assert entry is not None
    assert (entry["distribution"] == "UNRELEASED") == (newest_news()[1] == "not released yet")


def test_every_entry_is_one_of_debians() -> None:
    entries = CHANGELOG.split("\nkdumpd (")
    for entry in (entries[0], *(f"kdumpd ({rest}" for rest in entries[1:])):
        assert ENTRY.fullmatch(entry), entry
