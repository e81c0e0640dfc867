# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for polkit that answers when and what a test wants: no real one can be timed so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dbus_fast import Message, MessageType, NameFlag
from dbus_fast.aio import MessageBus

YES = [True, False, {}]


class YieldingPolkit:
    """What was asked, in order; each question waits until it is answered."""

    def __init__(self, bus: MessageBus) -> None:
        self.questions: list[list[Any]] = []
        self._bus = bus
        self._waiting: asyncio.Queue[Message] = asyncio.Queue()
        bus.add_message_handler(self._take)

    async def answer(self, signature: str = "(bba{ss})", body: Any = YES) -> None:  # noqa: ANN401
        """Answer the oldest question, once there is one."""
        async with asyncio.timeout(20):
            question = await self._waiting.get()
            await self._bus.send(Message.new_method_return(question, signature, [body]))

    async def wait(self) -> None:
        """Return once a question waits."""
        async with asyncio.timeout(20):
            question = await self._waiting.get()
        self._waiting.put_nowait(question)

    def _take(self, message: Message) -> bool:
        if message.message_type is MessageType.METHOD_CALL:
            assert message.member == "CheckAuthorization"
            self.questions.append(message.body)
            self._waiting.put_nowait(message)
            return True
        return False


@asynccontextmanager
async def yielding_polkit(address: str) -> AsyncIterator[YieldingPolkit]:
    """Own polkit's name."""
    bus = await MessageBus(bus_address=address).connect()
    try:
        await bus.request_name("org.freedesktop.PolicyKit1", NameFlag.DO_NOT_QUEUE)
        yield YieldingPolkit(bus)
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast forgot it
