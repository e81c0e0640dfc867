# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.background import in_background
from tests.support.leftovers import check, descendants
from tests.support.process import end


@asynccontextmanager
async def sleeping() -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        yield process.pid
    finally:
        await end(process)


async def test_it_is_there_until_the_context_ends() -> None:
    before = descendants()
    with in_background(sleeping()) as pid:
        assert {child.pid for child in descendants() - before} == {pid}
        check(descendants())  # none of its tasks is this loop's
    check(before)


async def test_what_cannot_be_entered_says_why() -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[int]:
        yield os.open("/nowhere", os.O_RDONLY)

    with pytest.raises(OSError, match="/nowhere"), in_background(broken()):
        pass


async def test_what_fails_at_its_end_says_why() -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        yield
        raise OSError("still there")

    with pytest.raises(OSError, match="still there"), in_background(broken()):
        pass
