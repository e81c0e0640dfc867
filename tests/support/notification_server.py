# SPDX-License-Identifier: GPL-2.0-or-later
"""A server of org.freedesktop.Notifications that remembers what it was given, by dbus-next."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from dbus_next import Message
from dbus_next.aio import MessageBus
from dbus_next.constants import MessageType, RequestNameReply

from tests.support.process import ServiceError

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
CAPABILITIES = ("body", "body-markup", "actions", "icon-static", "persistence")
DISMISSED, CLOSED = 2, 3  # reasons of NotificationClosed


@dataclass(frozen=True, slots=True)
class Shown:
    """One notification as Notify brought it, its hints without their types."""

    id: int
    app: str
    icon: str
    title: str
    body: str
    actions: tuple[str, ...]
    hints: dict[str, Any]
    timeout: int
    sender: str


class NotificationServer:
    """What is and was shown; a button can be pressed."""

    def __init__(self, bus: MessageBus, capabilities: Sequence[str]) -> None:
        self.all: list[Shown] = []
        self.open: dict[int, Shown] = {}
        self.hint_types: dict[str, str] = {}  # of the last one
        self._bus = bus
        self._capabilities = list(capabilities)
        self._news = asyncio.Event()
        bus.add_message_handler(self._take)

    async def wait_for(self, count: int, seconds: float = 30) -> list[Shown]:
        """Return all that was ever shown once there are so many."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.all) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise ServiceError(f"not {count} notifications, but {self.all}") from None
        return self.all

    async def wait_until_closed(self, id_: int, seconds: float = 30) -> None:
        """Return once the notification is not open any more."""
        async with asyncio.timeout(seconds):
            while id_ in self.open:
                self._news.clear()
                await self._news.wait()

    async def press(self, shown: Shown, action: str) -> None:
        """Do what a person does who presses a button: the notification then closes."""
        await self._emit("ActionInvoked", "us", shown.id, action)
        await self.close(shown.id, DISMISSED)

    async def close(self, id_: int, reason: int) -> None:
        """Close a notification, for one of the reasons of the specification."""
        self.open.pop(id_, None)
        self._news.set()
        await self._emit("NotificationClosed", "uu", id_, reason)

    async def _emit(self, member: str, signature: str, *body: object) -> None:
        await self._bus.send(Message.new_signal(PATH, NAME, member, signature, list(body)))

    def _take(self, message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL or message.interface != NAME:
            return False
        match message.member:
            case "GetCapabilities":
                return Message.new_method_return(message, "as", [self._capabilities])
            case "Notify":
                return Message.new_method_return(message, "u", [self._show(message)])
            case "CloseNotification":
                if self.open.pop(message.body[0], None) is None:
                    return Message.new_error(message, "org.freedesktop.DBus.Error.Failed", "gone")
                self._news.set()
                closed = [message.body[0], CLOSED]
                signal = Message.new_signal(PATH, NAME, "NotificationClosed", "uu", closed)
                self._bus.send(signal)
                return Message.new_method_return(message)
            case _:
                return False

    def _show(self, message: Message) -> int:
        app, replaces, icon, title, body, actions, hints, timeout = message.body
        id_ = replaces or len(self.all) + 1
        self.hint_types = {name: value.signature for name, value in hints.items()}
        plain = {name: value.value for name, value in hints.items()}
        shown = Shown(
            id_, app, icon, title, body, tuple(actions), plain, timeout, message.sender or ""
        )
        self.all.append(shown)
        self.open[id_] = shown
        self._news.set()
        return id_


@asynccontextmanager
async def notification_server(
    address: str, capabilities: Sequence[str] = CAPABILITIES
) -> AsyncIterator[NotificationServer]:
    """Own the name of the notification server on the bus."""
    bus = await MessageBus(bus_address=address).connect()
    server = NotificationServer(bus, capabilities)
    try:
        if await bus.request_name(NAME) is not RequestNameReply.PRIMARY_OWNER:
            raise ServiceError("there is another notification server")
        yield server
    finally:
        bus.disconnect()
        async with asyncio.timeout(5):
            await bus.wait_for_disconnect()
        # dbus-next leaves its socket to the garbage collector, and has no public way to close it.
        bus._stream.close()
        bus._sock.close()
