# SPDX-License-Identifier: GPL-2.0-or-later
"""What several tests share runs in a thread and a loop of its own: each test has its own loop."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def in_background(context: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Keep a context entered, for a fixture of a module; what it yields must need no loop."""
    entered: Future[tuple[asyncio.AbstractEventLoop, T]] = Future()
    leave = asyncio.Event()

    async def keep() -> None:
        async with context as value:
            entered.set_result((asyncio.get_running_loop(), value))
            await leave.wait()

    with ThreadPoolExecutor(1) as threads:
        kept = threads.submit(asyncio.run, keep())
        either: list[Future[Any]] = [entered, kept]
        wait(either, return_when=FIRST_COMPLETED)
        if kept.done():
            kept.result()  # why it could not be entered
        loop, value = entered.result()
        try:
            yield value
        finally:
            loop.call_soon_threadsafe(leave.set)
            kept.result()
