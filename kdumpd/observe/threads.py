# SPDX-License-Identifier: GPL-2.0-or-later
"""Run what may hang in a thread, and wait for it only so long.

A read from a dead NFS server or a failing disk cannot be interrupted. The thread is left to it (a
daemon thread: it does not hold up the end of the process), and no second one is started meanwhile.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
Piece = Callable[[], None]


class StuckError(TimeoutError):
    """The work did not end in time, and is still under way."""


class ThreadError(Exception):
    """The work raised; Python has printed the traceback from its thread."""


class Start(Protocol):
    """A way to have work done off the loop."""

    def __call__(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Return what the work will return; ThreadError if it raises."""


def start(work: Callable[[], T]) -> asyncio.Future[T]:
    """Return what the work, begun in a thread of its own, will return; ThreadError if it raises."""
    loop = asyncio.get_running_loop()
    piece, future = piece_of(work, partial(tell, loop))
    begin(piece)
    return future


def piece_of(
    work: Callable[[], T], on_end: Callable[[Piece], object]
) -> tuple[Piece, asyncio.Future[T]]:
    """Return what is to be run in a thread, and the future that tells what comes of it.

    At its end `on_end` is called in the thread, with what is then to be called on the loop.
    """
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def piece() -> None:
        results: list[T] = []
        try:
            results.append(work())
        finally:  # also where the work raised, of which Python prints the traceback
            on_end(lambda: _settle(future, results))

    return piece, future


def begin(piece: Piece) -> None:
    """Run it in a thread that does not hold up the end of the process."""
    threading.Thread(target=piece, daemon=True, name="kdumpd-reader").start()


def tell(loop: asyncio.AbstractEventLoop, ended: Piece) -> None:
    """Have the loop call this, from a thread; once it is closed nobody waits any more."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(ended)


def _settle(future: asyncio.Future[T], results: list[T]) -> None:
    """Have the future tell the one result; none where the work raised."""
    if future.done():
        return
    if results:
        future.set_result(results[0])
    else:
        future.set_exception(ThreadError("the work in a thread failed, see the traceback"))


class Once(Generic[T]):
    """What is worked out in the thread that first asks for it; others wait for that."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._results: list[T] = []  # none as long as nobody has asked

    def get(self) -> T:
        """Return what the work returned."""
        with self._lock:
            if not self._results:
                self._results.append(self._work())
            return self._results[0]


class PatientThread(Generic[T]):
    """Runs one piece of work at a time; what ends late is the answer to the next question."""

    def __init__(self, seconds: float, on_late: Callable[[], object], start: Start = start) -> None:
        self._seconds = seconds
        self._on_late = on_late  # told on the loop when work ends that nobody waits for any more
        self._start = start
        self._under_way: asyncio.Future[T] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Return what the work returns; StuckError after `seconds` seconds."""
        if self._under_way is None:
            self._under_way = self._start(work)
        future = self._under_way
        done, _ = await asyncio.wait([future], timeout=self._seconds)
        if not done:
            future.add_done_callback(self._late)
            raise StuckError(f"no answer within {self._seconds:g} s")
        self._under_way = None
        return future.result()

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self._under_way is not None

    def _late(self, _: asyncio.Future[T]) -> None:
        self._on_late()


QUICK_S = 0.5  # after which all that still waits is done at once, each in its own thread


class Worker:
    """Does what it is given, in order; what hangs or is slow holds up the rest for a moment.

    In one thread, while it is quick: several that run Python code at once wake one another up all
    the time, for the interpreter's lock.
    """

    def __init__(self, hurry: float = QUICK_S) -> None:
        self._hurry = hurry
        self._lock = threading.Lock()
        self._waiting: deque[Piece] = deque()
        self._ended: deque[Piece] = deque()  # what is to be done for each on the loop
        self._working = False
        self._thread = 0  # the number of the thread that takes what waits
        self._divide_timer: asyncio.TimerHandle | None = None

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
        if self._divide_timer is not None:
            self._divide_timer.cancel()  # of a thread that has ended, and has not been settled yet
        self._divide_timer = loop.call_later(self._hurry, self._divide, loop)

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
        if not self._working and self._divide_timer is not None:
            self._divide_timer.cancel()
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
