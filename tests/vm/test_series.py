# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that stays on over several boots. What becomes of crashes: test_crash_test.py."""

from pathlib import Path

import pytest

from tests.services.namespace import needs_root
from tests.vm.boots import CAPTURED, LOOK
from tests.vm.debian import Series, build_debian, run_series
from tests.vm.guest import GuestError
from tests.vm.image import default_cache

pytestmark = [pytest.mark.vm, needs_root]


async def test_a_machine_that_never_ends_is_switched_off(tmp_path: Path) -> None:
    image = await build_debian(default_cache())
    with pytest.raises(GuestError, match="no end within 2 s"):
        await run_series(image, Series(turns=(CAPTURED, LOOK), seconds=2), tmp_path)
