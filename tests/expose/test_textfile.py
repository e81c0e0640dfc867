# SPDX-License-Identifier: GPL-2.0-or-later
"""The file is whole at every moment, and what keeps it from being written stalls nobody."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kdumpd.expose import textfile
from kdumpd.expose.textfile import TextFile, WriteOutcome, write_whole
from kdumpd.observe.threads import PatientThread

PATIENCE, STUCK = 10.0, 0.05


@asynccontextmanager
async def kept(file: TextFile) -> AsyncIterator[None]:
    running = asyncio.create_task(file.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  # a file has no event
            await asyncio.sleep(0.01)


def says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def text_file(path: Path) -> TextFile:
    return TextFile(path, PatientThread[WriteOutcome](PATIENCE, lambda: None))


def test_everybody_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "kdumpd.prom"
    before = os.umask(0o077)
    try:
        assert write_whole(path, "one\n") is None
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == 0o644
    assert path.read_text() == "one\n"


def test_an_empty_text_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "motd"
    assert write_whole(path, "") is None
    assert write_whole(path, "one\n") is None
    assert write_whole(path, "") is None
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_is_cleared_away(tmp_path: Path) -> None:
    path, left = tmp_path / "kdumpd.prom", tmp_path / ".kdumpd.prom.new"
    left.write_text("hal")
    assert write_whole(path, "whole\n") is None
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("not ours\n")
    (tmp_path / ".kdumpd.prom.new").symlink_to(other)
    (tmp_path / "kdumpd.prom").symlink_to(other)
    assert write_whole(tmp_path / "kdumpd.prom", "ours\n") is None
    assert other.read_text() == "not ours\n"
    assert not (tmp_path / "kdumpd.prom").is_symlink()


def test_what_cannot_be_renamed_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "kdumpd.prom" / "full").mkdir(parents=True)
    assert write_whole(tmp_path / "kdumpd.prom", "text\n") is not None
    assert [path.name for path in tmp_path.iterdir()] == ["kdumpd.prom"]


async def test_the_latest_text_is_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "kdumpd.prom"
    file = text_file(path)
    async with kept(file):
        for number in range(200):
            file.put(f"{number}\n")
            await asyncio.sleep(0)
        await until(lambda: says(path, "199\n"))
        file.put("")
        await until(lambda: not path.exists())


async def test_trouble_is_said_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, textfile.__name__)
    path = tmp_path / "missing" / "kdumpd.prom"
    file = text_file(path)
    async with kept(file):
        file.put("one\n")
        await until(lambda: "cannot be written" in caplog.text)
        file.put("two\n")
        file.put("three\n")
        await asyncio.sleep(0.1)
        path.parent.mkdir()
        file.put("four\n")
        await until(lambda: "can be written again" in caplog.text)
    assert caplog.text.count("cannot be written") == 1
    assert f"'{path}' cannot be written, and is tried again: No such file" in caplog.text
    assert path.read_text() == "four\n"


async def test_trouble_that_ends_is_noticed_though_nothing_new_is_to_be_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, textfile.__name__)
    path = tmp_path / "missing" / "kdumpd.prom"
    writer = PatientThread[WriteOutcome](PATIENCE, lambda: None)
    file = TextFile(path, writer, retry_seconds=0.1)
    async with kept(file):
        file.put("one\n")
        await until(lambda: "cannot be written" in caplog.text)
        await asyncio.sleep(0.3)
        path.parent.mkdir()
        await until(lambda: says(path, "one\n"))
        await until(lambda: "can be written again" in caplog.text)
    assert caplog.text.count("cannot be written") == 1


class Hanging:
    """A thread that hangs at its first piece of work, as on a dead server."""

    def __init__(self) -> None:
        self.freed = threading.Event()
        self._thread = PatientThread[WriteOutcome](STUCK, lambda: None)

    async def run(self, work: Callable[[], WriteOutcome]) -> WriteOutcome:
        def late() -> WriteOutcome:
            self.freed.wait()
            return work()

        return await self._thread.run(late)


async def test_a_directory_that_hangs_stalls_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, textfile.__name__)
    path, hanging = tmp_path / "kdumpd.prom", Hanging()
    file = TextFile(path, hanging)
    async with kept(file):
        file.put("one\n")
        await until(lambda: "cannot be written" in caplog.text)
        assert "no answer within" in caplog.text
        file.put("two\n")
        await asyncio.sleep(3 * STUCK)
        hanging.freed.set()
        file.put("three\n")
        await until(lambda: says(path, "three\n"))
    assert caplog.text.count("cannot be written") == 1
