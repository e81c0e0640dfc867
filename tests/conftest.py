# SPDX-License-Identifier: GPL-2.0-or-later
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.leftovers import nothing_left
from tests.support.machine import Machine

# The same examples in every run of a change's checks; at a developer's desk always new ones. How
# long one takes says nothing: the machine may be busy.
settings.register_profile("desk", deadline=None)
settings.register_profile("checks", deadline=None, derandomize=True)
settings.load_profile("checks" if os.environ.get("CI") else "desk")


@pytest.fixture(autouse=True)
async def leave_nothing() -> AsyncIterator[None]:
    async with nothing_left():
        yield


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")
