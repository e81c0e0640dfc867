# SPDX-License-Identifier: GPL-2.0-or-later
"""org.kdumpd1.Trigger as its XML describes it, by a library not ours; it crashes nothing.

It stands in for kdumpd-trigger: it can be given every state and every error.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from dbus_next import Message, Variant
from dbus_next.aio import MessageBus
from dbus_next.constants import MessageFlag, MessageType, RequestNameReply

NAME, PATH = "org.kdumpd1.Trigger", "/org/kdumpd1/trigger"
PROPERTIES = "org.freedesktop.DBus.Properties"
ERROR = "org.kdumpd1.Error."
TOKEN = "4f1c"  # noqa: S105  # it opens nothing
UID = 1000

Objection = Sequence[str]  # code, severity, sentence, remedy


class TriggerService:
    """The service, what it was asked, and what it is to answer."""

    def __init__(self, bus: MessageBus) -> None:
        self.objections: list[Objection] = []
        self.errors: dict[str, tuple[str, str]] = {}  # by member: the error's name and sentence
        self.token_seconds = 120.0
        self.countdown_seconds = 60.0
        self.state, self.deadline = "idle", 0
        self.asked: list[Message] = []
        self.left = asyncio.Event()  # somebody who has asked has left the bus
        self._bus = bus
        self._triggering: Message | None = None
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        bus.add_message_handler(self._take)

    def members(self) -> list[str]:
        """Return which methods were called, in order."""
        return [message.member for message in self.asked]

    async def wait_for(self, member: str) -> Message:
        """Return the first call of this method once there is one."""
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: member in self.members())
        return self.asked[self.members().index(member)]

    async def change(self, state: str, deadline: int = 0) -> None:
        """Be in another state, and say so."""
        self.state, self.deadline = state, deadline
        changed = {"State": Variant("s", state), "Deadline": Variant("t", deadline)}
        if state == "counting-down":
            await self._emit(NAME, "Countdown", "tu", [deadline, UID])
        await self._emit(PROPERTIES, "PropertiesChanged", "sa{sv}as", [NAME, changed, []])

    async def count_down(self) -> None:
        """Begin the countdown."""
        await self.change("counting-down", int((time.time() + self.countdown_seconds) * 1e6))

    async def fail(self, name: str, sentence: str) -> None:
        """Let the call of Trigger that waits fail."""
        message, self._triggering = self._triggering, None
        assert message is not None
        await self.change("idle")
        await self._bus.send(Message.new_error(message, ERROR + name, sentence))

    async def close(self) -> None:
        """Wait until all that was asked is answered, and leave the bus."""
        async with asyncio.timeout(5):
            await asyncio.gather(*self._tasks)
            self._bus.disconnect()
            with suppress(EOFError):  # the bus is gone already
                await self._bus.wait_for_disconnect()
        # dbus-next leaves its socket to the garbage collector, and has no public way to close it.
        self._bus._stream.close()
        self._bus._sock.close()

    def _take(self, message: Message) -> bool:
        if message.member == "NameOwnerChanged":
            name, _, owner = message.body
            if name in [one.sender for one in self.asked] and not owner:
                self.left.set()
            return True
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, message: Message) -> None:
        if message.interface == NAME:
            async with self._news:
                self.asked.append(message)
                self._news.notify_all()
        error = self.errors.get(message.member)
        if error is not None:
            await self._bus.send(Message.new_error(message, *error))
        elif message.member == "Trigger":
            self._triggering = message
        else:
            signature, body = await self._reply(message)
            await self._bus.send(Message.new_method_return(message, signature, body))

    async def _reply(self, message: Message) -> tuple[str, list[object]]:
        match message.member:
            case "Prepare":
                expires = int((time.time() + self.token_seconds) * 1e6)
                return "sa(ssss)t", [TOKEN, [list(one) for one in self.objections], expires]
            case "GetAll":
                properties = {
                    "Enabled": Variant("b", True),  # noqa: FBT003  # a value, not a switch
                    "State": Variant("s", self.state),
                    "Deadline": Variant("t", self.deadline),
                }
                return "a{sv}", [properties]
            case _:
                assert message.member == "Cancel"
                await self.fail("Failed", "The countdown was cancelled.")
                return "", []

    async def _emit(self, interface: str, member: str, signature: str, body: list[object]) -> None:
        await self._bus.send(Message.new_signal(PATH, interface, member, signature, body))


def may_ask(message: Message) -> bool:
    """Return whether the caller lets a person be asked for a password."""
    return MessageFlag.ALLOW_INTERACTIVE_AUTHORIZATION in message.flags


@asynccontextmanager
async def trigger_service(address: str) -> AsyncIterator[TriggerService]:
    """Serve org.kdumpd1.Trigger on the bus."""
    bus = await MessageBus(bus_address=address).connect()
    service = TriggerService(bus)
    try:
        rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
        names = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
        await bus.call(Message(*names, "AddMatch", signature="s", body=[rule]))
        assert await bus.request_name(NAME) is RequestNameReply.PRIMARY_OWNER
        yield service
    finally:
        await service.close()
