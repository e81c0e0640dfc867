# SPDX-License-Identifier: GPL-2.0-or-later
"""The message bus: calls, answers and signals, ours and those of others.

Everything is served and asked at message level, without the D-Bus library's high-level classes:
those send InterfacesAdded from the wrong object, build GetManagedObjects in quadratic time and hide
who calls.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

from kdumpd.dbus import wire
from kdumpd.dbus.messages import (
    FAILED_ERROR,
    INVALID_ARGS_ERROR,
    LIMITS_EXCEEDED_ERROR,
    UNKNOWN_OBJECT_ERROR,
    Body,
    BusError,
    Call,
    CallError,
    CallOptions,
    Interest,
    Reply,
    Signal,
    TakenError,
    Target,
)
from kdumpd.dbus.transport import Transport, close_all, open_transport
from kdumpd.dbus.waiting_calls import WaitingCall, WaitingCalls
from kdumpd.dbus.wire import Header, Outgoing, WireError, read_body, write_message

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
CALLS_AT_ONCE = 8  # begin before what has come meanwhile is read
MAX_CALL_BYTES = 32 << 10
MAX_SIGNAL_BYTES = 256 << 10
MAX_QUEUED_SIGNALS = 256  # that nobody has taken out of a queue yet
WARNING_INTERVAL_S = 60.0
MAX_SERIAL = 2**32 - 1

NAME_FLAG_DO_NOT_QUEUE = 4  # flag and answers of RequestName (D-Bus specification)
REPLY_PRIMARY_OWNER, REPLY_ALREADY_OWNER = 1, 4

MESSAGE_BUS = Target("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
DEFAULT_CALL_OPTIONS = CallOptions()
Handler = Callable[[Call], Awaitable[Reply]]


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


class Connection:
    """A connection to a bus: sends one message at a time, and answers every call."""

    def __init__(self, transport: Transport) -> None:
        self.unique_name = ""
        self._transport = transport
        # Of each peer's answers, one at a time waits for the socket: who asks much waits longest.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._handler: Handler = _nothing
        self._served = asyncio.Event()
        # By interface and member.
        self._listeners: dict[tuple[str, str], Callable[[Signal], object]] = {}
        self._waiting = WaitingCalls()
        self._calls: set[asyncio.Task[None]] = set()
        self._begin: asyncio.Handle | None = None
        self._questions: dict[int, Question] = {}
        self._serials = 0
        self._dropped = RareWarning()
        transport.lost.add_done_callback(self._end_questions)
        transport.start(self)

    def serve(self, handler: Handler) -> None:
        """Answer method calls by the handler, which raises CallError for an error answer."""
        self._handler = handler
        self._served.set()

    async def say_hello(self) -> None:
        """Be let in by the bus; BusError when it does not do so."""
        try:
            (self.unique_name,) = await self.call(MESSAGE_BUS, "Hello")
        except CallError as error:
            raise BusError(f"the bus lets nobody in: {error}") from error

    async def own(self, name: str) -> None:
        """Take the name; TakenError when another has it, BusError when the bus refuses.

        Whoever called the name to have it activated waits until there is something to serve.
        """
        if self._handler is _nothing:
            self._handler = self._once_served
        try:
            (answer,) = await self.call(
                MESSAGE_BUS, "RequestName", "su", [name, NAME_FLAG_DO_NOT_QUEUE]
            )
        except CallError as error:
            raise BusError(f"the bus refuses the name {name}: {error}") from error
        if answer not in {REPLY_PRIMARY_OWNER, REPLY_ALREADY_OWNER}:
            raise TakenError(f"the name {name} is taken: another program on this bus has it")

    async def disown(self, name: str) -> None:
        """Give the name back: who calls it after this starts the service anew, or finds none."""
        await self.call(MESSAGE_BUS, "ReleaseName", "s", [name])

    async def settle(self, seconds: float) -> None:
        """Return when all calls that have come are answered, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._calls or self._begin is not None:
                    await asyncio.wait([*self._calls, asyncio.ensure_future(asyncio.sleep(0))])

    async def call(
        self,
        target: Target,
        member: str,
        signature: str = "",
        body: Body | None = None,
        call_options: CallOptions = DEFAULT_CALL_OPTIONS,
    ) -> Body:
        """Return the answer's body without variants; CallError for an error, BusError for none."""
        answer = await self._ask(target, member, signature, body or [], call_options)
        close_all(answer.descriptors)
        return answer.body

    async def call_for_descriptor(
        self, target: Target, member: str, call_options: CallOptions = DEFAULT_CALL_OPTIONS
    ) -> int:
        """Return the one descriptor that the answer brings, which the caller closes.

        CallError for an error, BusError for no answer or one without a descriptor.
        """
        answer = await self._ask(target, member, "", [], call_options)
        if answer.header.text(wire.SIGNATURE) != "h" or len(answer.descriptors) != 1:
            close_all(answer.descriptors)
            raise BusError(f"{target.name} answers {member} without a descriptor")
        return answer.descriptors[0]

    async def emit(self, signal: Signal) -> None:
        """Send a signal to everybody; returns when the socket took it."""
        await self._send(
            Outgoing(
                kind=wire.SIGNAL,
                path=signal.path,
                interface=signal.interface,
                member=signal.member,
                signature=signal.signature,
                body=signal.body,
            )
        )

    async def follow(
        self, source: Target, member: str, hint: Callable[[], object], about: str = ""
    ) -> None:
        """Call `hint` on the loop at each such signal; what the signal says is not passed on.

        `about` is the signal's first argument, where only those with it are meant.
        """
        await self._hear(Interest(source, (member,), about), member, lambda _: hint())

    async def listen(self, source: Target, *members: str) -> asyncio.Queue[Signal]:
        """Return a queue of the signals of these names that come from now on.

        Whoever can send to this connection may have sent them: `sender` says who did. What comes
        while MAX_QUEUED_SIGNALS wait in the queue is lost.
        """
        return await self.listen_to([Interest(source, members)])

    async def listen_to(
        self, interests: Iterable[Interest], most: int = MAX_QUEUED_SIGNALS
    ) -> asyncio.Queue[Signal]:
        """Return one queue of all these signals, as `listen` does; at most so many wait in it."""
        signals: asyncio.Queue[Signal] = asyncio.Queue(most)

        def take(signal: Signal) -> None:
            with suppress(asyncio.QueueFull):
                signals.put_nowait(signal)

        for interest in interests:
            for member in interest.members:
                await self._hear(interest, member, take)
        return signals

    async def owner(self, name: str) -> str:
        """Return the unique name of whoever owns the name, empty where nobody does."""
        try:
            (owner,) = await self.call(MESSAGE_BUS, "GetNameOwner", "s", [name])
        except CallError:
            return ""
        return str(owner)

    async def _hear(
        self, interest: Interest, member: str, take: Callable[[Signal], object]
    ) -> None:
        source = interest.source
        rule = {
            "type": "signal",
            "sender": source.name,
            "path_namespace" if interest.below else "path": source.path,
            "interface": source.interface,
            "member": member,
        }
        if interest.about:
            rule["arg0"] = interest.about
        self._listeners[source.interface, member] = take
        text = ",".join(f"{key}='{value}'" for key, value in rule.items())
        await self.call(MESSAGE_BUS, "AddMatch", "s", [text])

    async def lost(self) -> str:
        """Wait until the bus is lost, and return why."""
        return await asyncio.shield(self._transport.lost)

    async def close(self) -> None:
        """Answer no more, and leave the bus."""
        if self._begin is not None:
            self._begin.cancel()
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        self._transport.close("this side left the bus")

    def max_body_bytes(self, header: Header) -> int:
        """Return how long the body of a message may be; -1 where nobody waits for the message."""
        kind = header.fixed.kind
        if kind == wire.METHOD_CALL:
            return MAX_CALL_BYTES
        if kind == wire.SIGNAL and _name(header) in self._listeners:
            return MAX_SIGNAL_BYTES
        question = self._questions.get(header.number(wire.REPLY_SERIAL))
        if kind in {wire.METHOD_RETURN, wire.ERROR} and question is not None:
            return question.max_bytes
        return -1

    def receive(self, header: Header, body: bytes | None, descriptors: list[int]) -> None:
        """Take a message that came."""
        kind = header.fixed.kind
        question = self._questions.get(header.number(wire.REPLY_SERIAL))
        is_answer = kind in {wire.METHOD_RETURN, wire.ERROR}
        if is_answer and question is not None and not question.answer.done():
            question.answer.set_result(Raw(header, body, descriptors))
            return
        close_all(descriptors)  # nobody asked for them, and they would stay open for ever
        if kind == wire.METHOD_CALL:
            self._take_call(WaitingCall(header, body))
        elif kind == wire.SIGNAL and _name(header) in self._listeners:
            self._take_signal(header, body)

    def drop(self, reason: str) -> None:
        """Take note of a message that cannot be read."""
        self._dropped.add(f"a message that cannot be read: {reason}")

    async def _ask(
        self, target: Target, member: str, signature: str, body: Body, call_options: CallOptions
    ) -> Answer:
        """Return the answer to a call, whose descriptors are then the caller's to close."""
        interactive = wire.ALLOW_INTERACTIVE_AUTHORIZATION if call_options.interactive else 0
        call = Outgoing(
            kind=wire.METHOD_CALL,
            flags=interactive,
            destination=target.name,
            path=target.path,
            interface=target.interface,
            member=member,
            signature=signature,
            body=body,
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

    def _end_questions(self, lost: asyncio.Future[str]) -> None:
        for question in self._questions.values():
            if not question.answer.done():
                question.answer.set_result(BusError(lost.result()))

    def _next_serial(self) -> int:
        self._serials = self._serials % MAX_SERIAL + 1
        return self._serials

    async def _once_served(self, call: Call) -> Reply:
        await self._served.wait()
        return await self._handler(call)

    def _take_signal(self, header: Header, body: bytes | None) -> None:
        try:
            signal = Signal(
                path=header.text(wire.PATH),
                interface=header.text(wire.INTERFACE),
                member=header.text(wire.MEMBER),
                signature=header.text(wire.SIGNATURE),
                body=tuple(read_body(header, body)),
                sender=header.sender,
            )
        except WireError as error:
            self._dropped.add(f"a signal of {header.sender} that cannot be read: {error}")
        else:
            self._listeners[_name(header)](signal)

    def _take_call(self, call: WaitingCall) -> None:
        for dropped in self._waiting.add(call):
            self._dropped.add(f"a call of {dropped.header.sender}, which makes too many at once")
        self._let_begin()

    def _let_begin(self) -> None:
        if self._begin is None:
            self._begin = asyncio.get_running_loop().call_soon(self._begin_calls)

    def _begin_calls(self) -> None:
        """Begin some of the calls that wait, and more after what has come meanwhile is read."""
        self._begin = None
        for _ in range(CALLS_AT_ONCE):
            call = self._waiting.next()
            if call is None:
                return
            task = asyncio.create_task(self._answer(call))
            self._calls.add(task)
            task.add_done_callback(partial(self._end, call))
        self._let_begin()

    def _end(self, call: WaitingCall, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._waiting.end(call)
        if not self._transport.lost.done():
            self._let_begin()

    async def _answer(self, waiting: WaitingCall) -> None:
        header = waiting.header
        try:
            reply = await self._handler(_call(waiting))
            await self._reply(header, reply)
        except CallError as error:
            await self._reply_error(header, error)
        except BusError as error:
            log.debug("'%s' got no answer: %s", header.sender, error)
        except Exception:  # the edge: a mistake of ours must answer its caller and stop nobody else
            log.exception("%s.%s failed", *_name(header))
            sentence = "the service made a mistake; its log says which"
            await self._reply_error(header, CallError(FAILED_ERROR, sentence))

    async def _reply(self, header: Header, reply: Reply) -> None:
        await self._send_answer(
            header,
            Outgoing(
                kind=wire.METHOD_RETURN,
                reply_serial=header.fixed.serial,
                destination=header.sender,
                signature=reply.signature,
                body=reply.body,
                descriptors=reply.descriptors,
            ),
        )

    async def _reply_error(self, header: Header, error: CallError) -> None:
        answer = Outgoing(
            kind=wire.ERROR,
            reply_serial=header.fixed.serial,
            destination=header.sender,
            error_name=error.name,
            signature="s",
            body=(str(error),),
        )
        with suppress(BusError):  # there is nobody left to tell
            await self._send_answer(header, answer)

    async def _send_answer(self, header: Header, answer: Outgoing) -> None:
        if header.wants_reply:
            async with self._turn(header.sender):
                await self._send(answer)
        else:
            close_all(answer.descriptors)

    def _turn(self, peer: str) -> asyncio.Lock:
        turn = self._turns.get(peer)
        if turn is None:
            turn = self._turns[peer] = asyncio.Lock()
        return turn

    async def _send(self, outgoing: Outgoing) -> None:
        """Send the message, and close its descriptors once the socket has taken them."""
        try:
            data = write_message(outgoing, self._next_serial())
        except BaseException:
            close_all(outgoing.descriptors)
            raise
        await self._transport.send(data, outgoing.descriptors)


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


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Connection]:
    """Connect to the bus at the address; BusError when there is none."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await _let_in(await open_transport(address))
    except TimeoutError as error:
        raise BusError(f"the bus at {address} does not answer") from error
    except (OSError, BusError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BusError(f"cannot connect to the bus at {address}: {reason}") from error
    try:
        yield connection
    finally:
        await connection.close()


async def _let_in(transport: Transport) -> Connection:
    connection = Connection(transport)
    try:
        await connection.say_hello()
    except BaseException:
        await connection.close()
        raise
    return connection


async def _nothing(_: Call) -> Reply:
    raise CallError(UNKNOWN_OBJECT_ERROR, "nothing is served here")


def _name(header: Header) -> tuple[str, str]:
    return header.text(wire.INTERFACE), header.text(wire.MEMBER)


def _call(waiting: WaitingCall) -> Call:
    """Return the call; CallError where its body is too long or cannot be read."""
    header = waiting.header
    if waiting.body is None:
        raise CallError(LIMITS_EXCEEDED_ERROR, f"a call may have {MAX_CALL_BYTES} bytes")
    try:
        body = read_body(header, waiting.body)
    except WireError as error:
        raise CallError(INVALID_ARGS_ERROR, "the arguments cannot be read") from error
    return Call(
        path=header.text(wire.PATH),
        interface=header.text(wire.INTERFACE),
        member=header.text(wire.MEMBER),
        sender=header.sender,
        signature=header.text(wire.SIGNATURE),
        body=body,
        interactive=header.interactive,
    )


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
