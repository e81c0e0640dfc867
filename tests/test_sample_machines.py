# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpd says of real and remade machines is what was read and found true."""

import difflib
from pathlib import Path

import pytest

from tests.support.machine_file import format_machine, read_machine
from tests.support.sample_machines import REMADE, VERDICTS, machines, verdict

MACHINES = machines()
ALLOWED = 40_000  # bytes of a remade machine: only what matters is there


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_said_of_a_machine(name: str, tmp_path: Path) -> None:
    golden = VERDICTS / f"{name}.txt"
    expected = golden.read_text() if golden.exists() else ""
    said = verdict(MACHINES[name], tmp_path / "root")
    difference = "\n".join(
        difflib.unified_diff(expected.splitlines(), said.splitlines(), str(golden.name), "now")
    )
    assert not difference, f"see python -m tests.support.sample_machines\n{difference}"


def test_no_verdict_is_of_a_machine_that_is_gone() -> None:
    assert {path.stem for path in VERDICTS.iterdir()} == set(MACHINES)


@pytest.mark.parametrize("sample", MACHINES.values(), ids=MACHINES)
def test_a_text_is_as_it_would_be_written(sample: Path) -> None:
    assert format_machine(read_machine(sample)) == sample.read_bytes()


@pytest.mark.parametrize("sample", sorted(REMADE.glob("*.txt")), ids=lambda path: path.stem)
def test_a_remade_machine_is_small_and_names_its_sources(sample: Path) -> None:
    story, blank, *sources = read_machine(sample).about.splitlines()
    assert story
    assert not blank
    assert any(line.startswith("- ") for line in sources)
    assert sample.stat().st_size < ALLOWED
