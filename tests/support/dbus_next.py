# SPDX-License-Identifier: GPL-2.0-or-later
"""dbus-next, a D-Bus library that is not the daemon's own, as a client that listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dbus_next import Message
from dbus_next.aio import MessageBus
from dbus_next.constants import MessageType, RequestNameReply


class DbusNextClient:
    """The signals of org.kdumpd1 that came, and calls to it."""

    def __init__(self, bus: MessageBus) -> None:
        self.signals: list[Message] = []
        self._bus = bus
        self._news = asyncio.Event()
        bus.add_message_handler(self._take)

    def _take(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            self.signals.append(message)
            self._news.set()

    def seen(self, member: str) -> list[Message]:
        """Return the signals of this name that came so far."""
        return [signal for signal in self.signals if signal.member == member]

    async def wait_for(self, count: int, member: str, seconds: float = 20) -> list[Message]:
        """Return the signals of this name once there are so many."""
        async with asyncio.timeout(seconds):
            while len(self.seen(member)) < count:
                self._news.clear()
                await self._news.wait()
        return self.seen(member)

    async def wait_for_property(self, name: str, value: object, seconds: float = 20) -> None:
        """Return once a signal has come that says that a property has changed to this value."""
        async with asyncio.timeout(seconds):
            while not any(
                name in changed and changed[name].value == value
                for _, changed, _ in (signal.body for signal in self.seen("PropertiesChanged"))
            ):
                self._news.clear()
                await self._news.wait()

    async def call(
        self,
        interface: str,
        member: str,
        signature: str = "",
        body: list[Any] | None = None,
        path: str = "/org/kdumpd1",
    ) -> Message:
        """Return the answer to a call, an error too."""
        message = Message(
            destination="org.kdumpd1",
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=body or [],
        )
        async with asyncio.timeout(20):
            return await self._bus.call(message)

    async def own(self, name: str) -> None:
        """Take a name on the bus; RequestNameReply.PRIMARY_OWNER or it fails."""
        async with asyncio.timeout(20):
            assert await self._bus.request_name(name) is RequestNameReply.PRIMARY_OWNER

    async def captures(self) -> dict[str, dict[str, Any]]:
        """Return every capture's properties, by object path."""
        answer = await self.call("org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        return {
            path: {name: value.value for name, value in interfaces["org.kdumpd1.Capture"].items()}
            for path, interfaces in answer.body[0].items()
        }

    async def manager(self) -> dict[str, Any]:
        """Return the properties of org.kdumpd1.Manager."""
        return await self.properties("org.kdumpd1.Manager")

    async def properties(self, wanted: str) -> dict[str, Any]:
        """Return the properties of an interface of the object /org/kdumpd1."""
        interface = "org.freedesktop.DBus.Properties"
        answer = await self.call(interface, "GetAll", "s", [wanted])
        return {name: value.value for name, value in answer.body[0].items()}


@asynccontextmanager
async def dbus_next_client(address: str) -> AsyncIterator[DbusNextClient]:
    """Connect by dbus-next, and listen to all signals of the daemon."""
    bus = await MessageBus(bus_address=address).connect()
    client = DbusNextClient(bus)
    rule = "type='signal',sender='org.kdumpd1'"
    match = Message(
        destination="org.freedesktop.DBus",
        path="/org/freedesktop/DBus",
        interface="org.freedesktop.DBus",
        member="AddMatch",
        signature="s",
        body=[rule],
    )
    await bus.call(match)
    try:
        yield client
    finally:
        bus.disconnect()
        async with asyncio.timeout(5):
            await bus.wait_for_disconnect()
        # dbus-next leaves its socket to the garbage collector, and has no public way to close it.
        bus._stream.close()
        bus._sock.close()
