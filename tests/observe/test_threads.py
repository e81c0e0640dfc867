# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdumpd.observe.threads import Once, PatientThread, StuckError, ThreadError

SHORT, LONG = 0.05, 30.0


class Fifo:
    """A file that holds up whoever reads it, until something is written."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._path = path
        self.readers = 0
        self.read_by_now = threading.Event()

    def read(self) -> bytes:
        self.readers += 1
        self.read_by_now.set()
        return self._path.read_bytes()

    async def write(self, content: bytes) -> None:
        await asyncio.to_thread(self._path.write_bytes, content)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Fifo]:
    before = set(threading.enumerate())
    yield Fifo(tmp_path / "fifo")
    for thread in set(threading.enumerate()) - before:
        if thread.name == "kdumpd-reader":
            thread.join(LONG)
            assert not thread.is_alive()


def working() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "kdumpd-reader"]


async def test_answers() -> None:
    late = asyncio.Event()
    thread = PatientThread[str](LONG, late.set)
    assert await thread.run(lambda: "one") == "one"
    assert await thread.run(lambda: "two") == "two"
    assert not late.is_set()


async def test_works_in_a_thread() -> None:
    thread = PatientThread[threading.Thread](LONG, lambda: None)
    worker = await thread.run(threading.current_thread)
    assert worker is not threading.main_thread()
    assert worker.daemon  # the process may end while it is stuck


async def test_the_loop_goes_on(fifo: Fifo) -> None:
    thread = PatientThread[bytes](LONG, lambda: None)
    reading = asyncio.create_task(thread.run(fifo.read))
    await fifo.write(b"content")
    assert await reading == b"content"


async def test_stuck(fifo: Fifo, tmp_path: Path) -> None:
    late = asyncio.Event()
    thread = PatientThread[bytes](SHORT, late.set)
    with pytest.raises(StuckError, match=r"no answer within 0\.05 s"):
        await thread.run(fifo.read)
    assert len(working()) == 1
    # Nothing else is begun meanwhile, and the same is not begun again.
    another = Fifo(tmp_path / "another")
    for _ in range(2):
        with pytest.raises(StuckError):
            await thread.run(another.read)
    assert another.readers == 0
    assert fifo.readers == 1
    assert len(working()) == 1
    assert not late.is_set()
    # What ends late is the answer to the next question, and it is said that it came.
    await fifo.write(b"late")
    async with asyncio.timeout(LONG):
        await late.wait()
    assert await thread.run(lambda: b"next") == b"late"
    assert await thread.run(lambda: b"next") == b"next"


async def test_late_while_somebody_waits_again(fifo: Fifo) -> None:
    thread = PatientThread[bytes](SHORT, lambda: None)
    with pytest.raises(StuckError):
        await thread.run(fifo.read)
    patient = asyncio.create_task(answer_of(thread))
    await fifo.write(b"late")
    assert await patient == b"late"


async def answer_of(thread: PatientThread[bytes]) -> bytes:
    """Ask until there is an answer."""
    while True:
        try:
            return await thread.run(lambda: b"another")
        except StuckError:
            continue


async def test_cancelled(fifo: Fifo) -> None:
    """Who asked went away; the work goes on, and is not begun twice."""
    thread = PatientThread[bytes](LONG, lambda: None)
    reading = asyncio.create_task(thread.run(fifo.read))
    await asyncio.to_thread(fifo.read_by_now.wait, LONG)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    again = asyncio.create_task(thread.run(fifo.read))
    await fifo.write(b"content")
    assert await again == b"content"
    assert fifo.readers == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_work_that_fails() -> None:
    """Python prints its traceback; the next work is begun as ever."""
    thread = PatientThread[float](LONG, lambda: None)
    with pytest.raises(ThreadError):
        await thread.run(lambda: 1 / 0)
    assert await thread.run(lambda: 1.0) == 1.0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_work_that_fails_late(fifo: Fifo) -> None:
    late = asyncio.Event()
    thread = PatientThread[str](SHORT, late.set)
    with pytest.raises(StuckError):
        await thread.run(lambda: fifo.read().decode("ascii"))
    await fifo.write(b"\xff")
    async with asyncio.timeout(LONG):
        await late.wait()
    with pytest.raises(ThreadError):
        await thread.run(lambda: "next")
    assert await thread.run(lambda: "next") == "next"


def test_stuck_when_the_loop_ends(fifo: Fifo) -> None:
    """The thread is left to itself, and does no harm when it comes back."""
    loop = asyncio.new_event_loop()
    thread = PatientThread[bytes](SHORT, lambda: None)
    with pytest.raises(StuckError):
        loop.run_until_complete(thread.run(fifo.read))
    loop.close()
    writing = asyncio.new_event_loop()
    writing.run_until_complete(fifo.write(b"nobody waits any more"))
    writing.run_until_complete(writing.shutdown_default_executor())
    writing.close()


async def test_once_for_all_threads(fifo: Fifo) -> None:
    once = Once(fifo.read)
    reading = [asyncio.create_task(asyncio.to_thread(once.get)) for _ in range(5)]
    async with asyncio.timeout(LONG):
        await asyncio.to_thread(fifo.read_by_now.wait)
        await fifo.write(b"one")
        assert await asyncio.gather(*reading) == [b"one"] * 5
    assert fifo.readers == 1


def test_once_more_where_it_failed(tmp_path: Path) -> None:
    once = Once((tmp_path / "file").read_bytes)
    with pytest.raises(FileNotFoundError):
        once.get()
    (tmp_path / "file").write_bytes(b"one")
    assert once.get() == b"one"
