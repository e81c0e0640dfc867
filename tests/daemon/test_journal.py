# SPDX-License-Identifier: GPL-2.0-or-later
"""No event is lost on its way into the journal, and a repeated one keeps its id."""

import asyncio
from dataclasses import replace

import pytest

from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running, started
from tests.support.dbus_next import dbus_next_client
from tests.support.journal import Journal
from tests.support.machine import BOOT_ID, Machine
from tests.support.namespace import needs_root

pytestmark = [pytest.mark.bus, needs_root]

COMPLETE = "MESSAGE_ID=6bc3f018b40343559c7bccda6fc737c6"
VALIDATED = "MESSAGE_ID=ad07e7dfd75f4edb97b23ba382e0cb93"
CHANGED = "MESSAGE_ID=457eb317286b4b9ab294bbf437c045a5"
MORE_THAN_A_SOCKET_HOLDS = 400


@pytest.fixture
def setup(setup: Setup, journal: Journal) -> Setup:
    return replace(setup, prefix=journal.prefix)


async def test_journald_that_comes_late_gets_everything(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    await journal.stop()
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup) as kdumpd:
        await kdumpd.wait_until_logged("wait in the ledger")
        assert not await journal.entries(COMPLETE)
        await journal.start()
        (entry,) = await journal.wait_for(1, COMPLETE)
        assert entry["KDUMPD_CORE"] == "/var/crash/202611230113/dump.202611230113"
        assert len(await journal.entries(VALIDATED)) == 1


async def test_events_wait_over_a_restart(machine: Machine, setup: Setup, journal: Journal) -> None:
    await journal.stop()
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup) as kdumpd:
        await kdumpd.kill()
    await journal.start()
    async with running(setup):
        await journal.wait_for(1, COMPLETE)
        await journal.wait_for(1, VALIDATED)


async def test_hung_journald_stalls_nobody(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    for second in range(MORE_THAN_A_SOCKET_HOLDS):
        core = flattened(Crash(crash_time=1_795_396_400 + second))
        machine.kdump_tools(f"{202611230000 + second}", core)
    journal.pause()
    watchdog = {"WATCHDOG_USEC": "400000"}
    async with running(replace(setup, environment=watchdog)) as kdumpd:
        async with dbus_next_client(setup.bus) as client:
            assert len(await client.captures()) == MORE_THAN_A_SOCKET_HOLDS
        await kdumpd.wait_until_told("WATCHDOG=1", len(kdumpd.told) + 1)
        journal.resume()
        entries = await journal.wait_for(MORE_THAN_A_SOCKET_HOLDS, COMPLETE, timeout=60)
        assert len({entry["KDUMPD_EVENT"] for entry in entries}) == MORE_THAN_A_SOCKET_HOLDS


async def test_same_event_id_after_the_ledger_was_lost(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup):
        await journal.wait_for(1, COMPLETE)
    for file in setup.state.iterdir():
        file.unlink()
    async with running(setup):
        entries = await journal.wait_for(2, COMPLETE)
    assert len({entry["KDUMPD_EVENT"] for entry in entries}) == 1


async def test_killed_at_any_moment_nothing_is_lost(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    ids = set()
    for attempt in range(12):
        core = flattened(Crash(crash_time=1_795_396_400 + attempt))
        machine.kdump_tools(f"{202611230000 + attempt}", core)
        async with started(setup) as kdumpd:
            # The moment of the kill wanders through the start; which one it hits does not matter.
            await asyncio.sleep(0.1 * attempt)
            await kdumpd.kill()
    async with running(setup), dbus_next_client(setup.bus) as client:
        ids = {capture["Id"] for capture in (await client.captures()).values()}
        entries = await journal.wait_for(12, COMPLETE)
    assert {entry["KDUMPD_CAPTURE"] for entry in entries} == ids
    assert len({entry["KDUMPD_EVENT"] for entry in entries}) == len(ids) == 12


async def test_boot_is_validated_once(machine: Machine, setup: Setup, journal: Journal) -> None:
    async with running(setup):
        await journal.wait_for(1, VALIDATED)
    async with running(setup):
        (entry,) = await journal.wait_for(1, VALIDATED)
    assert entry["KDUMPD_READINESS"] == "ready"
    assert entry["KDUMPD_CRASHKERNEL"] == "256M"
    assert entry["KDUMPD_RESERVED"] == str(256 << 20)
    assert entry["KDUMPD_LOADED"] == "1"
    assert entry["PRIORITY"] == "6"
    machine.write("proc/sys/kernel/random/boot_id", BOOT_ID.replace("0", "1"))
    machine.write("sys/kernel/kexec_crash_size", "0\n")
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    async with running(setup):
        _, entry = await journal.wait_for(2, VALIDATED)
    assert entry["KDUMPD_READINESS"] == "not-ready"
    assert entry["KDUMPD_FINDINGS"] == "reservation-missing crash-kernel-unloaded"
    assert entry["PRIORITY"] == "4"


async def test_change_while_the_daemon_was_down_is_journaled(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    async with running(setup):
        await journal.wait_for(1, VALIDATED)
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    async with running(setup):
        (entry,) = await journal.wait_for(1, CHANGED)
        assert entry["MESSAGE"].startswith("Readiness changed from ready to not-ready.")
    assert len(await journal.entries(VALIDATED)) == 1


async def test_change_of_readiness_is_journaled(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    async with running(setup), dbus_next_client(setup.bus) as client:
        machine.write("sys/kernel/kexec_crash_loaded", "0\n")
        await client.call("org.kdumpd1.Manager", "Revalidate")
        (entry,) = await journal.wait_for(1, CHANGED)
        assert entry["KDUMPD_READINESS"] == "not-ready"
        assert "no crash kernel is loaded" in entry["MESSAGE"]
