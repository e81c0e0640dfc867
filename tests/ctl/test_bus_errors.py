# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpdctl says where the bus answers in the place of the service: never the bus's words."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from dbus_next import Message, Variant
from dbus_next.aio import MessageBus
from dbus_next.constants import MessageType, RequestNameReply

from tests.ctl.terminal import printed
from tests.ctl.test_watch import watching
from tests.support.message_bus import Broker, Bus, private_bus

pytestmark = pytest.mark.bus

KDUMPD, TRIGGER = "org.kdumpd1", "org.kdumpd1.Trigger"
DBUS_ERROR = "org.freedesktop.DBus.Error."
MASKED = "org.freedesktop.systemd1.UnitMasked"
SENTENCE = "A call may have 8 bytes."
QUESTIONS = (("status",), ("check",), ("list",), ("info",), ("path",), ("acknowledge", "--all"))
BUS_WAITS_S = 25  # for a name that it has started
Answer = Callable[[MessageBus, Message], Message | None]


@pytest.fixture(params=Broker)
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bus]:
    async with private_bus(tmp_path, request.param) as bus:
        yield bus


@asynccontextmanager
async def answering(address: str, answer: Answer, name: str = KDUMPD) -> AsyncIterator[None]:
    """Have somebody own the name who answers each call so."""
    bus = await MessageBus(bus_address=address).connect()

    def take(message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        return answer(bus, message) or True

    bus.add_message_handler(take)
    assert await bus.request_name(name) is RequestNameReply.PRIMARY_OWNER
    try:
        yield
    finally:
        bus.disconnect()
        with suppress(EOFError):
            async with asyncio.timeout(5):
                await bus.wait_for_disconnect()
        # dbus-next leaves its socket to the garbage collector, and has no public way to close it.
        bus._stream.close()
        bus._sock.close()


def with_error(name: str) -> Answer:
    return lambda _, message: Message.new_error(message, name, SENTENCE)


def leave(bus: MessageBus, _: Message) -> None:
    """Be gone without an answer, as a daemon is that finds the ledger of a newer one."""
    bus.disconnect()


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
async def test_a_service_that_is_gone_before_it_answers(
    bus: Bus, question: tuple[str, ...]
) -> None:
    async with answering(bus.address, leave):
        told = await printed(*question, environment={"DBUS_SYSTEM_BUS_ADDRESS": bus.address})
    assert "kdumpd ended before it answered on the bus 'system'" in told.words
    assert "journalctl -u kdumpd" in told.words
    if "This is a look without kdumpd" not in told.words:
        assert (told.status, told.out) == (4, "")


SYSTEMD = "org.freedesktop.systemd1"
UNIT_PATHS = {
    f"/org/freedesktop/systemd1/unit/{unit}_2eservice" for unit in ("kdumpd", "kdumpd_2dtrigger")
}
FAILED = {"ActiveState": "failed", "SubState": "failed"}
TO_BE_REPEATED = {"ActiveState": "activating", "SubState": "auto-restart"}


def saying(state: Mapping[str, str], *jobs: int) -> Answer:
    """Tell of any unit that it is in this state, with one of these jobs after the other."""
    coming = iter(jobs)

    def answer(_: MessageBus, message: Message) -> Message:
        assert message.path in UNIT_PATHS
        assert (message.member, message.body) == ("GetAll", [f"{SYSTEMD}.Unit"])
        job = Variant("(uo)", [next(coming, 0), "/"])
        states = {name: Variant("s", value) for name, value in state.items()}
        return Message.new_method_return(message, "a{sv}", [{**states, "Job": job}])

    return answer


@asynccontextmanager
async def starting_nobody(directory: Path) -> AsyncIterator[Bus]:
    """Have a bus that waits for the two names: what it starts ends well, and takes no name."""
    services = directory / "services"
    services.mkdir()
    for name in (KDUMPD, TRIGGER):
        (services / f"{name}.service").write_text(f"[D-BUS Service]\nName={name}\nExec=/bin/true\n")
    config = f"<servicedir>{services}</servicedir>"
    async with private_bus(directory, Broker.DBUS_DAEMON, config=config) as bus:
        yield bus


@pytest.mark.parametrize("state", [FAILED, TO_BE_REPEATED], ids=["failed", "to-be-repeated"])
async def test_a_unit_that_fails_is_told_before_the_bus_gives_up(
    tmp_path: Path, state: Mapping[str, str]
) -> None:
    began = time.monotonic()
    async with (
        starting_nobody(tmp_path) as bus,
        answering(bus.address, saying(state, 7), SYSTEMD),
    ):
        told = await printed("list", "--bus", bus.address)
        assert (told.status, told.out) == (4, "")
        assert told.words == f"kdumpd ended before it answered on the bus '{bus.address}'.\n"
        test = await printed("test", "--dry-run", "--bus", bus.address)
        assert test.status == 4
        assert "kdumpd-trigger ended before it answered" in test.words
    assert time.monotonic() - began < BUS_WAITS_S


async def test_a_service_that_ends_late_and_fails_when_started_again(tmp_path: Path) -> None:
    """It has the name for a while, as a daemon that finds a wrong ledger only then."""

    def leave_later(bus: MessageBus, _: Message) -> None:
        asyncio.get_running_loop().call_later(2.5, bus.disconnect)

    began = time.monotonic()
    async with (
        starting_nobody(tmp_path) as bus,
        answering(bus.address, leave_later),
        answering(bus.address, saying(FAILED), SYSTEMD),
    ):
        told = await printed("list", "--bus", bus.address)
    assert (told.status, told.out) == (4, "")
    assert told.words == f"kdumpd ended before it answered on the bus '{bus.address}'.\n"
    assert time.monotonic() - began < BUS_WAITS_S


async def test_a_service_that_is_slow_is_waited_for_whatever_its_unit(bus: Bus) -> None:
    """Somebody may have started it by hand, beside a unit that failed."""

    def answer_later(bus: MessageBus, message: Message) -> None:
        later = Message.new_method_return(message, "a{oa{sa{sv}}}", [{}])
        asyncio.get_running_loop().call_later(3, bus.send, later)

    async with (
        answering(bus.address, answer_later),
        answering(bus.address, saying(FAILED), SYSTEMD),
    ):
        told = await printed("info", "--bus", bus.address)
    assert (told.status, told.words) == (1, "No captures found.\n")


DENIED = (
    '<policy context="mandatory"><deny send_destination="org.kdumpd1"'
    ' send_type="method_call"/></policy>'
)
NO_REPLIES = '<limit name="max_replies_per_connection">0</limit>'


@pytest.mark.parametrize(
    ("broker", "config", "words"),
    [
        (Broker.DBUS_DAEMON, DENIED, "The message bus does not allow that."),
        (Broker.DBUS_BROKER, DENIED, "The message bus does not allow that."),
        (
            Broker.DBUS_DAEMON,
            NO_REPLIES,
            "Too many messages are under way on the message bus. Try again later.",
        ),
    ],
)
async def test_no_word_of_the_bus_is_told(
    tmp_path: Path, broker: Broker, config: str, words: str
) -> None:
    async with private_bus(tmp_path, broker, config=config) as bus, answering(bus.address, leave):
        for question in QUESTIONS:
            told = await printed(*question, "--bus", bus.address)
            assert (told.status, told.out) == (4, "")
            assert told.words.splitlines()[-1] == words


async def test_a_sentence_of_the_service_is_told_whatever_the_name(bus: Bus) -> None:
    async with answering(bus.address, with_error(f"{DBUS_ERROR}LimitsExceeded")):
        told = await printed("path", "--bus", bus.address)
    assert (told.status, told.out, told.words) == (1, "", f"{SENTENCE}\n")


async def test_a_unit_that_is_masked_is_told_as_masked(bus: Bus) -> None:
    environment = {"DBUS_SYSTEM_BUS_ADDRESS": bus.address}
    async with (
        answering(bus.address, with_error(MASKED)),
        answering(bus.address, with_error(MASKED), TRIGGER),
    ):
        for question in QUESTIONS:
            told = (await printed(*question, environment=environment)).words
            assert "kdumpd does not run on the bus 'system'" in told
            assert "Its unit is masked. To allow its start: systemctl unmask kdumpd\n" in told
            assert "systemctl start" not in told
        test = await printed("test", "--dry-run", environment=environment)
        assert test.status == 4
        assert "systemctl unmask kdumpd-trigger\n" in test.words
        async with watching(bus.address) as watcher:
            await watcher.word("as its unit is masked; waiting for it.")
            watcher.process.send_signal(signal.SIGINT)
            assert await watcher.process.wait() == 0


@pytest.mark.parametrize(
    "name",
    [
        *("systemd1.BadUnitSetting", "systemd1.NoSuchUnit", "systemd1.LoadFailed"),
        *("DBus.Error.Spawn.ChildExited", "DBus.Error.ServiceUnknown", "DBus.Error.TimedOut"),
    ],
)
async def test_a_service_that_cannot_be_started(bus: Bus, name: str) -> None:
    async with answering(bus.address, with_error(f"org.freedesktop.{name}")):
        told = await printed("path", "--bus", bus.address)
    assert (told.status, told.out) == (4, "")
    assert told.words == f"kdumpd does not run on the bus '{bus.address}'.\n"
