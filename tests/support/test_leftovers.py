# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.support.leftovers import check, descendants
from tests.support.process import end


@contextmanager
def ended() -> Iterator[int]:
    """A process that has ended and is not yet reaped."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    yield pid
    os.waitpid(pid, 0)


async def test_nothing() -> None:
    check(descendants())


async def test_running_process() -> None:
    before = descendants()
    process = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        with pytest.raises(AssertionError, match=rf"\({process.pid}\)"):
            check(before)
        check(descendants())  # one that was there before does not count
    finally:
        await end(process)
    check(before)


async def test_process_of_a_process() -> None:
    before = descendants()
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        'sleep 60 & trap "kill $!" TERM; echo; wait; wait',
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        assert len(descendants() - before) == 2
    finally:
        await end(process)
    check(before)


async def test_process_of_another_thread() -> None:
    before = descendants()
    pid = await asyncio.to_thread(os.posix_spawn, "/bin/sleep", ["sleep", "60"], {})
    try:
        with pytest.raises(AssertionError, match=rf"\({pid}\)"):
            check(before)
    finally:
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, pid, 0)
    check(before)


async def test_process_not_reaped() -> None:
    before = descendants()
    with ended() as pid, pytest.raises(AssertionError, match=rf"true \({pid}\)"):
        check(before)
    check(before)


async def test_name_with_blanks_and_parentheses() -> None:
    before = descendants()
    script = "open('/proc/self/comm', 'w').write('a) S 1 (b'); print(); import time; time.sleep(60)"
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/python3",
        "-c",
        "import sys; sys.stdout.reconfigure(line_buffering=True);" + script,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    assert [child.name for child in descendants() - before] == ["a) S 1 (b"]
    await end(process, signal.SIGKILL)


async def test_pending_task() -> None:
    task = asyncio.create_task(asyncio.sleep(60), name="forgotten")
    with pytest.raises(AssertionError, match="forgotten"):
        check(descendants())
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    check(descendants())


def test_a_test_without_a_loop_is_watched_too() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
