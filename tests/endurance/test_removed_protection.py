# SPDX-License-Identifier: GPL-2.0-or-later
"""What is to be taken out is there, once, and stands on the page. Trying it takes half an hour."""

from pathlib import Path

import pytest

from tests.endurance.removed_protection import PROJECT, REMOVED_PROTECTIONS, is_noticed

PAGE = Path("docs/endurance.md")


@pytest.mark.parametrize("name", REMOVED_PROTECTIONS)
def test_it_is_there(name: str) -> None:
    removed = REMOVED_PROTECTIONS[name]
    assert (PROJECT / removed.file).read_text().count(removed.old) == 1
    assert (PROJECT / removed.test.partition("::")[0]).exists()
    assert f"| {name} |" in (PROJECT / PAGE).read_text()


@pytest.mark.long
@pytest.mark.endurance
@pytest.mark.parametrize("name", REMOVED_PROTECTIONS)
def test_it_is_noticed(name: str) -> None:
    assert is_noticed(REMOVED_PROTECTIONS[name])
