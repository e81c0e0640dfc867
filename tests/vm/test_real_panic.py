# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job, end to end: a kernel panics, and the people learn what was captured."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.busctl import Busctl, Monitor
from tests.support.daemon import Kdumpd, Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.glib import GlibClient, glib_client
from tests.support.journal import Journal, private_journal
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus
from tests.support.namespace import needs_root
from tests.vm.capture import debian, kdump_utils
from tests.vm.guest import Scenario, run_guest
from tests.vm.image import GuestImage

pytestmark = [pytest.mark.vm, needs_root]

CRASH = "/host/var/crash"
SETTLE = 30.0  # seconds, the default: longer than any pause of the writer
COMPLETE = "MESSAGE_ID=6bc3f018b40343559c7bccda6fc737c6"
INCOMPLETE = "MESSAGE_ID=a6a8bcf7df1243a49434241c1eae3353"

# What Debian's kdump-tools do when makedumpfile is killed: the pipe's status is the compressor's,
# and the stump gets the name of a finished dump.
KILLED = f"""
stamp=$(date +%Y%m%d%H%M)
mkdir -p {CRASH}/$stamp
makedumpfile --dump-dmesg /proc/vmcore {CRASH}/$stamp/dmesg.$stamp
makedumpfile --message-level 6 -F -c -d 31 /proc/vmcore |
    head -c 6000000 > {CRASH}/$stamp/dump-incomplete
mv {CRASH}/$stamp/dump-incomplete {CRASH}/$stamp/dump.$stamp
sync
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything a user has: the machine's directory, the bus, the journal."""

    machine: Machine
    setup: Setup
    journal: Journal
    busctl: Busctl

    async def crash(self, image: GuestImage, capture: str) -> None:
        """Panic a guest that writes into the crash directory."""
        outcome = await run_guest(image, Scenario(capture=capture), self.machine.root)
        assert outcome.panic == "sysrq triggered crash"
        assert outcome.capture_status == 0


@pytest.fixture
async def scene(tmp_path: Path, machine: Machine) -> AsyncIterator[Scene]:
    (tmp_path / "journal").mkdir()
    (tmp_path / "bus").mkdir()
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(private_bus(tmp_path / "bus", Broker.DBUS_DAEMON))
        journal = await stack.enter_async_context(private_journal(tmp_path / "journal"))
        setup = Setup(
            root=machine.root,
            state=tmp_path / "state",
            bus=bus.address,
            settle=SETTLE,
            prefix=journal.prefix,
        )
        yield Scene(machine=machine, setup=setup, journal=journal, busctl=Busctl(bus.address))


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchers:
    """Three clients that know nothing of each other."""

    glib: GlibClient
    dbus_next: DbusNextClient
    monitor: Monitor


@pytest.fixture
async def watchers(scene: Scene) -> AsyncIterator[Watchers]:
    async with (
        glib_client(scene.setup.bus) as glib,
        dbus_next_client(scene.setup.bus) as dbus_next,
        scene.busctl.monitor() as monitor,
    ):
        yield Watchers(glib=glib, dbus_next=dbus_next, monitor=monitor)


async def test_panic_is_found_told_and_remembered(
    image: GuestImage, scene: Scene, watchers: Watchers
) -> None:
    before = datetime.now(UTC)
    async with running(scene.setup) as kdumpd:
        await watchers.glib.next("ready")
        await scene.crash(image, debian(directory=CRASH))
        path = await check_one_complete_capture(scene, watchers, before)
        await kdumpd.kill()
    async with running(scene.setup) as kdumpd:
        await check_nothing_new(scene, kdumpd, path)


