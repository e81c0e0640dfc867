# SPDX-License-Identifier: GPL-2.0-or-later
"""Do short pieces of work one after the other in one thread, for as long as none of them hangs.

Threads that run Python code at once wake one another up all the time, for the interpreter's lock.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from kdumpd.observe.thread import settle

T = TypeVar("T")
STALL = 0.5  # seconds without an end of anything, after which what waits is done by another thread


class Worker:
    """Does what it is given, in order; what hangs is left to its thread, and holds up nothing."""

    def __init__(self, stall: float = STALL) -> None:
        self._stall = stall
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._ended: deque[Callable[[], None]] = deque()  # what is to be done for each on the loop
        self._working = False
        self._thread = 0  # the number of the thread that takes what waits
        self._settled = 0
        self._check: asyncio.TimerHandle | None = None

    def start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Return what the work will return; ThreadError if it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def do() -> None:
            results: list[T] = []
            try:
                results.append(work())
            finally:
                self._ended.append(lambda: settle(future, results))

        with self._lock:
            self._waiting.append(do)
        self._go_on(loop)
        return future

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin a thread where something waits and none takes it."""
        with self._lock:
            if self._working or not self._waiting:
                return
            self._working = True
            self._thread += 1
        threading.Thread(
            target=self._work, args=(loop, self._thread), daemon=True, name="kdumpd-reader"
        ).start()
        self._check = loop.call_later(self._stall, self._look_after, loop, self._settled)

    def _work(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        try:
            while (do := self._next(thread)) is not None:
                do()
        finally:  # also where a piece raised, of which Python prints the traceback
            with self._lock:
                if thread == self._thread:
                    self._working = False
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._settle, loop)

    def _next(self, thread: int) -> Callable[[], None] | None:
        with self._lock:
            return self._waiting.popleft() if thread == self._thread and self._waiting else None

    def _settle(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._ended:
            self._ended.popleft()()
            self._settled += 1
        if not self._working and self._check is not None:
            self._check.cancel()
        self._go_on(loop)

    def _look_after(self, loop: asyncio.AbstractEventLoop, settled: int) -> None:
        """Take what waits away from a thread that came to no end since it was looked after last."""
        self._settle(loop)
        with self._lock:
            if not self._working:
                return
            if self._settled == settled:
                self._thread += 1
                self._working = False
        if self._working:
            self._check = loop.call_later(self._stall, self._look_after, loop, self._settled)
        else:
            self._go_on(loop)
