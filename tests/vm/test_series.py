# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that stays on over several boots. What becomes of crashes: test_crash_test.py."""

from pathlib import Path

import pytest

from tests.support.namespace import needs_root
from tests.vm.boots import CAPTURED, LOOK
from tests.vm.debian import DebianImage, Series, run_series
from tests.vm.guest import GuestError

pytestmark = [pytest.mark.vm, needs_root]


async def test_a_machine_that_never_ends_is_switched_off(
    debian: DebianImage, tmp_path: Path
) -> None:
    with pytest.raises(GuestError, match="no end within 2 s"):
        await run_series(debian, Series(turns=(CAPTURED, LOOK), seconds=1), tmp_path)