async def check_one_complete_capture(scene: Scene, watchers: Watchers, before: datetime) -> str:
    added = await watchers.glib.next("object-added")
    (signal,) = await watchers.dbus_next.wait_for(1, "InterfacesAdded")
    (seen,) = await watchers.monitor.wait_for(1, "InterfacesAdded")
    path = str(added["object-added"])
    assert signal.body[0] == path
    assert seen["payload"]["data"][0] == path
    assert signal.path == seen["path"] == "/org/kdumpd1"

    ((listed, capture),) = (await watchers.dbus_next.captures()).items()
    assert listed == path == f"/org/kdumpd1/capture/{capture['Id']}"
    assert (capture["State"], capture["Problem"]) == ("complete", "")
    assert (capture["Format"], capture["Compression"]) == ("flattened", "zlib")
    assert capture["Layout"] == "kdump-tools"
    assert capture["KernelRelease"].endswith("-amd64")
    assert capture["Trusted"]
    assert capture["WorldReadable"]
    crashed_at = datetime.fromtimestamp(capture["CrashedAt"] / 1e6, UTC)
    assert before - timedelta(seconds=5) < crashed_at < datetime.now(UTC)
    core = bytes(capture["CoreFile"]).decode()
    assert capture["Size"] == os.stat(f"{scene.machine.root}{core}").st_size  # noqa: PTH116

    (entry,) = await scene.journal.wait_for(1, COMPLETE)
    assert entry["PRIORITY"] == "2"
    assert entry["SYSLOG_IDENTIFIER"] == "kdumpd"
    assert entry["KDUMPD_CAPTURE"] == capture["Id"]
    assert entry["KDUMPD_CORE"] == core
    assert entry["KDUMPD_STATE"] == "complete"
    assert entry["KDUMPD_KERNEL"] == capture["KernelRelease"]
    assert entry["KDUMPD_CRASHED_AT"] == str(capture["CrashedAt"])
    assert len(entry["KDUMPD_EVENT"]) == 32
    assert core in entry["MESSAGE"]

    assert len(watchers.glib.seen("object-added")) == 1
    assert len(watchers.dbus_next.seen("InterfacesAdded")) == 1
    assert len(watchers.monitor.members("InterfacesAdded")) == 1
    return path


async def check_nothing_new(scene: Scene, kdumpd: Kdumpd, path: str) -> None:
    async with dbus_next_client(scene.setup.bus) as client:
        await client.call("org.kdumpd1.Manager", "Rescan")
        assert list(await client.captures()) == [path]
        assert not client.seen("InterfacesAdded")
    events = {entry["KDUMPD_EVENT"] for entry in await scene.journal.entries(COMPLETE)}
    assert len(events) == 1
    assert not await scene.journal.entries(INCOMPLETE)
    assert await kdumpd.stop() == 0


async def test_killed_makedumpfile_under_the_final_name_is_incomplete(
    image: GuestImage, scene: Scene
) -> None:
    async with running(scene.setup), dbus_next_client(scene.setup.bus) as client:
        await scene.crash(image, KILLED)
        await client.wait_for(1, "InterfacesAdded", seconds=2 * SETTLE)
        ((_, capture),) = (await client.captures()).items()
        assert bytes(capture["CoreFile"]).decode().rpartition("/")[2].startswith("dump.2")
        assert capture["State"] == "incomplete"
        assert "end record" in capture["Problem"]
        assert capture["CrashedAt"]
        (entry,) = await scene.journal.wait_for(1, INCOMPLETE)
        assert entry["PRIORITY"] == "2"
        assert not await scene.journal.entries(COMPLETE)


async def test_kdump_utils_writes_what_is_found_at_the_next_start(
    image: GuestImage, scene: Scene
) -> None:
    await scene.crash(image, kdump_utils(directory=CRASH))
    async with running(scene.setup), dbus_next_client(scene.setup.bus) as client:
        ((_, capture),) = (await client.captures()).items()
        assert (capture["State"], capture["Format"]) == ("complete", "kdump-compressed")
        assert capture["Layout"] == "kdump-utils"
        assert not capture["WorldReadable"]
        (entry,) = await scene.journal.wait_for(1, COMPLETE)
        assert entry["KDUMPD_CAPTURE"] == capture["Id"]
