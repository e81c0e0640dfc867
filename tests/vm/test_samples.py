# SPDX-License-Identifier: GPL-2.0-or-later
"""The logs in tests/samples/logs stand for the real deaths where no virtual machine is."""

from pathlib import Path

import pytest

from tests.vm.deaths import DEATHS

LOGS = Path(__file__).parents[1] / "samples/logs"
ALLOWED = 60_000  # bytes: they are in the repository for good


def test_each_death_has_its_sample() -> None:
    assert {path.stem for path in LOGS.glob("*.txt")} == set(DEATHS)


@pytest.mark.parametrize("name", DEATHS)
def test_sample_says_what_the_table_says(name: str) -> None:
    log = (LOGS / f"{name}.txt").read_bytes()
    assert DEATHS[name].reason.encode() in log
    assert len(log) < ALLOWED
