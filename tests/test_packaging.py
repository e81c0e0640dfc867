# SPDX-License-Identifier: GPL-2.0-or-later
"""The version stands in four places, which agree; builds before a release say which they are."""

import os
import re
import shutil
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

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
    assert project["version"] == __version__
    released, *build = __version__.split(".dev")
    assert released == entry["version"] == newest_news()[0]
    assert build == (["0"] if entry["distribution"] == "UNRELEASED" else [])


def test_released_in_all_places_or_in_none() -> None:
    entry = ENTRY.match(CHANGELOG)
    assert entry is not None
    assert (entry["distribution"] == "UNRELEASED") == (newest_news()[1] == "not released yet")


def test_every_entry_is_one_of_debians() -> None:
    entries = CHANGELOG.split("\nkdumpd (")
    for entry in (entries[0], *(f"kdumpd ({rest}" for rest in entries[1:])):
        assert ENTRY.fullmatch(entry), entry


COPIED = (".gitattributes", "packaging/version", "packaging/commit", "kdumpd/__init__.py")
# Each later than the one before, whatever the clock of the place says.
COMMITTED = (
    "2026-11-30T20:25:17+00:00",
    "2026-11-30T22:25:18+02:00",
    "2026-11-30T15:25:19-05:00",
    "2027-01-01T00:00:00+00:00",
)
BEFORE_THIS_SCHEME = "0.1.0~447.g87088114"
IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"} | {
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def said(*command: str, at: Path, date: str = "") -> str:
    """Return what a command prints in a directory, at a date for git; it has to succeed."""
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}
    return subprocess.run(  # noqa: S603 - ours
        command,
        cwd=at,
        env={"PATH": os.environ["PATH"], "HOME": str(at), **IDENTITY, **dates},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of what tells the version, with a commit."""
    tree = tmp_path / "tree"
    for name in COPIED:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TREE / name, tree / name)
    said("git", "init", "--quiet", at=tree)
    said("git", "add", ".", at=tree)
    said("git", "commit", "--quiet", "-m", "first", at=tree, date=COMMITTED[0])
    return tree


def test_a_build_says_when_its_commit_was_made_and_which_it_is(
    repository: Path, tmp_path: Path
) -> None:
    name = said("git", "rev-parse", "HEAD", at=repository)
    told = said("packaging/version", at=repository)
    release = __version__.removesuffix(".dev0")
    assert told == f"{release}.dev20261130202517+g{name[:8]}"

    said("git", "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow", at=tmp_path)
    assert said("packaging/version", at=tmp_path / "shallow") == told

    archive = tmp_path / "archive"
    archive.mkdir()
    said("git", "archive", "--output", str(archive / "tar"), "HEAD", at=repository)
    said("tar", "--extract", "--file", "tar", at=archive)
    assert said("packaging/version", at=archive) == told

    (repository / "packaging/commit").write_text("changed\n")
    assert said("packaging/version", at=repository) == f"{told}.changed"
    shutil.rmtree(repository / ".git")
    assert said("packaging/version", at=repository) == __version__


def test_a_later_build_sorts_later_and_each_before_the_release(repository: Path) -> None:
    told = [said("packaging/version", at=repository)]
    for date in COMMITTED[1:]:
        empty = ("commit", "--quiet", "--allow-empty", "-m", "more")
        said("git", *empty, at=repository, date=date)
        told.append(said("packaging/version", at=repository))
    released = __version__.removesuffix(".dev0")
    packages = [BEFORE_THIS_SCHEME, *(one.replace(".dev", "~dev") for one in told), released]
    for earlier, later in pairwise(packages):
        said("dpkg", "--compare-versions", earlier, "lt", later, at=repository)


def test_a_release_is_only_its_number(repository: Path) -> None:
    file = repository / "kdumpd/__init__.py"
    file.write_text(file.read_text().replace(".dev0", ""))
    assert said("packaging/version", at=repository) == __version__.removesuffix(".dev0")
