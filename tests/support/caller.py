# SPDX-License-Identifier: GPL-2.0-or-later
"""Callers of the service who are somebody else: GLib as another user, a method at a time."""

import asyncio
import json
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.polkit import as_user
from tests.support.process import BOUND, LINE_LIMIT, Message, end, program

KDUMPD = "org.kdumpd1"
TRIGGER, TRIGGER_PATH = "org.kdumpd1.Trigger", "/org/kdumpd1/trigger"
SCRIPT = Path(__file__).with_name("descriptor_client.py")


class Caller:
    """A client on the bus that stays on it from call to call."""

    def __init__(self, process: Process) -> None:
        self.name = ""  # on the bus
        self._process = process

    async def greet(self) -> None:
        """Wait until the client is on the bus."""
        self.name = (await self.answer())["name"]

    async def call(
        self,
        path: str,
        interface: str,
        member: str,
        *,
        interactive: bool = False,
        arguments: str = "",
    ) -> Message:
        """Return what a call brought: an error and its message, done, or a descriptor's bytes.

        The arguments are a tuple as GVariant has it in text.
        """
        await self.ask(
            path,
            interface,
            member,
            interactive=interactive,
            arguments=arguments,
        )
        return await self.answer()

    async def ask(
        self,
        path: str,
        interface: str,
        member: str,
        *,
        interactive: bool = False,
        arguments: str = "",
    ) -> None:
        """Make a call without waiting for its answer."""
        assert self._process.stdin is not None
        service = TRIGGER if path == TRIGGER_PATH else KDUMPD
        line = json.dumps([service, path, interface, member, interactive, arguments])
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def vanish(self) -> None:
        """Leave the bus at once, whatever was asked."""
        await end(self._process, signal.SIGKILL)

    async def answer(self) -> Message:
        """Return what the oldest call without an answer brought."""
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
        answer: Message = json.loads(line)
        return answer


@asynccontextmanager
async def caller(address: str, user: str = "") -> AsyncIterator[Caller]:
    """Connect as the user, or as whoever runs the tests."""
    process = await asyncio.create_subprocess_exec(
        *(as_user(user) if user else ()),
        *BOUND,
        *(program("python3", "python3"), "-c", SCRIPT.read_text(), address),
        stdin=PIPE,
        stdout=PIPE,
        limit=LINE_LIMIT,
        cwd="/",
    )
    try:
        made = Caller(process)
        await made.greet()
        yield made
    finally:
        await end(process, signal.SIGKILL)
