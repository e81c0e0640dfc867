# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-notify with a real daemon, a bus for each, and a server that remembers."""

import asyncio
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kdumpd.notify.main import main
from tests.notify.login import Login, as_another, ended, logged_in, remembered
from tests.support.bus_policy import Policy
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.machine import Machine
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.notification_server import (
    DISMISSED,
    NotificationServer,
    Shown,
    notification_server,
)
from tests.support.polkit import NOBODY, needs_polkit
from tests.support.process import output

pytestmark = pytest.mark.bus

PANIC = b"""\
[    3.775111] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    3.775222] Oops: 0002 [#1] PREEMPT SMP NOPTI
[    3.775333] RIP: 0010:crasher_null+0x9/0x10 [crasher]
[    3.775396] Kernel panic - not syncing: Fatal exception
"""
SYSRQ = b"""\
[    3.775111] sysrq: Trigger a crash
[    3.775222] Kernel panic - not syncing: sysrq triggered crash
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that other users may look into."""
    with tempfile.TemporaryDirectory(prefix="kdumpd-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def core(number: int = 0) -> bytes:
    return flattened(Crash(crash_time=1_795_396_414 + number))


async def shown_then_still(server: NotificationServer, count: int) -> list[Shown]:
    """Return what was shown, once it is so much and time enough has passed for more."""
    await server.wait_for(count)
    await asyncio.sleep(3)
    assert len(server.all) == count
    return server.all


async def test_crash_from_before_login_is_told_once_over_three_logins(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    machine.kdump_tools("202611230113", core(), PANIC)
    async with running(setup), notification_server(session.address) as server:
        for _ in range(3):
            async with logged_in(login) as process:
                await remembered(login, 1)
                await shown_then_still(server, 1)
                assert process.returncode is None
        (shown,) = server.all
    assert shown.title == "The kernel crashed"
    lines = shown.body.split("\n")
    assert lines[0] == ("Kernel 6.1.0-56-amd64 of crashed.example, Mon 2026-11-23 01:13:34 UTC")
    assert lines[1].startswith("null-dereference in crasher_null [crasher]: BUG: kernel NULL")
    assert lines[2].startswith("The dump is complete: ")
    (remembered_key,) = login.notified.read_text().splitlines()
    assert lines[3] == f"Type: <b>kdumpdctl info {remembered_key.removeprefix('capture ')}</b>"
    assert shown.actions == ("details", "Details", "acknowledge", "Acknowledge")
    assert (shown.app, shown.icon, shown.timeout) == ("kdumpd", "kdumpd", -1)
    assert shown.hints == {
        "urgency": 2,
        "category": "device.error",
        "desktop-entry": "kdumpd-notify",
    }
    assert server.hint_types == {"urgency": "y", "category": "s", "desktop-entry": "s"}
    assert stat.S_IMODE(login.notified.stat().st_mode) == 0o600
    assert stat.S_IMODE(login.notified.parent.stat().st_mode) == 0o700


async def test_crash_that_is_found_while_logged_in(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    async with running(setup), notification_server(session.address) as server, logged_in(login):
        await asyncio.sleep(1)
        machine.kdump_utils("2026-11-23-01:13:34", core()[:-1], PANIC)
        (shown,) = await server.wait_for(1)
        assert "The dump is incomplete: " in shown.body


async def test_many_crashes_are_one_notification_and_acknowledged_together(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    for number in range(5):
        machine.kdump_tools(f"20261123011{number}", core(60 * number), PANIC)
    async with (
        running(setup),
        notification_server(session.address) as server,
        dbus_next_client(setup.bus) as client,
        logged_in(login),
    ):
        (shown,) = await shown_then_still(server, 1)
        assert shown.title == "The kernel crashed 5 times"
        assert "5 of 5 dumps are complete" in shown.body
        assert shown.body.endswith("Type: <b>kdumpdctl list</b>")
        assert len(await remembered(login, 5)) == 5
        await server.press(shown, "acknowledge")
        await acknowledged(client)


async def test_three_crashes_are_three_notifications(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    for number in range(3):
        machine.kdump_tools(f"20261123011{number}", core(60 * number), PANIC)
    async with running(setup), notification_server(session.address) as server, logged_in(login):
        shown = await shown_then_still(server, 3)
        assert [one.body.split("\n")[0][-12:-4] for one in shown] == [
            "01:13:34",
            "01:14:34",
            "01:15:34",
        ]


async def test_crash_on_purpose_is_told_quietly(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    machine.kdump_tools("202611230113", core(), SYSRQ)
    machine.kdump_test("kdump-test-1795396414-123456789", core(60), PANIC)
    async with running(setup), notification_server(session.address) as server, logged_in(login):
        (shown,) = await shown_then_still(server, 1)
        assert (shown.title, shown.hints["urgency"]) == ("The crash test left a dump", 0)
        assert "acknowledge" not in shown.actions
        assert len(await remembered(login, 2)) == 2


async def test_acknowledge_acknowledges_and_closing_does_not(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    machine.kdump_tools("202611230113", core(), PANIC)
    machine.kdump_tools("202611230114", core(60), PANIC)
    async with (
        running(setup),
        notification_server(session.address) as server,
        dbus_next_client(setup.bus) as client,
        logged_in(login),
    ):
        first, second = await server.wait_for(2)
        await server.close(second.id, DISMISSED)
        await server.press(first, "acknowledge")
        await client.wait_for(2, "PropertiesChanged")  # of the capture and of the manager
        await asyncio.sleep(1)  # for what must not happen
        states = [one["Acknowledged"] for one in (await client.captures()).values()]
        assert sorted(states) == [False, True]


async def test_crash_that_is_acknowledged_elsewhere_is_shown_no_more(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    machine.kdump_tools("202611230113", core(), PANIC)
    async with (
        running(setup),
        notification_server(session.address) as server,
        dbus_next_client(setup.bus) as client,
        logged_in(login),
    ):
        (shown,) = await server.wait_for(1)
        await remembered(login, 1)
        await client.call("org.kdumpd1.Manager", "AcknowledgeAll")
        await server.wait_until_closed(shown.id)


async def test_details_open_a_terminal_that_says_more(
    machine: Machine, setup: Setup, login: Login, session: Bus, tmp_path: Path
) -> None:
    machine.kdump_tools("202611230113", core(), PANIC)
    programs, said = tmp_path / "programs", tmp_path / "said"
    programs.mkdir()
    terminal = programs / "x-terminal-emulator"
    # A terminal without a window: runs the command, with a person who presses Enter.
    terminal.write_text(f'#!/bin/sh\n[ "$1" = -e ] || exit 1\nshift\necho | "$@" >{said} 2>&1\n')
    terminal.chmod(0o755)
    login = replace(login, environment={"PATH": f"{programs}:/usr/bin:/bin"})
    async with running(setup), notification_server(session.address) as server, logged_in(login):
        (shown,) = await server.wait_for(1)
        await server.press(shown, "details")
        async with asyncio.timeout(20):
            while not said.exists() or "Press Enter" not in said.read_text():  # noqa: ASYNC110  # a file
                await asyncio.sleep(0.1)
        (key,) = await remembered(login, 1)
        assert f"Capture: {key.removeprefix('capture ')}" in said.read_text()
        assert len(server.all) == 1


async def test_details_without_a_terminal_say_more_in_the_notification(
    machine: Machine, setup: Setup, login: Login, session: Bus, tmp_path: Path
) -> None:
    machine.kdump_tools("202611230113", core(), PANIC)
    programs = tmp_path / "programs"
    programs.mkdir()
    failing = programs / "xterm"
    failing.write_text("#!/bin/sh\nexit 1\n")
    failing.chmod(0o755)
    login = replace(login, environment={"PATH": str(programs)})
    async with running(setup), notification_server(session.address) as server, logged_in(login):
        (shown,) = await server.wait_for(1)
        await server.press(shown, "details")
        _, fuller = await server.wait_for(2)
        assert fuller.id != shown.id
        assert "/var/crash/202611230113/dump.202611230113" in fuller.body
        assert "kdumpdctl info " in fuller.body
        assert fuller.actions == ("acknowledge", "Acknowledge")
        assert list(server.open) == [fuller.id]
        await server.press(fuller, "acknowledge")
        async with dbus_next_client(setup.bus) as client:
            await acknowledged(client)


async def test_server_of_few_talents_gets_plain_text(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    machine.kdump_tools("202611230113", core(), PANIC.replace(b"crasher_null", b"a<b>&c"))
    async with (
        running(setup),
        notification_server(session.address, ("body",)) as server,
        logged_in(login),
    ):
        (shown,) = await server.wait_for(1)
        assert shown.actions == ()
        assert "Type: kdumpdctl info " in shown.body
        assert "<b>kdumpdctl" not in shown.body


async def test_what_is_missing_is_waited_for_and_nothing_counts_as_told(
    machine: Machine, setup: Setup, login: Login, session: Bus
) -> None:
    """The daemon comes after the login, and the server of notifications after it."""
    machine.kdump_tools("202611230113", core(), PANIC)
    async with logged_in(login) as process:
        await asyncio.sleep(1)
        async with running(setup):
            await asyncio.sleep(1)
            assert not login.notified.exists()
            async with notification_server(session.address) as server:
                await server.wait_for(1)
        assert process.returncode is None


@pytest.mark.parametrize("missing", ["daemon", "server", "system bus", "session bus"])
async def test_what_stays_missing_ends_it_without_an_error(
    machine: Machine, setup: Setup, login: Login, missing: str
) -> None:
    machine.kdump_tools("202611230113", core(), PANIC)
    login = replace(login, options=("--wait", "2"))
    if missing == "system bus":
        login = replace(login, bus="unix:path=/nowhere")
    if missing == "session bus":
        login = replace(login, session="unix:path=/nowhere")
    if missing == "daemon":
        async with logged_in(login) as process:
            assert await ended(process) == 0
    else:
        async with running(setup), logged_in(login) as process:
            assert await ended(process) == 0
    assert "is shown at the next login" in login.log.read_text()
    assert not login.notified.exists()


async def test_lost_session_bus_ends_it(setup: Setup, login: Login, session: Bus) -> None:
    login = replace(login, options=("--wait", "2"))
    async with running(setup), logged_in(login) as process:
        await owned(session)
        await session.stop()
        assert await ended(process) == 0


async def acknowledged(client: DbusNextClient) -> None:
    """Return once no crash waits to be acknowledged."""
    async with asyncio.timeout(20):
        while (await client.manager())["Unacknowledged"]:  # noqa: ASYNC110  # asked as a user would
            await asyncio.sleep(0.1)


async def owned(session: Bus) -> None:
    """Return once a kdumpd-notify has its name on the bus."""
    async with asyncio.timeout(20):
        listing = ("busctl", f"--address={session.address}", "list")
        while b"org.kdumpd1.Notify " not in await output(*listing):  # noqa: ASYNC110  # of others
            await asyncio.sleep(0.1)


async def test_restarted_daemon_and_bus_are_followed_on(
    machine: Machine, setup: Setup, login: Login, session: Bus, bus: Bus
) -> None:
    async with notification_server(session.address) as server, logged_in(login):
        async with running(setup):
            machine.kdump_tools("202611230113", core(), PANIC)
            await server.wait_for(1)
        async with running(setup):
            machine.kdump_tools("202611230114", core(60), PANIC)
            await server.wait_for(2)
        await bus.restart()
        async with running(setup):
            machine.kdump_tools("202611230115", core(120), PANIC)
            await server.wait_for(3)


async def test_second_one_in_a_session_ends(
    setup: Setup, login: Login, session: Bus, tmp_path: Path
) -> None:
    async with running(setup), logged_in(login):
        await owned(session)
        other = replace(login, home=tmp_path / "other")
        async with logged_in(other) as second:
            assert await ended(second) == 0
    assert other.log.read_text() == "Another kdumpd-notify runs in this session.\n"


@needs_polkit
async def test_user_without_rights_is_told_and_refused_in_words(
    machine: Machine, setup: Setup, public: Path
) -> None:
    """Without polkit root alone may acknowledge; the program runs as nobody."""
    machine.kdump_tools("202611230113", core(), PANIC)
    everybody = '<policy context="default"><allow user="*"/></policy>'
    (public / "home").mkdir()
    (public / "home").chmod(0o777)
    async with private_bus(public, Broker.DBUS_DAEMON, Policy.SESSION, everybody) as both:
        login = Login(
            home=public / "home", bus=both.address, session=both.address, program=as_another(NOBODY)
        )
        async with (
            running(replace(setup, bus=both.address)),
            notification_server(both.address) as server,
            logged_in(login),
        ):
            (shown,) = await server.wait_for(1)
            assert shown.title == "The kernel crashed"
            await server.press(shown, "acknowledge")
            _, refused = await server.wait_for(2)
            assert refused.title == "Not acknowledged"
            assert "kdumpdctl acknowledge" in refused.body
            assert refused.actions == ("acknowledge", "Acknowledge")
            await remembered(login, 1)
            assert login.notified.stat().st_uid != 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--bus", "nonsense"), "'nonsense' is not a bus"),
        (("--session-bus", ""), "'' is not a bus"),
        (("--wait", "nan"), "'nan' is not a whole number of seconds"),
        (("--wait", "-1"), "'-1' is not a whole number"),
    ],
)
def test_wrong_command_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 64
    assert words in capsys.readouterr().err
