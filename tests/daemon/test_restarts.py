# SPDX-License-Identifier: GPL-2.0-or-later
"""Restarts in a loop delay nothing: what needs time goes on from one run to the next."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.daemon.test_captures import FOREVER, only, until_settled
from tests.daemon.test_journal import CHANGED
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.namespace import needs_root

pytestmark = pytest.mark.bus

WAIT = 8.0  # seconds until what stands is told
LIFE = 1.0  # for which the daemon may be at work, until it is killed
LATE = 5.0  # for which a restart may hold it up: that is one start
STRANGER = 1000

Happened = Callable[[float], Awaitable[bool]]  # within so many seconds


@pytest.fixture
def setup(setup: Setup) -> Setup:
    return replace(setup, settle=WAIT)


async def killed_until(setup: Setup, happened: Happened) -> None:
    """Kill the daemon again and again, until it happens: no run is as long as the wait."""
    async with asyncio.timeout(5 * WAIT):
        while True:
            began = time.monotonic()
            async with running(setup) as kdumpd:
                if await happened(LIFE):
                    return
                await kdumpd.kill()
            assert time.monotonic() - began < WAIT


def announced(client: DbusNextClient, member: str) -> Happened:
    """Return what says whether a signal of this name has come."""

    async def happened(seconds: float) -> bool:
        with suppress(TimeoutError):
            return bool(await client.wait_for(1, member, seconds))
        return False

    return happened


def log_alone(machine: Machine) -> Path:
    """Write a capture that no end record completes, and return its file."""
    directory = machine.crash / "202611230113"
    directory.mkdir()
    log = directory / "dmesg.202611230113"
    log.write_text("Kernel panic - not syncing\n")
    return log


async def test_a_log_alone_is_told(machine: Machine, setup: Setup) -> None:
    async with dbus_next_client(setup.bus) as client:
        async with running(setup) as kdumpd:
            log_alone(machine)
            written = time.monotonic()
            await asyncio.sleep(LIFE)
            await kdumpd.kill()
        await killed_until(setup, announced(client, "InterfacesAdded"))
        assert WAIT <= time.monotonic() - written <= WAIT + LATE


async def test_what_is_gone_is_told(machine: Machine, setup: Setup) -> None:
    core = machine.kdump_tools("202611230113", flattened(Crash()))

    async with dbus_next_client(setup.bus) as client:

        async def happened(seconds: float) -> bool:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while (await only(client))["State"] != "gone":  # noqa: ASYNC110  # as a user
                        await asyncio.sleep(0.1)
                    return True
            return False

        async with running(setup) as kdumpd:
            assert (await only(client))["State"] == "complete"
            for file in (*core.parent.iterdir(),):
                file.unlink()
            core.parent.rmdir()
            removed = time.monotonic()
            await asyncio.sleep(LIFE)
            await kdumpd.kill()
        await killed_until(setup, happened)
        assert WAIT <= time.monotonic() - removed <= WAIT + LATE


@needs_root
async def test_readiness_that_has_changed_is_told(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    setup = replace(setup, prefix=journal.prefix)

    async def happened(seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return bool(await journal.entries(CHANGED))

    async with running(setup):
        pass
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    changed = time.time()
    await killed_until(setup, happened)
    (entry,) = await journal.entries(CHANGED)
    assert entry["MESSAGE"].startswith("Readiness changed from ready to not-ready.")
    told = int(entry["__REALTIME_TIMESTAMP"]) / 1_000_000
    assert WAIT <= told - changed <= WAIT + 2 * LATE  # seen by a start, and told by another one


def grow(log: Path) -> None:
    with log.open("a") as file:
        file.write("the last line\n")


def replace_by_one_of_the_same_size_and_time(log: Path) -> None:
    before = log.stat()
    other = log.with_name("other")
    other.write_text(log.read_text().swapcase())
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(log)
    assert (log.stat().st_size, log.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("change", [grow, replace_by_one_of_the_same_size_and_time])
async def test_what_changes_meanwhile_settles_anew(
    machine: Machine, setup: Setup, change: Callable[[Path], None]
) -> None:
    setup = replace(setup, settle=4.0)
    async with running(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        log = log_alone(machine)
        await client.wait_for_property("Settling", 1)
        await asyncio.sleep(LIFE)
        await kdumpd.kill()
    change(log)
    changed = time.monotonic()
    async with running(setup), dbus_next_client(setup.bus) as client:
        await until_settled(client)
        assert time.monotonic() - changed >= setup.settle
        assert await client.captures()


@pytest.fixture
def churned(machine: Machine) -> Path:
    """A capture of a stranger in a crash directory where everybody may write."""
    machine.crash.chmod(0o1777)
    log = log_alone(machine)
    for path in (log.parent, log):
        os.chown(path, STRANGER, STRANGER)
    return log


@needs_root
async def test_what_a_stranger_does_is_not_written_down(setup: Setup, churned: Path) -> None:
    setup = replace(setup, settle=FOREVER)
    async with running(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        assert (await client.manager())["Settling"] == 1
        written = kdumpd.written
        for _ in range(20):
            grow(churned)
            await client.call("org.kdumpd1.Manager", "Rescan")
        assert kdumpd.written == written
        assert (await client.manager())["Settling"] == 1
