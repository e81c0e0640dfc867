# SPDX-License-Identifier: GPL-2.0-or-later
"""The client against an object manager as small as it can be, which keeps the specification."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from dbus_fast import Message, NameFlag, RequestNameReply, Variant
from dbus_fast.aio import MessageBus

from tests.support.glib import SCRIPT, GlibClient, glib_client
from tests.support.message_bus import Bus, private_bus
from tests.support.process import ServiceError, json_lines, program
from tests.support.test_message_bus import BROKERS, until_disconnected

NAME = "org.kdumpd1"
ROOT = "/org/kdumpd1"
CAPTURE = "org.kdumpd1.Capture"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"


class Service:
    """Objects with the one property Size, at message level."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._sizes: dict[str, int] = {}

    def _interfaces(self, path: str) -> dict[str, dict[str, Variant]]:
        return {CAPTURE: {"Size": Variant("t", self._sizes[path])}}

    def answer(self, message: Message) -> Message | None:
        if message.member == "GetManagedObjects":
            objects = {path: self._interfaces(path) for path in self._sizes}
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [objects])
        return None

    async def add(self, path: str, size: int) -> None:
        self._sizes[path] = size
        await self.emit(
            ROOT, OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", path, self._interfaces(path)
        )

    async def remove(self, path: str) -> None:
        del self._sizes[path]
        await self.emit(ROOT, OBJECT_MANAGER, "InterfacesRemoved", "oas", path, [CAPTURE])

    async def resize(self, path: str, size: int) -> None:
        self._sizes[path] = size
        changed = {"Size": Variant("t", size)}
        await self.emit(
            path, PROPERTIES, "PropertiesChanged", "sa{sv}as", CAPTURE, changed, ["Host"]
        )

    async def emit(
        self, path: str, interface: str, member: str, signature: str, *body: object
    ) -> None:
        await self._bus.send(Message.new_signal(path, interface, member, signature, list(body)))


@pytest.fixture(params=BROKERS)
async def bus(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    async with private_bus(tmp_path, request.param) as bus:
        yield bus


@asynccontextmanager
async def serving(bus: Bus) -> AsyncIterator[Service]:
    connection = await MessageBus(bus_address=bus.address).connect()
    service = Service(connection)
    connection.add_message_handler(service.answer)
    reply = await connection.request_name(NAME, NameFlag.DO_NOT_QUEUE)
    assert reply is RequestNameReply.PRIMARY_OWNER
    try:
        yield service
    finally:
        connection.disconnect()
        with suppress(EOFError, OSError):  # the bus was lost before
            await until_disconnected(connection)


@pytest.fixture
async def service(bus: Bus) -> AsyncIterator[Service]:
    async with serving(bus) as service:
        yield service


@pytest.fixture
async def client(bus: Bus, service: Service) -> AsyncIterator[GlibClient]:
    await service.add(f"{ROOT}/capture/a", 1)
    async with glib_client(bus.address) as client:
        assert await client.next("ready") == {"ready": [f"{ROOT}/capture/a"]}
        yield client


async def test_objects_come_and_go(service: Service, client: GlibClient) -> None:
    path = f"{ROOT}/capture/b"
    await service.add(path, 7)
    assert await client.next("object-added") == {
        "object-added": path,
        "properties": {CAPTURE: {"Size": 7}},
    }
    await service.remove(path)
    assert await client.next("object-removed") == {"object-removed": path}
    assert len(client.seen("object-added")) == 1


async def test_order_is_kept(service: Service, client: GlibClient) -> None:
    paths = [f"{ROOT}/capture/n{number}" for number in range(50)]
    for path in paths:
        await service.add(path, 1)
    assert [(await client.next("object-added"))["object-added"] for _ in paths] == paths


async def test_properties_change(service: Service, client: GlibClient) -> None:
    await service.resize(f"{ROOT}/capture/a", 2)
    assert await client.next("properties-changed") == {
        "properties-changed": f"{ROOT}/capture/a",
        "interface": CAPTURE,
        "changed": {"Size": 2},
        "invalidated": ["Host"],
    }


async def test_signal(service: Service, client: GlibClient) -> None:
    await service.emit(f"{ROOT}/capture/a", CAPTURE, "Told", "s", "something")
    assert await client.next("signal") == {
        "signal": f"{ROOT}/capture/a",
        "interface": CAPTURE,
        "member": "Told",
        "arguments": ["something"],
    }


async def test_added_from_the_wrong_path_is_not_seen(service: Service, client: GlibClient) -> None:
    """What dbus-fast's service classes do; GLib must not see it, or the client proves nothing."""
    path = f"{ROOT}/capture/b"
    interfaces = {CAPTURE: {"Size": Variant("t", 1)}}
    await service.emit(path, OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", path, interfaces)
    await service.add(f"{ROOT}/capture/c", 1)
    assert (await client.next("object-added"))["object-added"] == f"{ROOT}/capture/c"


async def test_service_comes_and_goes(bus: Bus) -> None:
    async with glib_client(bus.address) as client:
        assert await client.next("ready") == {"ready": []}
        async with serving(bus):
            assert (await client.next("name-owner"))["name-owner"].startswith(":1.")
        assert await client.next("name-owner") == {"name-owner": None}


async def test_bus_is_lost(bus: Bus, client: GlibClient) -> None:
    await bus.stop()
    await client.next("closed")


async def test_wait_is_bounded(client: GlibClient) -> None:
    with pytest.raises(ServiceError, match=r"no object-added in 0\.1 s"):
        await client.next("object-added", timeout=0.1)


async def test_no_bus_is_told(tmp_path: Path) -> None:
    async with glib_client(f"unix:path={tmp_path}/bus") as client:
        with pytest.raises(ServiceError, match="Could not connect"):
            await client.next("ready")


async def test_ends_with_stdin(bus: Bus) -> None:
    argv = (program("python3", "python3"), str(SCRIPT), bus.address, NAME, ROOT)
    async with json_lines(*argv, stdin=subprocess.DEVNULL) as lines:
        with pytest.raises(ServiceError, match="ended"):
            await lines.wait_for(lambda: False, "end", 10)
