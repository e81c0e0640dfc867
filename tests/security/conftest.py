# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import bus, journal, setup
from tests.security.unopened_files import Bait, Baits, baits

__all__ = ["bait", "bus", "guard", "journal", "setup"]


@pytest.fixture
def bait(tmp_path: Path) -> Bait:
    return Bait(tmp_path / "bait")


@pytest.fixture
def guard(bait: Bait) -> Iterator[Baits]:
    with baits() as guard:
        bait.guard(guard)
        yield guard
