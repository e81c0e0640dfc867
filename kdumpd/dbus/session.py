# SPDX-License-Identifier: GPL-2.0-or-later
"""One connection to a message bus, as long as it lasts: sends messages, and matches the answers."""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from kdumpd.dbus import wire
from kdumpd.dbus.messages import (
    DEFAULT_CALL_OPTIONS,
    MESSAGE_BUS,
    Body,
    BusError,
    CallError,
    CallOptions,
    Target,
)
from kdumpd.dbus.transport import SEND_TIMEOUT_S, Transport, close_all, open_transport
from kdumpd.dbus.wire import Header, Outgoing, WireError, read_body, write_message

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
MAX_SERIAL = 2**32 - 1
WARNING_INTERVAL_S = 60.0


class Raw(NamedTuple):
    """A message that came and is not read yet; without a body where that is too long."""

    header: Header
    body: bytes | None
    descriptors: list[int]


class Question(NamedTuple):
    """A call of ours that waits for its answer."""

    answer: asyncio.Future[Raw | BusError]
    max_bytes: int


class Answer(NamedTuple):
    """An answer to a call of ours."""

    header: Header
    body: Body
    descriptors: list[int]


class LeftError(BusError):
    """This side left the bus before the answer came."""


class Recipient(Protocol):
    """Who takes the calls and signals of others."""

    def max_body_bytes(self, header: Header) -> int:
        """Return how long the body of a call or signal may be; -1 where nobody waits for it."""

    def take(self, header: Header, body: bytes | None) -> None:
        """Take a call or signal, without a body where that is too long."""

    def drop(self, what: str) -> None:
        """Take note of a message that is dropped."""


class Session:
    """A connection to a bus, until that is lost or left."""

    def __init__(self, transport: Transport, recipient: Recipient) -> None:
        self.unique_name = ""
        self._transport = transport
        self._recipient = recipient
        self._questions: dict[int, Question] = {}
        self._serials = 0
        self._left = False
        transport.lost.add_done_callback(self._end_questions)
        transport.start(self)

    async def say_hello(self) -> None:
        """Be let in by the bus; BusError when it does not do so."""
        try:
            answer = await self.ask(MESSAGE_BUS, "Hello")
        except CallError as error:
            raise BusError(f"the bus lets nobody in: {error}") from error
        (self.unique_name,) = answer.body

    async def ask(
        self,
        target: Target,
        member: str,
        signature: str = "",
        body: Body | None = None,
        call_options: CallOptions = DEFAULT_CALL_OPTIONS,
    ) -> Answer:
        """Return the answer to a call, whose descriptors are then the caller's to close.

        CallError for an error, BusError for none, which is LeftError where this side has left.
        """
        interactive = wire.ALLOW_INTERACTIVE_AUTHORIZATION if call_options.interactive else 0
        call = Outgoing(
            kind=wire.METHOD_CALL,
            flags=interactive | (0 if call_options.starts else wire.NO_AUTO_START),
            destination=target.name,
            path=target.path,
            interface=target.interface,
            member=member,
            signature=signature,
            body=body or (),
        )
        serial = self._next_serial()
        answer: asyncio.Future[Raw | BusError] = asyncio.get_running_loop().create_future()
        self._questions[serial] = Question(answer, call_options.max_answer_bytes)
        try:
            async with asyncio.timeout(call_options.seconds):
                await self._transport.send(write_message(call, serial))
                raw = await answer
        except TimeoutError as error:
            raise BusError(f"{target.name} does not answer {member}") from error
        finally:
            del self._questions[serial]
        if isinstance(raw, BusError):
            raise raw
        return _read_answer(raw, f"{target.name} answers {member}")

    async def send(self, outgoing: Outgoing, stall_s: float = SEND_TIMEOUT_S) -> None:
        """Send the message, and close its descriptors once the socket has taken them.

        StalledError says that the bus took nothing for so many seconds.
        """
        try:
            data = write_message(outgoing, self._next_serial())
        except BaseException:
            close_all(outgoing.descriptors)
            raise
        await self._transport.send(data, outgoing.descriptors, stall_s)

    def call_when_lost(self, tell: Callable[[str], object]) -> None:
        """Call this with the reason once the bus is lost, unless it is left."""
        self._transport.lost.add_done_callback(
            lambda lost: None if self._left else tell(lost.result())
        )

    def pause(self) -> None:
        """Read nothing until `resume`."""
        self._transport.pause()

    def resume(self) -> None:
        """Read on after a pause."""
        self._transport.start(self)

    def leave(self) -> None:
        """Leave the bus: what is asked is not answered any more."""
        self._left = True
        self._transport.close("this side left the bus")

    def max_body_bytes(self, header: Header) -> int:
        """Return how long the body of a message may be; -1 where nobody waits for the message."""
        if header.fixed.kind not in {wire.METHOD_RETURN, wire.ERROR}:
            return self._recipient.max_body_bytes(header)
        question = self._questions.get(header.number(wire.REPLY_SERIAL))
        return -1 if question is None else question.max_bytes

    def receive(self, header: Header, body: bytes | None, descriptors: list[int]) -> None:
        """Take a message that came."""
        if header.fixed.kind not in {wire.METHOD_RETURN, wire.ERROR}:
            close_all(descriptors)  # nobody asked for them, and they would stay open for ever
            self._recipient.take(header, body)
            return
        question = self._questions.get(header.number(wire.REPLY_SERIAL))
        if question is not None and not question.answer.done():
            question.answer.set_result(Raw(header, body, descriptors))
        else:
            close_all(descriptors)

    def drop(self, reason: str) -> None:
        """Take note of a message that cannot be read."""
        self._recipient.drop(f"a message that cannot be read: {reason}")

    def _end_questions(self, lost: asyncio.Future[str]) -> None:
        kind = LeftError if self._left else BusError
        for question in self._questions.values():
            if not question.answer.done():
                question.answer.set_result(kind(lost.result()))

    def _next_serial(self) -> int:
        self._serials = self._serials % MAX_SERIAL + 1
        return self._serials


async def open_session(address: str, recipient: Recipient) -> Session:
    """Return a session with the bus at the address; BusError when there is none."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            session = Session(await open_transport(address), recipient)
            try:
                await session.say_hello()
            except BaseException:
                session.leave()
                raise
    except TimeoutError as error:
        raise BusError(f"the bus at {address} does not answer") from error
    except (OSError, BusError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BusError(f"cannot connect to the bus at {address}: {reason}") from error
    return session


def _read_answer(raw: Raw, subject: str) -> Answer:
    """Return the answer; CallError where it is an error, BusError where it cannot be read."""
    header, data, descriptors = raw
    try:
        body = read_body(header, data)
    except WireError as error:
        close_all(descriptors)
        raise BusError(f"{subject} with what cannot be read: {error}") from error
    if header.fixed.kind == wire.ERROR:
        close_all(descriptors)
        text = str(body[0]) if body else ""
        of_the_bus = header.sender == MESSAGE_BUS.name
        raise CallError(header.text(wire.ERROR_NAME), text, of_the_bus=of_the_bus)
    return Answer(header, body, descriptors)


class RareWarning:
    """Logs what is dropped: at most once in WARNING_INTERVAL_S, with how many there were."""

    def __init__(self) -> None:
        self._unsaid = 0
        self._next = 0.0

    def add(self, what: str) -> None:
        """Log that this was dropped, or count it."""
        self._unsaid += 1
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return
        more = f"; {self._unsaid - 1} more since the last time" if self._unsaid > 1 else ""
        log.warning("dropped %s%s", what, more)
        self._unsaid = 0
        self._next = now + WARNING_INTERVAL_S
