# SPDX-License-Identifier: GPL-2.0-or-later
"""No message of a stranger ends the daemon, fills its memory or keeps others waiting."""

import asyncio
import struct
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdumpd.dbus.connection import MAX_CALL_BYTES
from tests.security.wire_client import Client
from tests.support.daemon import READY, Kdumpd, Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.message_bus import Broker, Bus
from tests.support.namespace import ROOT, needs_root
from tests.support.polkit import system_bus
from tests.support.process import BOUND, as_uid, end, program
from tests.support.traps import NOBODY

pytestmark = [pytest.mark.bus, needs_root, pytest.mark.skipif(not ROOT, reason="becomes others")]

SCRIPT = Path(__file__).parents[1] / "security/wire_client.py"
MORE_MEMORY = 10 << 20  # bytes
PEER, MANAGER = "org.freedesktop.DBus.Peer", "org.kdumpd1.Manager"
FEW, MANY = 3_000, 100_000  # messages
LARGE = 28 << 20  # bytes of one message; dbus-daemon lets one have 32 MiB
SEED = 20261130


@pytest.fixture
async def bus(public: Path, broker: Broker) -> AsyncIterator[Bus]:
    async with system_bus(public, broker) as bus:
        yield bus


@dataclass(slots=True)
class Attack:
    """A daemon, an honest client, and a stranger's socket to the bus."""

    kdumpd: Kdumpd
    client: DbusNextClient
    stranger: Client


