# SPDX-License-Identifier: GPL-2.0-or-later
"""Do short pieces of work one after the other in one thread, for as long as they are short.

Threads that run Python code at once wake one another up all the time, for the interpreter's lock.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from kdumpd.observe.threads import Piece, begin, piece_of, tell

T = TypeVar("T")
HURRY = 0.5  # seconds after which all that still waits is done at once, each in its own thread


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
        piece, future = piece_of(work, self._ended.append)
        with self._lock:
            self._waiting.append(piece)
        self._go_on(asyncio.get_running_loop())
        return future

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin a thread where something waits and none takes it."""
        with self._lock:
            if self._working or not self._waiting:
                return
            self._working = True
            self._thread += 1
        begin(partial(self._take, self._thread, loop))
        if self._patience is not None:
            self._patience.cancel()  # of a thread that has ended, and has not been settled yet
        self._patience = loop.call_later(self._hurry, self._divide, loop)

    def _take(self, thread: int, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while (piece := self._next(thread)) is not None:
                piece()
        finally:  # also where a piece raised
            with self._lock:
                if thread == self._thread:
                    self._working = False
            tell(loop, partial(self._settle, loop))

    def _next(self, thread: int) -> Piece | None:
        with self._lock:
            return self._waiting.popleft() if thread == self._thread and self._waiting else None

    def _take_one(self, piece: Piece, loop: asyncio.AbstractEventLoop) -> None:
        try:
            piece()
        finally:
            tell(loop, partial(self._settle, loop))

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
            begin(partial(self._take_one, piece, loop))
        self._settle(loop)
