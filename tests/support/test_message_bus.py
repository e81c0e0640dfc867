# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

from tests.support.bus_policy import Policy
from tests.support.busctl import Busctl
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.namespace import needs_root
from tests.support.process import ServiceError

DBUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
BROKERS = [Broker.DBUS_DAEMON, pytest.param(Broker.DBUS_BROKER, marks=needs_root)]


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> Broker:
    return Broker(request.param)


@pytest.fixture
async def bus(tmp_path: Path, broker: Broker) -> AsyncIterator[Bus]:
    async with private_bus(tmp_path, broker) as bus:
        yield bus


async def until_disconnected(client: MessageBus) -> None:
    await client.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast forgot it


async def request_name(bus: Bus, name: str) -> MessageType:
    client = await MessageBus(bus_address=bus.address, bus_type=BusType.SESSION).connect()
    message = Message(*DBUS, "RequestName", signature="su", body=[name, 4])
    reply = await client.call(message)
    client.disconnect()
    await until_disconnected(client)
    assert reply is not None
    return reply.message_type


async def test_calls(bus: Bus) -> None:
    (names,) = await Busctl(bus.address).call(*DBUS, "ListNames")
    assert "org.freedesktop.DBus" in names


async def test_two_buses_are_apart(bus: Bus, tmp_path: Path, broker: Broker) -> None:
    directory = tmp_path / "other"
    directory.mkdir()
    async with private_bus(directory, broker) as other:
        first = await Busctl(bus.address).call(*DBUS, "GetId")
        assert first != await Busctl(other.address).call(*DBUS, "GetId")


async def test_restart_is_another_bus_at_the_same_address(bus: Bus) -> None:
    first = await Busctl(bus.address).call(*DBUS, "GetId")
    await bus.restart()
    assert first != await Busctl(bus.address).call(*DBUS, "GetId")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_client_loses_the_bus(bus: Bus, number: signal.Signals) -> None:
    client = await MessageBus(bus_address=bus.address).connect()
    await bus.stop(number)
    with pytest.raises((EOFError, OSError)):
        async with asyncio.timeout(5):
            await until_disconnected(client)
    with pytest.raises(ServiceError, match=r"Failed to connect|refused"):
        await Busctl(bus.address).call(*DBUS, "GetId")


async def test_policy(tmp_path: Path, broker: Broker) -> None:
    async with private_bus(tmp_path, broker) as bus:
        assert await request_name(bus, "org.kdumpd1") is MessageType.METHOD_RETURN
    async with private_bus(tmp_path, broker, Policy.SYSTEM) as bus:
        assert await request_name(bus, "org.kdumpd1") is MessageType.ERROR
    rule = '<policy context="default"><allow own="org.kdumpd1"/></policy>'
    async with private_bus(tmp_path, broker, Policy.SYSTEM, rule) as bus:
        assert await request_name(bus, "org.kdumpd1") is MessageType.METHOD_RETURN


async def test_bad_configuration_is_told(tmp_path: Path, broker: Broker) -> None:
    with pytest.raises(ServiceError, match=r"has ended: .*(nonsense|bus\.conf)"):
        async with private_bus(tmp_path, broker, config="<nonsense>"):
            pass