@asynccontextmanager
async def attacked(setup: Setup) -> AsyncIterator[Attack]:
    """Run a daemon which is the same process at the end, answers, and has not grown."""
    path = setup.bus.removeprefix("unix:path=")
    async with running(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        for _ in range(20):
            await client.manager()
        before = memory(kdumpd)
        stranger = Client(path)
        try:
            yield Attack(kdumpd, client, stranger)
        finally:
            stranger.bus.close()
        assert (await client.manager())["Version"]
        assert kdumpd.process.returncode is None, kdumpd.log
        assert kdumpd.told.count(READY) == 1
        assert "Traceback" not in kdumpd.log
        assert memory(kdumpd) - before <= MORE_MEMORY


def memory(kdumpd: Kdumpd) -> int:
    """Return how many bytes of memory the daemon has ever had at once."""
    status = Path(f"/proc/{kdumpd.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


def ping(serial: int, *, flags: int = 0, field: bytes = b"") -> bytes:
    """Return a call without arguments, with a further field in its header."""
    fields = [
        b"\1\1o\0" + text("/org/kdumpd1"),
        b"\2\1s\0" + text(PEER),
        b"\3\1s\0" + text("Ping"),
        b"\6\1s\0" + text("org.kdumpd1"),
        *([field] if field else []),
    ]
    return framed(fields, flags=flags, serial=serial)


def framed(fields: list[bytes], body: bytes = b"", *, flags: int = 0, serial: int = 2) -> bytes:
    header = b"".join(one + bytes(-len(one) % 8) for one in fields[:-1]) + fields[-1]
    start = struct.pack("<BBBBIII", ord("l"), 1, flags, 1, len(body), serial, len(header))
    return start + header + bytes(-len(header) % 8) + body


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode() + b"\0"


async def answers(stranger: Client, count: int) -> None:
    """Return once the stranger has so many answers of the daemon."""
    async with asyncio.timeout(20):
        while stranger.answered < count:
            stranger.read()
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("flags", [2, 3, 4, 6, 8, 0xFE])
async def test_flags_that_a_library_may_not_know(setup: Setup, flags: int) -> None:
    async with attacked(setup) as attack:
        for serial in range(2, 22):  # 1 is Hello's
            attack.stranger.send(ping(serial, flags=flags))
        if not flags & 1:
            await answers(attack.stranger, 20)


@pytest.mark.parametrize(
    ("field", "answered"),
    [
        (b"\x2a\1s\0" + text("later"), True),
        (b"\xff\1u\0" + bytes(4), True),
        (b"\x2a\1v\0\1u\0" + bytes(5), False),
        (b"\x2a\2as\0" + bytes(7), False),
    ],
)
async def test_header_fields_that_a_library_may_not_know(
    setup: Setup, broker: Broker, field: bytes, *, answered: bool
) -> None:
    """dbus-daemon takes them out; dbus-broker passes them on."""
    async with attacked(setup) as attack:
        for serial in range(2, 22):  # 1 is Hello's
            attack.stranger.send(ping(serial, field=field))
        if answered or broker is Broker.DBUS_DAEMON:
            await answers(attack.stranger, 20)
        else:
            await attack.kdumpd.wait_until_logged("dropped a message that cannot be read")
        log = attack.kdumpd.log
        assert log.count("dropped a message") == (0 if answered else log.count("dropped"))
        assert log.count("dropped") <= 1  # in a minute


@pytest.mark.parametrize("size", [MAX_CALL_BYTES, 1 << 20, LARGE])
async def test_call_that_is_too_long(setup: Setup, size: int) -> None:
    """An array of variants takes twenty times its length once it is read."""
    values = b"\1y\0\0" * (size // 4)
    fields = [
        b"\1\1o\0" + text("/org/kdumpd1"),
        b"\2\1s\0" + text(MANAGER),
        b"\3\1s\0" + text("Rescan"),
        b"\6\1s\0" + text("org.kdumpd1"),
        b"\x08\1g\0\2av\0",
    ]
    async with attacked(setup) as attack:
        stranger = attack.stranger
        await asyncio.to_thread(
            stranger.send, framed(fields, struct.pack("<I", len(values)) + values)
        )
        await answers(stranger, 1)


async def test_signals_and_answers_that_nobody_wants(setup: Setup) -> None:
    async with attacked(setup) as attack:
        body = struct.pack("<I", 1 << 20) + b"\1y\0\0" * (1 << 18)
        for kind in (2, 3, 4):
            fields = [
                b"\1\1o\0" + text("/"),
                b"\2\1s\0" + text("org.freedesktop.DBus"),
                b"\3\1s\0" + text("NameOwnerChanged"),
                b"\4\1s\0" + text("a.b"),
                b"\5\1u\0" + struct.pack("<I", 3),
                b"\6\1s\0" + text("org.kdumpd1"),
                b"\x08\1g\0\2av\0",
            ]
            message = bytearray(framed(fields, body))
            message[1] = kind
            await asyncio.to_thread(attack.stranger.send, bytes(message))


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
async def test_messages_that_hardly_a_library_would_write(setup: Setup, count: int) -> None:
    async with attacked(setup) as attack, wire_client(setup.bus, count) as outcome:
        answered = 0
        while not outcome.done():
            async with asyncio.timeout(20):
                assert (await attack.client.manager())["Version"]
            answered += 1
            await asyncio.sleep(0.2)
        sent, of_the_stranger = outcome.result()
        assert sent == count
        assert of_the_stranger > count // 20  # the bus has not kept all of them away
        assert answered


@asynccontextmanager
async def wire_client(
    address: str, count: int, a_second: int = 0
) -> AsyncIterator["asyncio.Task[tuple[int, int]]"]:
    """Have a stranger send so many messages; the task returns how many were sent and answered."""
    process = await asyncio.create_subprocess_exec(
        *(*as_uid(NOBODY), *BOUND, program("python3", "python3"), "-c", SCRIPT.read_text()),
        *(address.removeprefix("unix:path="), "org.kdumpd1", str(SEED)),
        *(str(count), str(a_second)),
        stdout=PIPE,
        cwd="/",
    )

    async def outcome() -> tuple[int, int]:
        stdout, _ = await process.communicate()
        assert process.returncode == 0
        sent, answered = stdout.split()
        return int(sent), int(answered)

    task = asyncio.create_task(outcome())
    try:
        yield task
    finally:
        await end(process)
        await asyncio.gather(task, return_exceptions=True)
