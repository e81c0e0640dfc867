# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.bus_policy import Policy
from tests.support.busctl import Busctl
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.namespace import ROOT
from tests.support.process import ServiceError
from tests.support.test_message_bus import BROKERS, DBUS


@pytest.fixture(params=BROKERS)
async def bus(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    async with private_bus(tmp_path, request.param) as bus:
        yield bus


@pytest.fixture
def busctl(bus: Bus) -> Busctl:
    return Busctl(bus.address)


async def test_call(busctl: Busctl) -> None:
    assert await busctl.call(*DBUS, "NameHasOwner", "s", "org.freedesktop.DBus") == [True]
    assert await busctl.call(*DBUS, "AddMatch", "s", "type='signal'") == []


async def test_error(busctl: Busctl) -> None:
    with pytest.raises(ServiceError, match="Call failed: "):
        await busctl.call(*DBUS, "GetNameOwner", "s", "org.kdumpd1")


async def test_property(busctl: Busctl) -> None:
    assert isinstance(await busctl.get(*DBUS, "Features"), list)


async def test_tree(busctl: Busctl) -> None:
    assert "/org/freedesktop/DBus" in await busctl.tree("org.freedesktop.DBus")


async def test_monitor_collects_signals(busctl: Busctl) -> None:
    async with busctl.monitor("path='/one'") as monitor:
        for number in range(3):
            await busctl.emit("/two", "org.kdumpd1.Test", "Counted", "u", str(number))
            await busctl.emit("/one", "org.kdumpd1.Test", "Counted", "u", str(number))
        counted = await monitor.wait_for(3, "Counted")
        assert [message["payload"]["data"] for message in counted] == [[0], [1], [2]]
        assert {message["path"] for message in counted} == {"/one"}
        await monitor.synchronize()
        assert monitor.messages == counted
        assert monitor.members("Other") == []


async def test_monitor_takes_large_messages(busctl: Busctl) -> None:
    async with busctl.monitor() as monitor:
        await busctl.emit("/one", "org.kdumpd1.Test", "Large", "s", "x" * 100_000)
        (message,) = await monitor.wait_for(1, "Large")
        assert message["payload"]["data"] == ["x" * 100_000]


async def test_monitor_sees_calls(busctl: Busctl) -> None:
    async with busctl.monitor("type='method_call',member='GetId'") as monitor:
        await busctl.call(*DBUS, "GetId")
        await monitor.wait_for(1, "GetId")


async def test_monitor_wait_is_bounded(busctl: Busctl) -> None:
    async with busctl.monitor() as monitor:
        with pytest.raises(ServiceError, match=r"no 1 Never in 0\.1 s"):
            await monitor.wait_for(1, "Never", timeout=0.1)


async def test_monitor_says_that_the_bus_is_lost(bus: Bus, busctl: Busctl) -> None:
    async with busctl.monitor() as monitor:
        await bus.stop()
        # Of systemd 257 it says nothing as it ends.
        with pytest.raises(ServiceError, match=r"^ended: \Z|Connection terminated"):
            await monitor.wait_for(1, "Never")


@pytest.mark.skipif(not ROOT, reason="only root may monitor such a bus")
@pytest.mark.parametrize("broker", BROKERS)
async def test_monitor_on_a_system_like_bus(tmp_path: Path, broker: Broker) -> None:
    system = private_bus(tmp_path, broker, Policy.SYSTEM)
    async with system as bus, Busctl(bus.address).monitor() as monitor:
        assert monitor.messages == []
