# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for logind, which needs a whole system: it answers what a test wants, or nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dbus_fast import Message, MessageType, NameFlag, Variant
from dbus_fast.aio import MessageBus

NAME = "org.freedesktop.login1"
SESSIONS = "/org/freedesktop/login1/session/"


class Logind:
    """The sessions (id, uid, user, class) and inhibitors that it tells of."""

    def __init__(self, bus: MessageBus) -> None:
        self.sessions: Sequence[tuple[str, int, str, str]] = ()
        self.inhibitors: Sequence[list[Any]] = ()
        self.hangs = False
        self._bus = bus
        bus.add_message_handler(self._take)

    def _take(self, message: Message) -> bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        if not self.hangs:
            self._sent = self._bus.send(Message.new_method_return(message, *self._answer(message)))
        return True

    def _answer(self, message: Message) -> tuple[str, list[Any]]:
        match message.member:
            case "ListSessions":
                rows = [[one, uid, user, "", SESSIONS + one] for one, uid, user, _ in self.sessions]
                return "a(susso)", [rows]
            case "ListInhibitors":
                return "a(ssssuu)", [list(self.inhibitors)]
            case _:
                assert message.body == [f"{NAME}.Session", "Class"]
                classes = {SESSIONS + one: class_ for one, *_, class_ in self.sessions}
                return "v", [Variant("s", classes[message.path or ""])]


@asynccontextmanager
async def logind_on(address: str) -> AsyncIterator[Logind]:
    """Own logind's name."""
    bus = await MessageBus(bus_address=address).connect()
    try:
        await bus.request_name(NAME, NameFlag.DO_NOT_QUEUE)
        yield Logind(bus)
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast forgot it
