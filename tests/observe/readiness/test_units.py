# SPDX-License-Identifier: GPL-2.0-or-later
"""What systemd says of the kdump units, over a real bus, of one who speaks as systemd does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from kdumpd.dbus.connection import Connection, connect
from kdumpd.dbus.messages import PROPERTIES_INTERFACE, Call, CallError, Reply, Signal
from kdumpd.dbus.wire import variant
from kdumpd.model.readiness.facts import ServiceFacts
from kdumpd.observe.readiness.units import (
    SYSTEMD_MANAGER,
    SYSTEMD_NAME,
    Units,
    unit_path,
)
from tests.support.message_bus import Broker, Bus, private_bus

pytestmark = pytest.mark.bus

UNIT, SERVICE = f"{SYSTEMD_NAME}.Unit", f"{SYSTEMD_NAME}.Service"
KDUMP_TOOLS = "kdump-tools.service"
LONG = 20.0


class Systemd:
    """Answers as systemd 252 does; a unit without a file is there too, and says not-found."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.state = "running"
        self.units: dict[str, dict[str, Any]] = {}
        self.subscribed = False

    def load(self, name: str, **changed: str) -> None:
        """Know a unit, loaded and at rest but for what is changed."""
        usual = {
            "LoadState": "loaded",
            "ActiveState": "active",
            "SubState": "exited",
            "UnitFileState": "enabled",
        }
        self.units[unit_path(name)] = usual | changed

    async def answer(self, call: Call) -> Reply:
        """Answer a call; only the methods that kdumpd uses are known."""
        if call.interface == SYSTEMD_MANAGER.interface and call.member == "Subscribe":
            self.subscribed = True
            return Reply()
        if call.interface != PROPERTIES_INTERFACE:
            raise CallError("org.freedesktop.DBus.Error.UnknownMethod", call.member)
        if call.member == "Get":
            return Reply("v", (variant("s", self.state),))
        unit = self.units.get(call.path, {"LoadState": "not-found", "ActiveState": "inactive"})
        service = {"Result": variant("s", "success"), "ExecMainStatus": variant("i", 0)}
        known = {name: variant("s", value) for name, value in unit.items()}
        return Reply("a{sv}", (service if call.body == [SERVICE] else known,))

    async def tell(self, path: str, interface: str, member: str) -> None:
        """Emit a signal."""
        changes = member == "PropertiesChanged"
        await self.connection.emit(
            Signal(
                path=path,
                interface=interface,
                member=member,
                signature="sa{sv}as" if changes else "",
                body=(UNIT, {}, []) if changes else (),
            )
        )


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    async with private_bus(tmp_path, Broker.DBUS_DAEMON) as bus:
        yield bus


@pytest.fixture
async def connection(bus: Bus) -> AsyncIterator[Connection]:
    async with connect(bus.address) as connection:
        yield connection


@pytest.fixture
async def systemd(bus: Bus) -> AsyncIterator[Systemd]:
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(connect(bus.address))
        systemd = Systemd(connection)
        connection.serve(systemd.answer)
        await connection.own(SYSTEMD_NAME)
        yield systemd


async def test_a_unit(systemd: Systemd, connection: Connection) -> None:
    systemd.load(KDUMP_TOOLS)
    assert await Units(connection).read() == ServiceFacts(
        unit=KDUMP_TOOLS,
        load_state="loaded",
        active_state="active",
        result="success",
        unit_file_state="enabled",
        exec_main_status=0,
        starting=False,
    )


async def test_the_unit_that_the_distribution_has(systemd: Systemd, connection: Connection) -> None:
    systemd.load("kdump.service", ActiveState="activating")
    facts = await Units(connection).read()
    assert facts.unit == "kdump.service"
    assert facts.at_work


async def test_no_unit(systemd: Systemd, connection: Connection) -> None:
    systemd.state = "starting"
    assert await Units(connection).read() == ServiceFacts(starting=True)


async def test_no_systemd(connection: Connection) -> None:
    units = Units(connection)
    await units.follow(lambda: None)
    assert await units.read() == ServiceFacts()


@pytest.mark.parametrize(
    ("path", "interface", "member"),
    [
        (unit_path(KDUMP_TOOLS), PROPERTIES_INTERFACE, "PropertiesChanged"),
        (unit_path("kdump.service"), PROPERTIES_INTERFACE, "PropertiesChanged"),
        (SYSTEMD_MANAGER.path, SYSTEMD_MANAGER.interface, "StartupFinished"),
        (SYSTEMD_MANAGER.path, SYSTEMD_MANAGER.interface, "UnitFilesChanged"),
    ],
)
async def test_a_change_is_a_hint(
    systemd: Systemd, connection: Connection, path: str, interface: str, member: str
) -> None:
    hinted = asyncio.Event()
    await Units(connection).follow(hinted.set)
    assert systemd.subscribed
    await systemd.tell(path, interface, member)
    async with asyncio.timeout(LONG):
        await hinted.wait()


async def test_other_units_are_no_hint(systemd: Systemd, connection: Connection) -> None:
    hints = []
    kdump = asyncio.Event()

    def hint() -> None:
        hints.append(1)
        kdump.set()

    await Units(connection).follow(hint)
    await systemd.tell(unit_path("cron.service"), PROPERTIES_INTERFACE, "PropertiesChanged")
    await systemd.tell(unit_path(KDUMP_TOOLS), PROPERTIES_INTERFACE, "PropertiesChanged")
    async with asyncio.timeout(LONG):
        await kdump.wait()
    assert hints == [1]


@pytest.mark.parametrize(("state", "stops"), [("stopping", True), ("running", False)])
async def test_whether_the_machine_stops(
    systemd: Systemd, connection: Connection, *, state: str, stops: bool
) -> None:
    systemd.state = state
    assert await Units(connection).is_stopping() is stops


async def test_without_systemd_nothing_is_known_of_a_stop(connection: Connection) -> None:
    assert await Units(connection).is_stopping() is False


def test_the_path_of_a_unit() -> None:
    """As systemd's bus_label_escape writes it (src/basic/bus-label.c)."""
    expected = "/org/freedesktop/systemd1/unit/kdump_2dtools_2eservice"
    assert unit_path("kdump-tools.service") == expected
