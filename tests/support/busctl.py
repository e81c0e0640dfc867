# SPDX-License-Identifier: GPL-2.0-or-later
"""The command busctl: what an administrator sees of the service, by a library not ours."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.process import (
    Json,
    JsonLines,
    Message,
    ServiceError,
    json_lines,
    output,
    program,
)

MARKER = "org.kdumpd1.Tests.Marker"


class Monitor:
    """The messages on a bus that match, in their order."""

    def __init__(self, busctl: "Busctl", lines: JsonLines) -> None:
        self._busctl = busctl
        self._lines = lines

    @property
    def messages(self) -> list[Message]:
        """What has been seen so far: sender, path, interface, member, payload.data and so on.

        Left out are our marker and the unique names that come and go with each use of busctl.
        """
        return [m for m in self._lines.messages if not _is_noise(m)]

    def members(self, member: str) -> list[Message]:
        """Return the messages seen so far that are this signal or call this method."""
        return [m for m in self.messages if m.get("member") == member]

    async def wait_for(
        self,
        count: int,
        member: str,
        timeout: float = 10,  # noqa: ASYNC109 -- not to be forgotten, and it says what was there
    ) -> list[Message]:
        """Return the messages of that member once there are `count` of them or more."""
        await self._lines.wait_for(
            lambda: len(self.members(member)) >= count, f"{count} {member}", timeout
        )
        return self.members(member)

    async def synchronize(self) -> None:
        """Return once everything is seen that the bus carried before this call."""
        token = uuid.uuid4().hex
        try:
            async with asyncio.timeout(10):
                while not any(token in m["payload"]["data"] for m in self._markers()):
                    self._lines.check()
                    await self._busctl.emit("/", MARKER, "Marker", "s", token)
                    await asyncio.sleep(0.01)  # again: at first it may not monitor yet
        except TimeoutError:
            raise ServiceError(f"busctl does not monitor: {self._lines.words()}") from None

    def _markers(self) -> list[Message]:
        return [m for m in self._lines.messages if m.get("interface") == MARKER]


def _is_noise(message: Message) -> bool:
    if message["type"] != "signal" or message["sender"] != "org.freedesktop.DBus":
        return message.get("interface") == MARKER
    return str(message["payload"]["data"][0]).startswith(":")


class Busctl:
    """busctl on one bus; an error reply becomes a ServiceError with the error's text."""

    def __init__(self, address: str, prefix: tuple[str, ...] = ()) -> None:
        self._argv = (
            *prefix,
            *(program("busctl", "systemd"), f"--address={address}", "--json=short"),
        )

    async def call(
        self, service: str, path: str, interface: str, method: str, *arguments: str
    ) -> list[Json]:
        """Call a method; the arguments are a signature and values as busctl writes them."""
        printed = await self._run("call", service, path, interface, method, *arguments)
        return json.loads(printed)["data"] if printed else []

    async def get(self, service: str, path: str, interface: str, name: str) -> Json:
        """Return the value of a property."""
        return json.loads(await self._run("get-property", service, path, interface, name))["data"]

    async def tree(self, service: str) -> list[str]:
        """Return the paths that introspection finds, the root included."""
        return (await self._run("tree", "--list", service)).decode().split()

    async def emit(self, path: str, interface: str, signal: str, *arguments: str) -> None:
        """Send a signal from a connection that is gone at once."""
        await self._run("emit", path, interface, signal, *arguments)

    @asynccontextmanager
    async def monitor(self, *rules: str) -> AsyncIterator[Monitor]:
        """Collect what matches any of the rules (type='signal' if none) from here on."""
        matches = [f"--match={rule}" for rule in rules or ("type='signal'",)]
        marker = f"--match=interface='{MARKER}'"
        async with json_lines(*self._argv, "monitor", *matches, marker) as lines:
            monitor = Monitor(self, lines)
            await monitor.synchronize()
            yield monitor

    async def _run(self, *argv: str) -> bytes:
        return await output(*self._argv, *argv)
