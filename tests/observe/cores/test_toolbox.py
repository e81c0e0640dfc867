# SPDX-License-Identifier: GPL-2.0-or-later
from importlib.metadata import version
from pathlib import Path

import pytest

from kdumpd.observe.cores.inspector import read_drgn_version, read_toolbox


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drgn-0.3.0.dist-info", "0.3.0"),
        ("drgn-0.0.22+5.gabc.dist-info", "0.0.22+5.gabc"),
        ("drgn-0.0.22.egg-info", "0.0.22"),
        ("drgn-0.0.22-py3.11-linux-x86_64.egg-info", "0.0.22"),
        ("drgn_tools-1.0.dist-info", ""),
        ("drgn-tools-1.0.dist-info-old", ""),
        ("drgn", ""),
    ],
)
def test_which_drgn(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / name).mkdir()
    assert read_drgn_version(["/nonexistent", str(tmp_path)]) == expected


def test_the_first_one_counts(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}/drgn-0.0.{number}.dist-info").mkdir(parents=True)
    assert read_drgn_version([str(tmp_path / "2"), str(tmp_path / "1")]) == "0.0.2"


def test_it_is_the_one_that_is_installed_here() -> None:
    assert read_toolbox().endswith(f"drgn {version('drgn')}")
