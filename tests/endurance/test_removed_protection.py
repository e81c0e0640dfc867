# SPDX-License-Identifier: GPL-2.0-or-later
"""What is to be taken out is there, once, and stands on the page. Trying it takes half an hour."""

from pathlib import Path

import pytest

from tests.endurance.removed_protection import PROJECT, SABOTAGES, is_noticed

PAGE = Path("docs/endurance.md")


@pytest.mark.parametrize("name", SABOTAGES)
def test_it_is_there(name: str) -> None:
    sabotage = SABOTAGES[name]
    assert (PROJECT / sabotage.file).read_text().count(sabotage.old) == 1
    assert (PROJECT / sabotage.test.partition("::")[0]).exists()
    assert f"| {name} |" in (PROJECT / PAGE).read_text()


@pytest.mark.long
@pytest.mark.endurance
@pytest.mark.parametrize("name", SABOTAGES)
def test_it_is_noticed(name: str) -> None:
    assert is_noticed(SABOTAGES[name])
