# SPDX-License-Identifier: GPL-2.0-or-later
"""Do short pieces of work one after the other in one thread, for as long as they are short.

Threads that run Python code at once wake one another up all the time, for the interpreter's lock.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from kdumpd.observe.thread import settle

T = TypeVar("T")
P = ParamSpec("P")
HURRY = 0.5  # seconds after which all that still waits is done at once, each in its own thread

Piece = Callable[[], None]


class Worker:
    """Does what it is given, in order; what hangs or is slow holds up the rest for a moment."""

    def __init__(self, hurry: float = HURRY) -> None:
        self._hurry = hurry
        self._lock = threading.Lock()
        self._waiting: deque[Piece] = deque()
        self._ended: deque[Piece] = deque()  # what is to be done for each on the loop
        self._working = False
        self._thread = 0  # the number of the thread that takes what waits
        self._patience: asyncio.TimerHandle | None = None

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
        _begin(self._take, self._thread, loop)
        self._patience = loop.call_later(self._hurry, self._divide, loop)

    def _take(self, thread: int, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while (piece := self._next(thread)) is not None:
                piece()
        finally:  # also where a piece raised, of which Python prints the traceback
            with self._lock:
                if thread == self._thread:
                    self._working = False
            self._tell(loop)

    def _next(self, thread: int) -> Piece | None:
        with self._lock:
            return self._waiting.popleft() if thread == self._thread and self._waiting else None

    def _take_one(self, piece: Piece, loop: asyncio.AbstractEventLoop) -> None:
        try:
            piece()
        finally:
            self._tell(loop)

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._settle, loop)

    def _settle(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._ended:
            self._ended.popleft()()
        if not self._working and self._patience is not None:
            self._patience.cancel()
        self._go_on(loop)

    def _divide(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leave the thread to the piece that it is at, and do each that waits in another one."""
        with self._lock:
            pieces, self._waiting = self._waiting, deque()
            self._thread += 1
            self._working = False
        for piece in pieces:
            _begin(self._take_one, piece, loop)
        self._settle(loop)


def _begin(target: Callable[P, None], *args: P.args, **options: P.kwargs) -> None:
    threading.Thread(
        target=target, args=args, kwargs=options, daemon=True, name="kdumpd-reader"
    ).start()
