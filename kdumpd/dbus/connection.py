# SPDX-License-Identifier: GPL-2.0-or-later
"""The message bus: the one module that knows the D-Bus library.

Everything is served and asked at message level. dbus-fast's high-level classes send InterfacesAdded
from the wrong object, build GetManagedObjects in quadratic time and hide who calls.
"""

import asyncio
import logging
import os
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, cast
from weakref import WeakValueDictionary

from dbus_fast import Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, DBusError, InvalidAddressError

from kdumpd.dbus.messages import (
    FAILED_ERROR,
    KDUMPD_BUS_NAME,
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

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
SEND_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 2.0
# Under way at once: a bus bounds for how many answers a peer may wait, but not calls without one.
MAX_SILENT_CALLS = 16
MAX_QUEUED_SIGNALS = 256  # that nobody has taken out of a queue yet

NAME_FLAG_DO_NOT_QUEUE = 4  # flag and answers of RequestName (D-Bus specification)
REPLY_PRIMARY_OWNER, REPLY_ALREADY_OWNER = 1, 4


MESSAGE_BUS = Target("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
DEFAULT_CALL_OPTIONS = CallOptions()
Handler = Callable[[Call], Awaitable[Reply]]


def variant(signature: str, value: Any) -> Variant:  # noqa: ANN401  # any D-Bus value
    """Return a value with its type, as a{sv} and v want it."""
    return Variant(signature, value)


def plain(value: Any) -> Any:  # noqa: ANN401  # any D-Bus value
    """Return the value without the variants around it and inside."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, bytearray):  # dbus-fast 1.84's byte strings
        return bytes(value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


class Connection:
    """A connection to a bus: sends one message at a time, and answers every call."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        # dbus-fast disconnects on a full socket (EAGAIN), and 1.84 sends its queue in reverse: it
        # is given a message only when the socket takes one. There is no public way to the socket.
        self._socket = os.dup(cast("int", bus._fd))  # noqa: SLF001
        self._sending = asyncio.Lock()
        # Of each peer's answers, one at a time waits for the socket: who asks much waits longest.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._sent: asyncio.Future[None] | None = None
        self._handler: Handler = _nothing
        self._served = asyncio.Event()
        # By interface and member.
        self._listeners: dict[tuple[str, str], Callable[[Message], object]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._silent_calls: set[asyncio.Task[None]] = set()
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._loss = asyncio.create_task(_loss(bus))
        bus.add_message_handler(self._receive)

    def serve(self, handler: Handler) -> None:
        """Answer method calls by the handler, which raises CallError for an error answer."""
        self._handler = handler
        self._served.set()

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
        calls = self._calls | self._silent_calls
        if calls:
            await asyncio.wait(calls, timeout=seconds)

    async def call(
        self,
        target: Target,
        member: str,
        signature: str = "",
        body: Body | None = None,
        call_options: CallOptions = DEFAULT_CALL_OPTIONS,
    ) -> Body:
        """Return the answer's body without variants; CallError for an error, BusError for none."""
        answer = await self._ask(
            _question(target, member, signature, body, call_options), call_options
        )
        _close(answer.unix_fds)
        return [plain(value) for value in answer.body]

    async def call_for_descriptor(
        self, target: Target, member: str, call_options: CallOptions = DEFAULT_CALL_OPTIONS
    ) -> int:
        """Return the one descriptor that the answer brings, which the caller closes.

        CallError for an error, BusError for no answer or one without a descriptor.
        """
        answer = await self._ask(_question(target, member, "", None, call_options), call_options)
        if answer.signature != "h" or len(answer.unix_fds) != 1:
            _close(answer.unix_fds)
            raise BusError(f"{target.name} answers {member} without a descriptor")
        (fd,) = answer.unix_fds
        return fd

    async def emit(self, signal: Signal) -> None:
        """Send a signal to everybody; returns when the socket took it."""
        await self._send(
            Message(
                message_type=MessageType.SIGNAL,
                path=signal.path,
                interface=signal.interface,
                member=signal.member,
                signature=signal.signature,
                body=list(signal.body),
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

        def take(message: Message) -> None:
            with suppress(asyncio.QueueFull):
                signals.put_nowait(_signal(message))

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
        self, interest: Interest, member: str, take: Callable[[Message], object]
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
        return await asyncio.shield(self._loss)

    async def close(self) -> None:
        """Answer no more, and leave the bus."""
        calls = self._calls | self._silent_calls
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        self._bus.disconnect()
        await asyncio.wait([self._loss], timeout=CLOSE_TIMEOUT_S)
        self._loss.cancel()
        os.close(self._socket)

    async def _ask(self, message: Message, call_options: CallOptions) -> Message:
        """Return the answer to a call, whose descriptors are then the caller's to close."""
        message.serial = self._bus.next_serial()
        answer = self._answers[message.serial] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(call_options.seconds):
                await self._send(message)
                await asyncio.wait([answer, self._loss], return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError as error:
            raise BusError(f"{message.destination} does not answer {message.member}") from error
        finally:
            del self._answers[message.serial]
        if not answer.done():
            raise BusError(await self.lost())
        got: Message = answer.result()
        if got.message_type is MessageType.ERROR:
            _close(got.unix_fds)
            text = str(got.body[0]) if got.body else ""
            of_the_bus = got.sender == MESSAGE_BUS.name
            raise CallError(got.error_name or "", text, of_the_bus=of_the_bus)
        return got

    async def _once_served(self, call: Call) -> Reply:
        await self._served.wait()
        return await self._handler(call)

    def _receive(self, message: Message) -> bool:
        if message.message_type in {MessageType.METHOD_RETURN, MessageType.ERROR}:
            answer = self._answers.get(message.reply_serial)
            if answer is not None and not answer.done():
                answer.set_result(message)
                return True
        _close(message.unix_fds)  # nobody asked for them, and they would stay open for ever
        if message.message_type is MessageType.METHOD_CALL:
            self._take_call(message)
        if message.message_type is MessageType.SIGNAL:
            take = self._listeners.get((message.interface or "", message.member or ""))
            if take is not None:
                take(message)
        return True

    def _take_call(self, message: Message) -> None:
        silent = MessageFlag.NO_REPLY_EXPECTED in message.flags
        if silent and len(self._silent_calls) >= MAX_SILENT_CALLS:
            return
        calls = self._silent_calls if silent else self._calls
        task = asyncio.create_task(self._answer(message))
        calls.add(task)
        task.add_done_callback(calls.discard)

    async def _answer(self, message: Message) -> None:
        try:
            reply = await self._handler(_call(message))
            answer = Message.new_method_return(
                message, reply.signature, list(reply.body), list(reply.descriptors)
            )
            await self._reply(message, answer)
        except CallError as error:
            await self._reply(message, Message.new_error(message, error.name, str(error)))
        except BusError as error:
            log.debug("'%s' got no answer: %s", message.sender, error)
        except Exception:  # the edge: a mistake of ours must answer its caller and stop nobody else
            log.exception("%s.%s failed", message.interface, message.member)
            sentence = "the service made a mistake; its log says which"
            await self._reply(message, Message.new_error(message, FAILED_ERROR, sentence))

    async def _reply(self, message: Message, answer: Message) -> None:
        if MessageFlag.NO_REPLY_EXPECTED in message.flags:
            _close(answer.unix_fds)
        else:
            async with self._turn(message.sender or ""):
                await self._send(answer)

    def _turn(self, peer: str) -> asyncio.Lock:
        turn = self._turns.get(peer)
        if turn is None:
            turn = self._turns[peer] = asyncio.Lock()
        return turn

    async def _send(self, message: Message) -> None:
        """Send the message, and close its descriptors once the socket has taken them."""
        if COUNTS_CHARACTERS:
            message.body = _in_ascii(message.body)
        descriptors = message.unix_fds
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S), self._sending:
                # Half a message cannot be taken back, nor the numbers of its descriptors.
                if self._sent is not None:
                    await asyncio.wait([self._sent])
                await self._writable()
                if self._loss.done():
                    raise BusError("the bus was lost")
                self._sent = self._bus.send(message)
                self._sent.add_done_callback(partial(_close_sent, descriptors))
                descriptors = []
                await asyncio.shield(self._sent)
        except TimeoutError as error:
            raise BusError(f"the bus took no message for {SEND_TIMEOUT_S:g} s") from error
        except (OSError, EOFError) as error:
            raise BusError(f"the bus was lost: {_reason(error)}") from error
        finally:
            _close(descriptors)

    async def _writable(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        if poll.poll(0):
            return
        loop = asyncio.get_running_loop()
        writable = asyncio.Event()
        loop.add_writer(self._socket, writable.set)
        try:
            await writable.wait()
        finally:
            loop.remove_writer(self._socket)


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Connection]:
    """Connect to the bus at the address; BusError when there is none."""
    try:
        bus = MessageBus(bus_address=address, negotiate_unix_fd=True)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await bus.connect()
    except TimeoutError as error:
        raise BusError(f"the bus at {address} does not answer") from error
    except (OSError, EOFError, AuthError, InvalidAddressError) as error:
        raise BusError(f"cannot connect to the bus at {address}: {_reason(error)}") from error
    connection = Connection(bus)
    try:
        yield connection
    finally:
        await connection.close()


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "it closed the connection"
    if isinstance(error, AuthError):
        return f"it does not take uid {os.geteuid()}: {error}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


async def _loss(bus: MessageBus) -> str:
    try:
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast has no types here
    except (OSError, EOFError, DBusError) as error:
        return f"the bus was lost: {_reason(error)}"
    return "the bus closed the connection"


def _counts_characters() -> bool:
    """Return whether the library gives a string's length in characters instead of bytes.

    dbus-fast 1.84.2 of Debian 12 does, and the bus hangs up on whoever sends that.
    """
    text = "\N{LATIN SMALL LETTER A WITH DIAERESIS}"
    message = Message(
        message_type=MessageType.SIGNAL,
        path="/",
        interface=KDUMPD_BUS_NAME,
        member="Probe",
        signature="s",
        body=[text],
        serial=1,
    )
    sent = bytes(message._marshall(False))  # noqa: SLF001, FBT003  # no public way to its bytes
    return not sent.endswith(b"\2\0\0\0" + text.encode() + b"\0")


COUNTS_CHARACTERS = _counts_characters()


def _in_ascii(value: Any) -> Any:  # noqa: ANN401  # any D-Bus value
    """Return the value with everything in its texts escaped that is not ASCII."""
    if isinstance(value, str):
        return value.encode("ascii", "backslashreplace").decode("ascii")
    if isinstance(value, Variant):
        return Variant(value.signature, _in_ascii(value.value))
    if isinstance(value, dict):
        return {_in_ascii(key): _in_ascii(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_in_ascii(inner) for inner in value]
    return value


async def _nothing(_: Call) -> Reply:
    raise CallError(UNKNOWN_OBJECT_ERROR, "nothing is served here")


def _call(message: Message) -> Call:
    return Call(
        path=message.path or "",
        interface=message.interface or "",
        member=message.member or "",
        sender=message.sender or "",
        signature=message.signature,
        body=message.body,
        interactive=MessageFlag.ALLOW_INTERACTIVE_AUTHORIZATION in message.flags,
    )


def _signal(message: Message) -> Signal:
    return Signal(
        path=message.path or "",
        interface=message.interface or "",
        member=message.member or "",
        signature=message.signature,
        body=tuple(plain(value) for value in message.body),
        sender=message.sender or "",
    )


def _question(
    target: Target, member: str, signature: str, body: Body | None, call_options: CallOptions
) -> Message:
    interactive = MessageFlag.ALLOW_INTERACTIVE_AUTHORIZATION
    return Message(
        destination=target.name,
        path=target.path,
        interface=target.interface,
        member=member,
        signature=signature,
        body=body or [],
        flags=interactive if call_options.interactive else MessageFlag.NONE,
    )


def _close(descriptors: Iterable[int]) -> None:
    for fd in descriptors:
        os.close(fd)


def _close_sent(descriptors: Iterable[int], sent: asyncio.Future[None]) -> None:
    _close(descriptors)
    if not sent.cancelled():
        sent.exception()  # whoever waited for it may have given up
