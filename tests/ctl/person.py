# SPDX-License-Identifier: GPL-2.0-or-later
"""A person at a terminal of his own, who runs kdumpdctl there."""

import asyncio
import os
import pty
import signal
import sys
import termios
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.process import BOUND, ServiceError, end, program


class Person:
    """What a person sees, types, and how his terminal is set."""

    def __init__(self, process: Process, master: int, terminal: int) -> None:
        self.process = process
        self._master: int | None = master
        self._terminal = terminal
        self._before = termios.tcgetattr(terminal)
        self._seen = b""
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._look)

    @property
    def seen(self) -> str:
        """What was shown so far."""
        return self._seen.decode().replace("\r\n", "\n")

    @property
    def terminal_is_as_before(self) -> bool:
        """Whether the terminal is set as it was before the program started."""
        return self.attributes == self._before

    @property
    def attributes(self) -> list[Any]:
        """How the terminal is set."""
        return termios.tcgetattr(self._terminal)

    async def wait_for(self, words: str) -> None:
        """Return once the words were shown."""
        try:
            async with asyncio.timeout(20):
                while words not in self.seen:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise ServiceError(f"'{words}' is not shown, but: {self.seen}") from None

    def type(self, keys: str) -> None:
        """Press these keys."""
        assert self._master is not None
        os.write(self._master, keys.encode())

    async def status(self) -> int:
        """Return the exit status, once the program has ended and all that it said is seen."""
        async with asyncio.timeout(20):
            status = await self.process.wait()
        self._look()
        return status

    def hang_up(self) -> None:
        """Have the terminal gone, as when a connection breaks."""
        if self._master is not None:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            self._master = None

    def _look(self) -> None:
        if self._master is not None:
            os.set_blocking(self._master, False)
            try:
                self._seen += os.read(self._master, 65536)
            except BlockingIOError:
                return
            self._news.set()


@asynccontextmanager
async def at_a_terminal(*arguments: str) -> AsyncIterator[Person]:
    """Run kdumpdctl in a session of its own, on a terminal that controls it."""
    master, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(program("setsid", "util-linux"), "--ctty"),
        *BOUND,
        *(sys.executable, "-m", "kdumpd.ctl.main", *arguments),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )
    person = Person(process, master, terminal)
    try:
        yield person
    finally:
        await end(process, signal.SIGKILL)
        person.hang_up()
        os.close(terminal)
