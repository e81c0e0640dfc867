# SPDX-License-Identifier: GPL-2.0-or-later
"""python-dbusmock's notification daemon: a server that others' programs are tested with too."""

import asyncio
import json
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.busctl import Busctl
from tests.support.process import BOUND, Json, ServiceError, end, program

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
MOCK = "org.freedesktop.DBus.Mock"
CAPABILITIES = ("body", "body-markup", "actions")


class MockDesktop:
    """What the server was asked for; buttons can be pressed."""

    def __init__(self, address: str) -> None:
        self._busctl = Busctl(address)

    async def shown(self) -> list[list[Json]]:
        """Return the arguments of each Notify, the oldest first, as busctl prints variants."""
        (calls,) = await self._busctl.call(NAME, PATH, MOCK, "GetMethodCalls", "s", "Notify")
        return [[one["data"] for one in arguments] for _, arguments in calls]

    async def wait_for(self, count: int, seconds: float = 30) -> list[list[Json]]:
        """Return the same once there are so many."""
        shown: list[list[Json]] = []
        try:
            async with asyncio.timeout(seconds):
                while len(shown) < count:
                    shown = await self.shown()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise ServiceError(f"not {count} notifications, but {shown}") from None
        return shown

    async def press(self, number: int, action: str) -> None:
        """Press the button of the notification with this number, as its server tells it."""
        arguments = ("", "ActionInvoked", "us", "2", "u", str(number), "s", action)
        await self._busctl.call(NAME, PATH, MOCK, "EmitSignal", "sssav", *arguments)


@asynccontextmanager
async def mock_desktop_on(
    address: str, directory: Path, capabilities: Sequence[str] = CAPABILITIES
) -> AsyncIterator[MockDesktop]:
    """Run the server for the session of this bus."""
    parameters = json.dumps({"capabilities": " ".join(capabilities)})
    log = directory / "dbusmock.log"
    with log.open("wb") as words:
        # Debian's Python: python3-dbusmock is no package for another one.
        server = await asyncio.create_subprocess_exec(
            *BOUND,
            *(program("python3", "python3-dbusmock"), "-m", "dbusmock", "--session"),
            *("--template", "notification_daemon", "--parameters", parameters),
            stdin=DEVNULL,
            stdout=words,
            stderr=words,
            env={"DBUS_SESSION_BUS_ADDRESS": address, "PATH": "/usr/bin:/bin"},
        )
    try:
        desktop = MockDesktop(address)
        await _answers(desktop, log)
        yield desktop
    finally:
        await end(server)


async def _answers(desktop: MockDesktop, log: Path) -> None:
    try:
        async with asyncio.timeout(20):
            while True:
                with suppress(ServiceError):
                    await desktop.shown()
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise ServiceError(f"dbusmock does not answer; its words are in {log}") from None
