# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls, descriptors and signals over the bus: handed out whole, and none kept unasked for."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus

from kdumpd.dbus.connection import MAX_QUEUED_SIGNALS, Connection, connect
from kdumpd.dbus.messages import (
    BusError,
    Call,
    CallError,
    CallOptions,
    Reply,
    Signal,
    TakenError,
    Target,
)
from kdumpd.dbus.wire import variant
from tests.endurance.flood import Sort, flooded
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.namespace import needs_root

pytestmark = pytest.mark.bus

NAME = "org.kdumpd1"
SERVICE = Target(NAME, "/org/kdumpd1", "org.kdumpd1.Test")
SILENT = MessageFlag.NO_REPLY_EXPECTED
HASTY = CallOptions(seconds=1.0)
PATIENT = CallOptions(repeats=100)
Connected = Callable[[], Awaitable[Connection]]


@pytest.fixture(params=[Broker.DBUS_DAEMON, pytest.param(Broker.DBUS_BROKER, marks=needs_root)])
async def bus(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    async with private_bus(tmp_path, Broker(request.param)) as bus:
        yield bus


@pytest.fixture
async def connected(bus: Bus) -> AsyncIterator[Connected]:
    async with AsyncExitStack() as connections:

        async def another() -> Connection:
            return await connections.enter_async_context(connect(bus.address))

        yield another


def opened(file: Path) -> int:
    """Return how often this process has the file open."""
    links = []
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # of this very listing
            links.append(fd.readlink())
    return links.count(file)


class Librarian:
    """Answers every call by a descriptor of a file, and remembers what was asked."""

    def __init__(self, file: Path) -> None:
        self.calls: list[Call] = []
        self._file = file

    async def answer(self, call: Call) -> Reply:
        self.calls.append(call)
        return Reply("h", (0,), (os.open(self._file, os.O_RDONLY | os.O_CLOEXEC),))


async def test_descriptor_is_handed_out_and_not_kept(connected: Connected, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"what it holds")
    service, client = await connected(), await connected()
    librarian = Librarian(tmp_path / "file")
    service.serve(librarian.answer)
    await service.own(NAME)
    for _ in range(5):
        with os.fdopen(await client.call_for_descriptor(SERVICE, "Open"), "rb") as file:
            assert file.read() == b"what it holds"
    assert await client.call(SERVICE, "Open") == [0]  # who wants no descriptor keeps none
    assert opened(tmp_path / "file") == 0


async def test_answer_without_a_descriptor_is_an_error(connected: Connected) -> None:
    async def answer(call: Call) -> Reply:
        if call.member == "Refuse":
            raise CallError("org.kdumpd1.Error.Failed", "no")
        return Reply("u", (0,))

    service, client = await connected(), await connected()
    service.serve(answer)
    await service.own(NAME)
    with pytest.raises(BusError, match="answers Open without a descriptor"):
        await client.call_for_descriptor(SERVICE, "Open")
    with pytest.raises(CallError, match="no"):
        await client.call_for_descriptor(SERVICE, "Refuse")


async def test_callee_learns_whether_a_person_may_be_asked(
    connected: Connected, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    service, client = await connected(), await connected()
    librarian = Librarian(tmp_path / "file")
    service.serve(librarian.answer)
    await service.own(NAME)
    for interactive in (False, True):
        await client.call(SERVICE, "Open", call_options=CallOptions(interactive=interactive))
    assert [call.interactive for call in librarian.calls] == [False, True]


async def test_answer_that_nobody_waits_for_leaves_no_descriptor(
    connected: Connected, bus: Bus, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    service = await connected()
    librarian = Librarian(tmp_path / "file")
    service.serve(librarian.answer)
    await service.own(NAME)
    async with sender(bus.address) as client:
        for _ in range(5):
            await client.send(message(MessageType.METHOD_CALL, flags=SILENT))
        # The bus keeps the order, so that all are taken when this is answered.
        answer = await client.call(message(MessageType.METHOD_CALL))
    assert answer is not None
    os.close(answer.unix_fds[0])
    assert len(librarian.calls) == 6
    assert opened(tmp_path / "file") == 0


@pytest.mark.parametrize(
    "uninvited",
    [
        pytest.param((MessageType.METHOD_CALL, "h", (0,)), id="call"),
        pytest.param((MessageType.METHOD_CALL, "", ()), id="call-without-a-place-for-it"),
        pytest.param((MessageType.SIGNAL, "h", (0,)), id="signal"),
    ],
)
async def test_descriptors_that_come_uninvited_are_closed(
    connected: Connected, bus: Bus, tmp_path: Path, uninvited: tuple[MessageType, str, Any]
) -> None:
    async def refuse(_: Call) -> Reply:
        raise CallError("org.kdumpd1.Error.Failed", "no")

    bait = tmp_path / "bait"
    bait.touch()
    service = await connected()
    service.serve(refuse)
    await service.own(NAME)
    with bait.open("rb") as file:
        async with sender(bus.address) as client:
            for number in range(200):
                flags = SILENT if number % 2 else MessageFlag.NONE
                await client.send(message(*uninvited, (file.fileno(),), flags))
            await client.call(message(MessageType.METHOD_CALL))
        assert opened(bait) == 1  # the sender's


async def test_answer_with_an_uninvited_descriptor_is_taken_without_it(
    connected: Connected, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    async def answer(_: Call) -> Reply:
        return Reply("s", ("yes",), (os.open(tmp_path / "file", os.O_RDONLY),))

    service, client = await connected(), await connected()
    service.serve(answer)
    await service.own(NAME)
    assert await client.call(SERVICE, "Open") == ["yes"]
    assert opened(tmp_path / "file") == 0


async def test_descriptor_that_cannot_be_sent_is_closed(
    connected: Connected, bus: Bus, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    asked = asyncio.Event()
    gone = asyncio.Event()

    async def answer(_: Call) -> Reply:
        asked.set()
        await gone.wait()
        return Reply("h", (0,), (os.open(tmp_path / "file", os.O_RDONLY),))

    service, client = await connected(), await connected()
    service.serve(answer)
    await service.own(NAME)
    question = asyncio.create_task(client.call_for_descriptor(SERVICE, "Open", HASTY))
    await asked.wait()
    await bus.stop()
    await service.lost()
    gone.set()
    with pytest.raises(BusError):
        await question
    assert opened(tmp_path / "file") == 0


@asynccontextmanager
async def sender(address: str) -> AsyncIterator[MessageBus]:
    """Connect as one who sends what he likes."""
    bus = await MessageBus(bus_address=address, negotiate_unix_fd=True).connect()
    try:
        yield bus
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast forgot it


def message(
    kind: MessageType,
    signature: str = "",
    body: tuple[object, ...] = (),
    unix_fds: tuple[int, ...] = (),
    flags: MessageFlag = MessageFlag.NONE,
) -> Message:
    return Message(
        destination=NAME,
        path="/org/kdumpd1",
        interface="org.kdumpd1.Test",
        member="Open",
        message_type=kind,
        signature=signature,
        body=list(body),
        unix_fds=list(unix_fds),
        flags=flags,
    )


async def test_whoever_has_the_name_activated_is_answered(connected: Connected) -> None:
    """A bus hands over what was asked of the name as soon as it is owned."""
    server, client = await connected(), await connected()
    await server.own(NAME)
    asked = asyncio.create_task(client.call(SERVICE, "Ask"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asked), 0.5)
    server.serve(answer_nothing)
    assert await asked == []


async def test_whoever_asks_a_client_is_not_kept_waiting(connected: Connected) -> None:
    client, other = await connected(), await connected()
    name = client.unique_name
    with pytest.raises(CallError, match="nothing is served here"):
        await other.call(Target(name, "/", "org.kdumpd1.Test"), "Ask")


async def answer_nothing(_: Call) -> Reply:
    return Reply()


async def test_call_ends_with_the_bus(bus: Bus, connected: Connected) -> None:
    service, client = await connected(), await connected()
    asked = asyncio.Event()

    async def ask_for_ever(_: Call) -> Reply:
        asked.set()
        await asyncio.Event().wait()
        return Reply()

    service.serve(ask_for_ever)
    await service.own(NAME)
    call = asyncio.create_task(
        client.call(SERVICE, "Wait", call_options=CallOptions(seconds=600.0))
    )
    async with asyncio.timeout(20):
        await asked.wait()
        await bus.stop()
        with pytest.raises(BusError, match="the bus"):
            await call


async def told(queue: asyncio.Queue[Signal]) -> Signal:
    """Return the next signal of a queue, in bounded time."""
    async with asyncio.timeout(20):
        return await queue.get()


def signal(member: str, signature: str = "", *body: object) -> Signal:
    return Signal(
        path=SERVICE.path,
        interface=SERVICE.interface,
        member=member,
        signature=signature,
        body=body,
    )


async def test_signals_come_with_what_they_say_and_who_says_it(connected: Connected) -> None:
    service, client = await connected(), await connected()
    await service.own(NAME)
    heard = await client.listen(SERVICE, "Rang", "Fell")
    await service.emit(signal("Rang", "uv", 7, variant("as", ["a", "b"])))
    await service.emit(signal("Sang"))
    await service.emit(signal("Fell", "s", "down"))
    first, second = await told(heard), await told(heard)
    assert (first.member, first.signature, first.body) == ("Rang", "uv", (7, ["a", "b"]))
    assert (second.member, second.body) == ("Fell", ("down",))
    assert first.sender == second.sender == await client.owner(NAME) != ""
    assert heard.empty()


async def test_signal_of_another_sender_says_so(connected: Connected, bus: Bus) -> None:
    """Rules keep away what a stranger tells everybody, but not what he tells one alone."""
    service, client, stranger = await connected(), await connected(), await connected()
    await service.own(NAME)
    await client.own("org.kdumpd1.Listener")
    heard = await client.listen(SERVICE, "Open")
    await stranger.emit(signal("Open"))
    async with sender(bus.address) as other:
        told_alone = message(MessageType.SIGNAL)
        told_alone.destination = "org.kdumpd1.Listener"
        await other.send(told_alone)
        assert (await told(heard)).sender == other.unique_name != await client.owner(NAME)
    assert heard.empty()


async def test_signals_that_nobody_takes_are_bounded(connected: Connected) -> None:
    service, client = await connected(), await connected()
    await service.own(NAME)
    heard = await client.listen(SERVICE, "Rang")
    last = asyncio.Event()
    await client.follow(SERVICE, "Last", last.set)
    for number in range(MAX_QUEUED_SIGNALS + 10):
        await service.emit(signal("Rang", "u", number))
    await service.emit(signal("Last"))
    async with asyncio.timeout(20):
        await last.wait()
    numbers = [heard.get_nowait().body[0] for _ in range(heard.qsize())]
    assert numbers == list(range(MAX_QUEUED_SIGNALS))


async def test_hint_about_one_thing_only(connected: Connected) -> None:
    service, client = await connected(), await connected()
    await service.own(NAME)
    hints: list[str] = []
    last = asyncio.Event()
    await client.follow(SERVICE, "Rang", lambda: hints.append("bell"), "bell")
    await client.follow(SERVICE, "Last", last.set)
    await service.emit(signal("Rang", "s", "phone"))
    await service.emit(signal("Rang", "s", "bell"))
    await service.emit(signal("Last"))
    async with asyncio.timeout(20):
        await last.wait()
    assert hints == ["bell"]


async def test_name_that_another_has(connected: Connected) -> None:
    first, second = await connected(), await connected()
    await first.own(NAME)
    await first.own(NAME)
    with pytest.raises(TakenError, match="is taken"):
        await second.own(NAME)
    assert await second.owner("org.kdumpd1.Nobody") == ""


async def test_text_that_is_not_ascii_stays_text(connected: Connected) -> None:
    """dbus-fast 1.84.2 counts its characters instead of its bytes, and the bus hangs up."""
    service, client = await connected(), await connected()

    async def refuse(call: Call) -> Reply:
        if call.member == "Tell":
            return Reply("sa{sv}", ("caf\u00e9", {"of": variant("as", ["\u00fc"])}))
        raise CallError(NAME + ".Error.Odd", "no property \u00e4")

    service.serve(refuse)
    await service.own(NAME)
    text, table = await client.call(SERVICE, "Tell")
    assert text in {"caf\u00e9", "caf\\xe9"}
    assert table in ({"of": ["\u00fc"]}, {"of": ["\\xfc"]})
    with pytest.raises(CallError, match="no property "):
        await client.call(SERVICE, "Ask")
    assert await client.call(SERVICE, "Tell") == [text, table]


async def test_connection_that_is_flooded_is_renewed(bus: Bus, connected: Connected) -> None:
    """It keeps its name, its rules and what it asked; who waits for it asks again."""
    silent = Sort(interface=SERVICE.interface, member="Shout", silent=True)
    client = await connected()
    hints = asyncio.Event()
    async with connect(bus.address, renewed=True) as service, AsyncExitStack() as strangers:
        service.serve(answer_nothing)
        await service.own(NAME)
        rung = Target("org.kdumpd1.Bell", "/bell", "org.kdumpd1.Bell")
        await service.follow(rung, "Rang", hints.set)
        before = service.unique_name
        for _ in range(8):
            await strangers.enter_async_context(flooded(bus.address, silent, NAME, uid=os.getuid()))
        async with asyncio.timeout(60):
            while service.unique_name == before:
                assert await client.call(SERVICE, "Ask", call_options=PATIENT) == []
        await strangers.aclose()
        assert await client.call(SERVICE, "Ask", call_options=PATIENT) == []
        assert await client.owner(NAME) == service.unique_name
        assert await service.owner(NAME) == service.unique_name
        assert hints.is_set()  # what was told meanwhile may have been lost
        hints.clear()
        await client.own(rung.name)
        ringing = Signal(path=rung.path, interface=rung.interface, member="Rang")
        await client.emit(ringing)
        async with asyncio.timeout(20):
            await hints.wait()
    with pytest.raises(CallError):
        await client.call(SERVICE, "Ask")


async def test_flood_of_who_is_not_renewed(bus: Bus, connected: Connected) -> None:
    service, client = await connected(), await connected()
    service.serve(answer_nothing)
    await service.own(NAME)
    before = service.unique_name
    silent = Sort(interface=SERVICE.interface, member="Shout", silent=True)
    async with flooded(bus.address, silent, NAME, uid=os.getuid(), count=5_000) as flood:
        await flood.until_done()
    assert await client.call(SERVICE, "Ask") == []
    assert service.unique_name == before
