# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
from pathlib import Path

import pytest

from tests.support.image_cache import Cache, NotMadeError


class Maker:
    """Makes a directory with one file, after others had the time to try the same."""

    def __init__(self) -> None:
        self.times = 0

    async def make(self, work: Path) -> Path:
        self.times += 1
        await asyncio.sleep(0.5)
        (work / "made").mkdir()
        (work / "made/file").write_text("content")
        return work / "made"

    async def fail(self, work: Path) -> Path:
        await self.make(work)
        raise NotMadeError("no kernel died")


async def test_what_several_want_at_once_is_made_once(tmp_path: Path) -> None:
    maker = Maker()
    caches = [Cache(tmp_path / "cache") for _ in range(3)]  # as processes: each its own descriptor
    directories = await asyncio.gather(*(one.make("a-1", maker.make) for one in caches))
    assert maker.times == 1
    assert {directory / "file" for directory in directories} == {tmp_path / "cache/a-1/file"}
    assert (tmp_path / "cache/a-1/file").read_text() == "content"
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"a-1", "locks"}


async def test_what_fails_is_tried_once_in_a_session(tmp_path: Path) -> None:
    maker = Maker()
    caches = [Cache(tmp_path / "cache", failures=tmp_path / "session") for _ in range(3)]
    outcomes = await asyncio.gather(
        *(one.make("a-1", maker.fail) for one in caches), return_exceptions=True
    )
    assert maker.times == 1
    assert sorted(str(outcome) for outcome in outcomes) == [
        *["'a-1' could not be made earlier in these tests:\nno kernel died"] * 2,
        "no kernel died",
    ]
    later = Cache(tmp_path / "cache", failures=tmp_path / "later")
    assert (await later.make("a-1", maker.make) / "file").exists()


async def test_what_fails_hinders_nothing_else(tmp_path: Path) -> None:
    cache, maker = Cache(tmp_path / "cache", failures=tmp_path / "session"), Maker()
    with pytest.raises(NotMadeError):
        await cache.make("a-1", maker.fail)
    assert await cache.make("a-2", maker.make) == tmp_path / "cache/a-2"
