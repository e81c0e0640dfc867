# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-notify under python-dbusmock's notification daemon."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.daemon.test_previous_boot import archive, boot, remake
from tests.notify.captures import HOSTILE_LOG
from tests.notify.login import Login, logged_in, remembered
from tests.notify.test_main import PANIC, acknowledged, core
from tests.support.daemon import Setup, running
from tests.support.dbus_next import dbus_next_client
from tests.support.machine import Machine
from tests.support.message_bus import Bus
from tests.support.mock_desktop import mock_desktop_on

pytestmark = pytest.mark.bus

TITLE, BODY, ACTIONS = 3, 4, 5  # arguments of Notify
REPLACES = 1
LOST = "A crash left no dump"


async def test_crash_from_before_login_is_told_once_over_three_logins(
    machine: Machine, setup: Setup, login: Login, session: Bus, tmp_path: Path
) -> None:
    machine.kdump_tools("202611230113", core(), PANIC)
    async with running(setup), mock_desktop_on(session.address, tmp_path) as desktop:
        for _ in range(3):
            async with logged_in(login) as process:
                await remembered(login, 1)
                await desktop.wait_for(1)
                await asyncio.sleep(2)  # for what must not happen
                assert process.returncode is None
        (shown,) = await desktop.shown()
    assert shown[TITLE] == "The kernel crashed"
    assert "null-dereference in crasher_null [crasher]" in shown[BODY]
    assert shown[ACTIONS] == ["details", "Details", "acknowledge", "Acknowledge"]


async def test_both_buttons_do_what_they_say(
    machine: Machine, setup: Setup, login: Login, session: Bus, tmp_path: Path
) -> None:
    machine.kdump_tools("202611230113", core(), PANIC)
    login = replace(login, environment={"PATH": str(tmp_path)})  # in which is no terminal
    async with (
        running(setup),
        dbus_next_client(setup.bus) as client,
        mock_desktop_on(session.address, tmp_path) as desktop,
        logged_in(login),
    ):
        await desktop.wait_for(1)
        await desktop.press(1, "details")
        _, fuller = await desktop.wait_for(2)
        assert "/var/crash/202611230113/dump" in fuller[BODY]
        assert fuller[ACTIONS] == ["acknowledge", "Acknowledge"]
        assert (await client.manager())["Unacknowledged"] == 1
        await desktop.press(fuller[REPLACES] or 2, "acknowledge")
        await acknowledged(client)


async def test_hostile_text_stays_text(
    machine: Machine, setup: Setup, login: Login, session: Bus, tmp_path: Path
) -> None:
    machine.kdump_tools("202611230113", core(), HOSTILE_LOG)
    async with (
        running(setup),
        mock_desktop_on(session.address, tmp_path) as desktop,
        logged_in(login),
    ):
        (shown,) = await desktop.wait_for(1)
    body = str(shown[BODY])
    assert "&lt;b&gt;died" in body
    assert "\\xe2\\x80\\xaeof x" in body  # U+202E, which turns the direction of text
    assert body.count("<") == 2  # of ours, around the command
    assert "\u202e" not in body
    assert len(body) < 1500


async def test_crash_that_left_nothing_is_told(
    machine: Machine, setup: Setup, login: Login, session: Bus, tmp_path: Path
) -> None:
    remake(machine, boot())
    archive(machine, armed=True)
    directories = ("/var/crash", "/var/lib/systemd/pstore")
    async with (
        running(replace(setup, directories=directories)),
        mock_desktop_on(session.address, tmp_path) as desktop,
        logged_in(login),
    ):
        async with asyncio.timeout(30):
            while LOST not in {one[TITLE] for one in await desktop.shown()}:  # noqa: ASYNC110  # asked
                await asyncio.sleep(0.1)
