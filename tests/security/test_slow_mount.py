# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that holds a crash directory is dead: all else goes on, and the directory comes back."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.security.invariants import HONEST_RELEASE, PATIENCE, AttackedDaemon, attacked, be_honest
from tests.support.cores import Crash, elf, flattened
from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.fuse import DEVICE
from tests.support.journal_file import Boot, opening, orderly, write_boots
from tests.support.machine import Machine
from tests.support.namespace import needs_root
from tests.support.process import ServiceError, output
from tests.support.slow_mount import SlowMount, slow_mount

pytestmark = [
    pytest.mark.bus,
    needs_root,
    pytest.mark.skipif(not os.access(DEVICE, os.R_OK | os.W_OK), reason=f"no {DEVICE} here"),
]

LOCAL, REMOTE = "/var/crash", "/srv/crash"
SOON = 0.5  # seconds


@pytest.fixture
def server(tmp_path: Path) -> Machine:
    """What the dead server has on its disks."""
    return Machine(tmp_path / "server")


@pytest.fixture
async def mount(machine: Machine, server: Machine) -> AsyncIterator[SlowMount]:
    target = machine.root / "srv/crash"
    await asyncio.to_thread(target.mkdir, parents=True)
    async with slow_mount(server.crash, target) as mount:
        yield mount


@pytest.fixture
def both(setup: Setup, mount: SlowMount) -> Setup:
    return replace(setup, directories=(LOCAL, REMOTE), prefix=mount.prefix)


def remote(server: Machine, number: int = 0) -> None:
    crash = Crash(release=HONEST_RELEASE, crash_time=1_797_000_000 + number)
    server.kdump_utils(f"2026-11-24-01:00:{number:02}", elf(crash))


async def findings(one: AttackedDaemon) -> str:
    return repr((await one.client.manager())["Findings"])


async def test_it_hangs_and_goes_on(machine: Machine, server: Machine, mount: SlowMount) -> None:
    """What hangs in these tests does hang."""
    remote(server)
    listing = (*mount.prefix, "ls", "-lR", str(machine.root / "srv/crash"))
    assert b"vmcore-dmesg.txt" in await output(*listing)
    mount.hang()
    with pytest.raises(ServiceError, match="no answer"):
        await output(*listing, seconds=SOON)
    mount.go_on()
    assert b"vmcore-dmesg.txt" in await output(*listing)


async def test_captures_on_a_server_are_listed(
    machine: Machine, server: Machine, both: Setup
) -> None:
    remote(server)
    async with attacked(both, be_honest(machine) + 1):
        pass


@pytest.mark.long
async def test_dead_server_holds_up_nothing_else(
    machine: Machine, server: Machine, mount: SlowMount, both: Setup
) -> None:
    remote(server)
    honest = be_honest(machine) + 1
    async with attacked(both, honest + 2) as one:
        await one.until_honest_are_listed(honest)
        mount.hang()
        answers, fed = one.answers, one.kdumpd.told.count("WATCHDOG=1")
        crash = Crash(release=HONEST_RELEASE, crash_time=1_797_001_000)
        machine.kdump_tools("202611240200", flattened(crash))
        await one.until_honest_are_listed(honest + 1)
        assert "does not answer" in await findings(one)
        await one.kdumpd.wait_until_told("WATCHDOG=1", fed + 3)
        assert one.answers > answers
        remote(server, 1)
        mount.go_on()
        await one.until_honest_are_listed(honest + 2)
        assert "does not answer" not in await findings(one)


@pytest.mark.long
async def test_daemon_ends_though_a_server_is_dead(
    machine: Machine, server: Machine, mount: SlowMount, both: Setup
) -> None:
    remote(server)
    be_honest(machine)
    async with running(both) as kdumpd:
        mount.hang()
        (machine.crash / "look again").mkdir()
        await kdumpd.wait_until_logged("does not answer", seconds=PATIENCE)
        assert await kdumpd.stop() == 0
        assert "Traceback" not in kdumpd.log


@pytest.fixture
async def journals(machine: Machine, server: Machine) -> AsyncIterator[SlowMount]:
    """A machine whose journal lies on the server's disk."""
    shared = server.root / "var/log/journal"
    target = machine.root / "var/log/journal"
    machine.write("proc/stat", "btime 1795396494\n")
    boot = Boot("a" * 32, 1_795_390_000, [*opening(), *orderly(60)])
    await asyncio.to_thread(write_boots, shared, boot)
    await asyncio.to_thread(target.mkdir, parents=True)
    async with slow_mount(shared, target) as mount:
        yield mount


async def previous(client: DbusNextClient, word: str) -> None:
    """Return once the boot before is said to have ended so."""
    async with asyncio.timeout(PATIENCE):
        while (await client.manager())["PreviousBoot"] != word:  # noqa: ASYNC110  # as a user
            await asyncio.sleep(0.2)


async def test_a_journal_that_hangs_holds_up_nothing(
    machine: Machine, journals: SlowMount, setup: Setup
) -> None:
    journals.hang()
    hung = replace(setup, prefix=journals.prefix)
    async with running(hung) as kdumpd, dbus_next_client(setup.bus) as client:
        machine.kdump_tools("202611240200", flattened(Crash(crash_time=1_790_000_000)))
        await client.wait_for(1, "InterfacesAdded")
        assert (await client.manager())["PreviousBoot"] == "unknown"
        journals.go_on()
        await previous(client, "clean")
        assert "Traceback" not in kdumpd.log
