# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of the machine that hold what no kernel writes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

HUGE = 3 << 20  # bytes: more than is read of any file


@dataclass(frozen=True, slots=True)
class Garbage:
    """One way in which a file is of no use."""

    make: Callable[[Path], object]

    def put(self, path: Path) -> None:
        """Put it in the place of a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.make(path)


def put(path: Path, content: bytes) -> None:
    """Make a file, and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


GARBAGE = [
    pytest.param(Garbage(lambda path: path.write_bytes(b"")), id="empty"),
    pytest.param(Garbage(lambda path: path.write_bytes(b"1" * HUGE)), id="huge"),
    pytest.param(Garbage(lambda path: path.write_bytes(bytes(range(256)))), id="binary"),
    pytest.param(Garbage(lambda path: path.mkdir()), id="directory"),
    pytest.param(Garbage(lambda path: path.symlink_to(path.name)), id="loop"),
]
