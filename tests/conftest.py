# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bus.machine import Machine
from tests.services.leftovers import nothing_left


@pytest.fixture(autouse=True)
async def leave_nothing() -> AsyncIterator[None]:
    async with nothing_left():
        yield


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")
