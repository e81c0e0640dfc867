# SPDX-License-Identifier: GPL-2.0-or-later
"""Of a machine whose next crash would leave no dump, a user is told once in each boot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kdumpd.notify.main import notify
from kdumpd.notify.notifier import NotifyDelays
from tests.notify.login import Login, logged_in, remembered
from tests.support.daemon import Setup, running
from tests.support.dbus_next import dbus_next_client
from tests.support.machine import BOOT_ID, Machine
from tests.support.message_bus import Bus
from tests.support.notification_server import NotificationServer, notification_server

pytestmark = pytest.mark.bus

QUICK = NotifyDelays(collect=0.1, steady=0.5, boot=0)
FOREVER = 1e9
LOADED = "sys/kernel/kexec_crash_loaded"


@asynccontextmanager
async def following(login: Login, delays: NotifyDelays) -> AsyncIterator[None]:
    """Run the program in this process, at a pace of its own."""
    environment = {"PATH": "/usr/bin", "XDG_STATE_HOME": str(login.home / "state")}
    task = asyncio.create_task(notify(login.bus, login.session, environment, delays))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def told_once(server: NotificationServer) -> None:
    (shown,) = await server.wait_for(1)
    assert shown.title == "A crash would leave no dump"
    assert shown.body.startswith("No crash kernel is loaded, so a panic leaves no dump.\n")
    assert "\nWhat to do: kdump-config load" in shown.body
    assert shown.body.endswith("Type: <b>kdumpdctl check</b>")
    assert (shown.hints["urgency"], shown.actions) == (1, ("details", "Details"))


async def test_not_ready_at_login(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    machine.write(LOADED, "0\n")
    async with running(setup), notification_server(session.address) as server:
        for _ in range(2):
            async with following(login, QUICK):
                await told_once(server)
                assert await remembered(login, 1) == [f"boot {BOOT_ID} unready"]
                await asyncio.sleep(1)
        assert len(server.all) == 1


async def test_boot_that_is_under_way_may_load_it_yet(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    machine.write(LOADED, "0\n")
    delays = NotifyDelays(collect=0.1, steady=0, boot=FOREVER)
    async with (
        running(setup),
        notification_server(session.address) as server,
        following(login, delays),
    ):
        await asyncio.sleep(2)
        assert not server.all


async def test_readiness_falls(machine: Machine, setup: Setup, login: Login, session: Bus) -> None:
    """The daemon tells so once it has lasted for 10 seconds."""
    async with (
        running(setup),
        notification_server(session.address) as server,
        dbus_next_client(setup.bus) as client,
        logged_in(login),
    ):
        await asyncio.sleep(1)
        machine.write(LOADED, "0\n")
        await client.call("org.kdumpd1.Manager", "Revalidate")
        await told_once(server)
        await client.wait_for(1, "ReadinessChanged")
