# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

from tests.support.unit import environment_of


def test_environment(tmp_path: Path) -> None:
    unit = tmp_path / "a.service"
    unit.write_text(
        "[Service]\n# Environment=NO=1\nEnvironment=ONE=1 TWO=a=b\nEnvironment='THREE=some words'\n"
    )
    assert environment_of(unit) == {"ONE": "1", "TWO": "a=b", "THREE": "some words"}
