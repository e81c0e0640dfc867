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
from dataclasses import replace
from functools import partial
from weakref import WeakValueDictionary

from kdumpd.dbus import wire
from kdumpd.dbus.messages import (
    DEFAULT_CALL_OPTIONS,
    FAILED_ERROR,
    INVALID_ARGS_ERROR,
    LIMITS_EXCEEDED_ERROR,
    MESSAGE_BUS,
    NO_REPLY_ERROR,
    PEER_INTERFACE,
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
from kdumpd.dbus.session import (
    Answer,
    LeftError,
    RareWarning,
    Session,
    open_session,
)
from kdumpd.dbus.transport import StalledError, close_all
from kdumpd.dbus.waiting_calls import WaitingCall, WaitingCalls
from kdumpd.dbus.wire import Header, Outgoing, WireError, read_body

log = logging.getLogger(__name__)

CALLS_AT_ONCE = 8  # begin before what has come meanwhile is read
MAX_CALL_BYTES = 32 << 10
MAX_SIGNAL_BYTES = 256 << 10
MAX_QUEUED_SIGNALS = 256  # that nobody has taken out of a queue yet
MESSAGES_AT_ONCE = 256  # after which it is looked how late they come
READS_TO_BE_SURE = 8
MAX_DELAY_S = 0.3  # of a message to ourselves, after which the bus keeps back too much for us
MAX_STALL_S = 1.0  # after which a bus that takes nothing is left

# Flags and answers of RequestName (D-Bus specification).
ALLOW_REPLACEMENT, REPLACE_EXISTING, DO_NOT_QUEUE = 1, 2, 4
REPLY_PRIMARY_OWNER, REPLY_ALREADY_OWNER = 1, 4

Handler = Callable[[Call], Awaitable[Reply]]


class Connection:
    """A connection to a bus: sends one message at a time, and answers every call."""

    def __init__(self, address: str, *, renewed: bool) -> None:
        self._address = address
        self._renewed = renewed
        self._session: Session  # of `open`
        # Of each peer's answers, one at a time waits for the socket: who asks much waits longest.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._handler: Handler = _nothing
        self._served = asyncio.Event()
        self._names: list[str] = []
        self._rules: list[str] = []
        self._hints: list[Callable[[], object]] = []
        # By interface and member.
        self._listeners: dict[tuple[str, str], Callable[[Signal], object]] = {}
        self._waiting = WaitingCalls()
        self._calls: set[asyncio.Task[None]] = set()
        self._begin: asyncio.Handle | None = None
        self._dropped = RareWarning()
        self._probe: asyncio.Task[None] | None = None
        self._probed = asyncio.Event()
        self._renewing = asyncio.Lock()
        self._messages = 0  # calls and signals that came
        self._loss: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def unique_name(self) -> str:
        """The name that the bus gave us."""
        return self._session.unique_name

    async def open(self) -> None:
        """Connect to the bus; BusError when there is none."""
        self._session = await open_session(self._address, self)
        self._session.call_when_lost(self._lose)

    def _lose(self, reason: str) -> None:
        if not self._loss.done():
            self._loss.set_result(reason)

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
        await self._own(self._session, name)
        self._names.append(name)

    async def _own(self, session: Session, name: str) -> None:
        renewal = ALLOW_REPLACEMENT | REPLACE_EXISTING if session is not self._session else 0
        flags = DO_NOT_QUEUE | (ALLOW_REPLACEMENT if self._renewed else 0) | renewal
        try:
            answer = await session.ask(MESSAGE_BUS, "RequestName", "su", [name, flags])
        except CallError as error:
            raise BusError(f"the bus refuses the name {name}: {error}") from error
        if answer.body[0] not in {REPLY_PRIMARY_OWNER, REPLY_ALREADY_OWNER}:
            raise TakenError(f"the name {name} is taken: another program on this bus has it")

    async def disown(self, name: str) -> None:
        """Give the name back: who calls it after this starts the service anew, or finds none."""
        self._names.remove(name)
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
        outgoing = Outgoing(
            kind=wire.SIGNAL,
            path=signal.path,
            interface=signal.interface,
            member=signal.member,
            signature=signal.signature,
            body=signal.body,
        )
        while True:
            session = self._session
            try:
                return await self._send(session, outgoing)
            except BusError as error:
                if session is not self._session:
                    continue  # it was renewed meanwhile
                if not self._renewed or self._loss.done():
                    raise
                self._dropped.add(f"the signal {signal.member}: {error}")
                return None

    async def follow(
        self, source: Target, member: str, hint: Callable[[], object], about: str = ""
    ) -> None:
        """Call `hint` on the loop at each such signal; what the signal says is not passed on.

        `about` is the signal's first argument, where only those with it are meant.
        """
        self._hints.append(hint)
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
        self._rules.append(text)
        await self.call(MESSAGE_BUS, "AddMatch", "s", [text])

    async def lost(self) -> str:
        """Wait until the bus is lost, and return why."""
        return await asyncio.shield(self._loss)

    async def close(self) -> None:
        """Answer no more, and leave the bus."""
        self._session.pause()
        self._waiting.clear()
        tasks = [*self._calls, *([self._probe] if self._probe is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._session.leave()

    def max_body_bytes(self, header: Header) -> int:
        """Return how long the body of a message may be; -1 where nobody waits for the message."""
        if header.fixed.kind == wire.METHOD_CALL:
            return MAX_CALL_BYTES
        if header.fixed.kind == wire.SIGNAL and _name(header) in self._listeners:
            return MAX_SIGNAL_BYTES
        return -1

    def take(self, header: Header, body: bytes | None) -> None:
        """Take a call or a signal that came."""
        self._count_messages()
        if self._probe is not None and header.sender == self.unique_name:
            self._probed.set()
        elif header.fixed.kind == wire.METHOD_CALL:
            self._take_call(WaitingCall(header, body))
        elif header.fixed.kind == wire.SIGNAL and _name(header) in self._listeners:
            self._take_signal(header, body)

    def drop(self, what: str) -> None:
        """Take note of a message that is dropped."""
        self._dropped.add(what)

    async def _ask(
        self, target: Target, member: str, signature: str, body: Body, call_options: CallOptions
    ) -> Answer:
        """Return the answer to a call, whose descriptors are then the caller's to close."""
        loop = asyncio.get_running_loop()
        end = loop.time() + call_options.seconds
        unanswered: list[CallError] = []
        while True:
            session = self._session
            rest = replace(call_options, seconds=max(end - loop.time(), 0.0))
            try:
                return await session.ask(target, member, signature, body, rest)
            except LeftError:
                if session is self._session:
                    raise
            except CallError as error:
                if not error.of_the_bus:
                    raise
                left = error.name == NO_REPLY_ERROR
                if not left or len(unanswered) == call_options.repeats:
                    raise (unanswered or [error])[0] from error
                unanswered.append(error)

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

    def _count_messages(self) -> None:
        """Look after so many messages whether the bus keeps back more of them.

        A bus bounds for how many answers a peer may wait, but neither how many peers one user has
        nor how much else they send.
        """
        self._messages += 1
        if self._messages % MESSAGES_AT_ONCE == 0 and self._probe is None and self._renewed:
            self._probe = asyncio.create_task(self._see_delay())

    async def _see_delay(self) -> None:
        """Renew the connection where the bus keeps back more for us than can be read in time.

        dbus-daemon queues up to 127 MB for a peer (max_outgoing_bytes, system.conf) and writes it
        2 KiB at a time (dbus-transport-socket.c); what others send then waits behind it.
        """
        session = self._session
        self._probed.clear()
        probe = Outgoing(
            kind=wire.METHOD_CALL,
            flags=wire.NO_REPLY_EXPECTED,
            destination=session.unique_name,
            path="/",
            interface=PEER_INTERFACE,
            member="Ping",
        )
        try:
            await self._send(session, probe)
            with suppress(TimeoutError):
                async with asyncio.timeout(MAX_DELAY_S):
                    await self._probed.wait()
            for _ in range(READS_TO_BE_SURE):  # the bus may be in time, and this process late
                await asyncio.sleep(0)
            if not self._probed.is_set():
                await self._renew(session)
        except BusError as error:
            log.debug("the bus takes no message to ourselves: %s", error)
        finally:
            self._probe = None

    async def _send(self, session: Session, outgoing: Outgoing) -> None:
        """Send by the session, and renew that where it can be and takes nothing for too long."""
        if not self._renewed:
            return await session.send(outgoing)
        try:
            return await session.send(outgoing, MAX_STALL_S)
        except StalledError:
            await self._renew(session)
            raise

    async def _renew(self, session: Session) -> None:
        """Take a new session in the place of this one, and let the bus forget what it kept."""
        async with self._renewing:
            if session is not self._session:
                return
            session.pause()
            try:
                self._session = await self._another_session()
            except (BusError, CallError) as error:
                self._dropped.add(f"a connection to the bus that did not come about: {error}")
                session.resume()
                return
            session.leave()
            self._session.call_when_lost(self._lose)
            self._waiting.clear()
        for hint in self._hints:
            hint()

    async def _another_session(self) -> Session:
        """Return a session that has our names, and hears what this one hears."""
        session = await open_session(self._address, self)
        try:
            rules = [session.ask(MESSAGE_BUS, "AddMatch", "s", [rule]) for rule in self._rules]
            await asyncio.gather(*rules)
            for name in self._names:
                await self._own(session, name)
        except BaseException:
            session.leave()
            raise
        return session

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
        self._let_begin()

    async def _answer(self, waiting: WaitingCall) -> None:
        header, session = waiting.header, self._session
        try:
            reply = await self._handler(_call(waiting))
            await self._send_answer(session, header, _reply(header, reply))
        except CallError as error:
            await self._send_error(session, header, error)
        except BusError as error:
            log.debug("'%s' got no answer: %s", header.sender, error)
        except Exception:  # the edge: a mistake of ours must answer its caller and stop nobody else
            log.exception("%s.%s failed", *_name(header))
            sentence = "the service made a mistake; its log says which"
            await self._send_error(session, header, CallError(FAILED_ERROR, sentence))

    async def _send_error(self, session: Session, header: Header, error: CallError) -> None:
        try:
            await self._send_answer(session, header, _error(header, error))
        except BusError as lost:
            log.debug("'%s' got no answer: %s", header.sender, lost)

    async def _send_answer(self, session: Session, header: Header, answer: Outgoing) -> None:
        """Send the answer by the session that brought the call: a bus takes it from no other."""
        if header.wants_reply:
            async with self._turn(header.sender):
                await self._send(session, answer)
        else:
            close_all(answer.descriptors)

    def _turn(self, peer: str) -> asyncio.Lock:
        turn = self._turns.get(peer)
        if turn is None:
            turn = self._turns[peer] = asyncio.Lock()
        return turn


@asynccontextmanager
async def connect(address: str, *, renewed: bool = False) -> AsyncIterator[Connection]:
    """Connect to the bus at the address; BusError when there is none.

    One that is renewed connects once more when strangers send it more than the bus can deliver in
    time: whoever waits for an answer then is told that there is none, and can ask again at once.
    """
    connection = Connection(address, renewed=renewed)
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()


async def _nothing(_: Call) -> Reply:
    raise CallError(UNKNOWN_OBJECT_ERROR, "nothing is served here")


def _name(header: Header) -> tuple[str, str]:
    return header.text(wire.INTERFACE), header.text(wire.MEMBER)


def _reply(header: Header, reply: Reply) -> Outgoing:
    return Outgoing(
        kind=wire.METHOD_RETURN,
        reply_serial=header.fixed.serial,
        destination=header.sender,
        signature=reply.signature,
        body=reply.body,
        descriptors=reply.descriptors,
    )


def _error(header: Header, error: CallError) -> Outgoing:
    return Outgoing(
        kind=wire.ERROR,
        reply_serial=header.fixed.serial,
        destination=header.sender,
        error_name=error.name,
        signature="s",
        body=(str(error),),
    )


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
