# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads whose work comes to nothing until it is let go, as that of a disk that sleeps."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from kdumpd.observe.threads import start

T = TypeVar("T")


class Held:
    """Starts threads, and holds them up."""

    def __init__(self) -> None:
        self._gate = threading.Event()

    def start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Return what the work will return once it was let go."""

        def held() -> T:
            self._gate.wait()
            return work()

        return start(held)

    def let_go(self) -> None:
        """Have the work done, and all that comes later."""
        self._gate.set()
