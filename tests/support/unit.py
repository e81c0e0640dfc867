# SPDX-License-Identifier: GPL-2.0-or-later
"""What a unit of the service manager gives its service."""

import shlex
from collections.abc import Mapping
from pathlib import Path

DAEMON = Path(__file__).parents[2] / "systemd/kdumpd.service"


def environment_of(unit: Path) -> Mapping[str, str]:
    """Return the variables that the lines Environment= of a unit set (systemd.exec(5))."""
    return dict(
        variable.split("=", 1)
        for line in unit.read_text().splitlines()
        if line.startswith("Environment=")
        for variable in shlex.split(line.removeprefix("Environment="))
    )
