# SPDX-License-Identifier: GPL-2.0-or-later
"""GLib's own object manager client, as GNOME programs use it, watching the service."""

import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.process import JsonLines, Message, json_lines, program

SCRIPT = Path(__file__).with_name("glib_client.py")


class GlibClient:
    """What happened, by kind: ready, object-added, object-removed, properties-changed, signal,
    interface-added, interface-removed, name-owner, closed.
    """

    def __init__(self, lines: JsonLines) -> None:
        self._lines = lines
        self._taken = Counter[str]()

    def seen(self, kind: str) -> list[Message]:
        """Return all of that kind so far, taken by `next` or not."""
        return [message for message in self._lines.messages if kind in message]

    async def next(
        self,
        kind: str,
        timeout: float = 10,  # noqa: ASYNC109 -- not to be forgotten, and it says what was there
    ) -> Message:
        """Return the next one of that kind, waiting for it; other kinds stay as they are."""
        index = self._taken[kind]
        await self._lines.wait_for(lambda: len(self.seen(kind)) > index, kind, timeout)
        self._taken[kind] += 1
        return self.seen(kind)[index]


@asynccontextmanager
async def glib_client(
    address: str, name: str = "org.kdumpd1", path: str = "/org/kdumpd1"
) -> AsyncIterator[GlibClient]:
    """Watch an object manager, whether its name has an owner yet or not."""
    argv = (program("python3", "python3"), str(SCRIPT), address, name, path)
    async with json_lines(*argv, stdin=subprocess.PIPE) as lines:
        yield GlibClient(lines)
