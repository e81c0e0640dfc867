# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-notify on a desktop: a real server of notifications, on which buttons are pressed."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.notify.captures import HOSTILE_LOG
from tests.notify.login import Login, logged_in, remembered
from tests.notify.test_main import PANIC, core
from tests.support.daemon import Setup, running
from tests.support.dbus_next import dbus_next_client
from tests.support.desktop import desktop_on
from tests.support.machine import Machine
from tests.support.message_bus import Bus

pytestmark = pytest.mark.bus


async def test_crash_from_before_login_is_on_the_screen_once_and_its_buttons_work(
    machine: Machine, setup: Setup, login: Login, session: Bus, tmp_path: Path
) -> None:
    machine.kdump_tools("202611230113", core(), PANIC)
    login = replace(login, environment={"PATH": str(tmp_path)})  # in which is no terminal
    async with (
        running(setup),
        dbus_next_client(setup.bus) as client,
        desktop_on(session.address, tmp_path) as desktop,
    ):
        for _ in range(3):
            async with logged_in(login) as process:
                await remembered(login, 1)
                await desktop.wait_until_displayed(1)
                await asyncio.sleep(2)  # for what must not happen
                assert process.returncode is None
        assert await desktop.displayed() == 1
        assert not await desktop.history()
        await desktop.clear()
        async with logged_in(login):
            machine.kdump_tools("202611230114", core(60), PANIC)
            await desktop.wait_until_displayed(1)
            await desktop.press("Details")
            await desktop.wait_until_closed(2)
            await desktop.wait_until_displayed(1)
            assert (await client.manager())["Unacknowledged"] == 2
            await desktop.press("Acknowledge")
            await desktop.wait_until_displayed(0)
            async with asyncio.timeout(20):
                while (await client.manager())["Unacknowledged"] == 2:  # noqa: ASYNC110  # asked
                    await asyncio.sleep(0.1)
        said = [str(one["body"]) for one in await desktop.history()]
        assert ["/var/crash/202611230114/dump" in body for body in said] == [True, False, False]
        assert all("kdumpdctl info " in body for body in said)


async def test_hostile_text_is_shown_as_text_and_a_picture_is_taken_of_it(
    machine: Machine, setup: Setup, login: Login, session: Bus, tmp_path: Path
) -> None:
    machine.kdump_tools("202611230113", core(), HOSTILE_LOG)
    picture = tmp_path / "notification.png"
    async with running(setup), desktop_on(session.address, tmp_path) as desktop:
        empty = tmp_path / "empty.png"
        await desktop.take_picture(empty)
        async with logged_in(login):
            await desktop.wait_until_displayed(1)
            await asyncio.sleep(1)  # until it is drawn
            await desktop.take_picture(picture)
        await desktop.clear()
        (said,) = await desktop.history()
    # dunst was given markup that it could read: of one with a mistake it shows the source.
    body = str(said["body"])
    assert "&lt;b&gt;died&lt;/b&gt;" in body
    assert body.count("<") == 2
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")
    assert picture.stat().st_size > empty.stat().st_size
