# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a capture, as its users see it."""

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.cores import Crash, elf, flattened, kdump, split
from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.namespace import needs_root, unmount
from tests.support.process import output

pytestmark = pytest.mark.bus

COMPLETE = "MESSAGE_ID=6bc3f018b40343559c7bccda6fc737c6"
INCOMPLETE = "MESSAGE_ID=a6a8bcf7df1243a49434241c1eae3353"
UNTRUSTED = "MESSAGE_ID=ef7e508863b94064b0b9c25659675777"
GONE = "MESSAGE_ID=350cce47a8c34764a4b50ff56b153b7c"
FOREVER = 600.0  # seconds to settle, for what must not happen by waiting
MANY = 300

Properties = dict[str, Any]


async def until_settled(client: DbusNextClient) -> None:
    """Return once nothing counts as being written any more."""
    async with asyncio.timeout(20):
        while (await client.manager())["Settling"]:  # noqa: ASYNC110  # asked as a user would
            await asyncio.sleep(0.1)


async def only(client: DbusNextClient) -> Properties:
    """Return the properties of the one capture there is."""
    (capture,) = (await client.captures()).values()
    return capture


@pytest.mark.parametrize("core", [flattened(Crash()), kdump(Crash()), elf(Crash())], ids=len)
async def test_complete_capture_is_shown_at_once(
    machine: Machine, setup: Setup, core: bytes
) -> None:
    async with running(replace(setup, settle=FOREVER)), dbus_next_client(setup.bus) as client:
        path = machine.kdump_utils("2026-11-23-01:13:34", core)
        (added,) = await client.wait_for(1, "InterfacesAdded")
        capture = await only(client)
        assert added.path == "/org/kdumpd1"
        assert added.body[0] == f"/org/kdumpd1/capture/{capture['Id']}"
        assert (capture["State"], capture["Problem"]) == ("complete", "")
        assert bytes(capture["CoreFile"]) == b"/" + bytes(path.relative_to(machine.root))
        assert capture["Size"] == len(core)
        assert capture["CrashedAt"] > 0


@pytest.mark.parametrize("core", [flattened(Crash()), kdump(Crash()), elf(Crash())], ids=len)
async def test_core_cut_off_is_incomplete_under_its_final_name(
    machine: Machine, setup: Setup, core: bytes
) -> None:
    async with running(setup), dbus_next_client(setup.bus) as client:
        machine.kdump_tools("202611230113", core[:-1])
        await client.wait_for(1, "InterfacesAdded")
        capture = await only(client)
        assert capture["State"] == "incomplete"
        assert capture["Problem"]


async def test_growing_capture_is_settling_and_then_one(machine: Machine, setup: Setup) -> None:
    setup = replace(setup, settle=FOREVER)
    async with running(setup), dbus_next_client(setup.bus) as client:
        directory = machine.crash / "127.0.0.1-2026-11-23-01:13:34"
        directory.mkdir()
        growing = directory / "vmcore-incomplete"
        core = flattened(Crash())
        growing.write_bytes(core[:-100])
        await client.wait_for(1, "PropertiesChanged")
        await client.call("org.kdumpd1.Manager", "Rescan")
        assert (await client.manager())["Settling"] == 1
        assert not await client.captures()
        growing.write_bytes(core)
        growing.rename(directory / "vmcore")
        await client.wait_for(1, "InterfacesAdded")
        assert (await client.manager())["Settling"] == 0
        assert (await only(client))["State"] == "complete"


async def test_incomplete_that_becomes_complete_keeps_its_id(
    machine: Machine, setup: Setup
) -> None:
    async with running(setup), dbus_next_client(setup.bus) as client:
        core = flattened(Crash())
        path = machine.kdump_tools("202611230113", core[:-16])
        await client.wait_for(1, "InterfacesAdded")
        before = await only(client)
        with path.open("ab") as file:
            file.write(core[-16:])
        await client.call("org.kdumpd1.Manager", "Rescan")
        after = await only(client)
        assert (before["State"], after["State"]) == ("incomplete", "complete")
        assert (before["Id"], before["FoundAt"]) == (after["Id"], after["FoundAt"])
        assert len(client.seen("InterfacesAdded")) == 1


async def test_dmesg_alone(machine: Machine, setup: Setup) -> None:
    async with running(setup), dbus_next_client(setup.bus) as client:
        directory = machine.crash / "202611230113"
        directory.mkdir()
        (directory / "dmesg.202611230113").write_text("Kernel panic - not syncing\n")
        await client.wait_for(1, "InterfacesAdded")
        capture = await only(client)
        assert (capture["State"], capture["Size"]) == ("dmesg-only", 0)
        assert capture["CoreFile"] == b""
        machine.write("var/crash/202611230113/dump.202611230113", "")
        (directory / "dump.202611230113").write_bytes(flattened(Crash()))
        await client.wait_for(2, "InterfacesAdded")
        assert (await only(client))["State"] == "complete"


async def test_id_survives_restart_loss_of_the_ledger_and_a_move(
    machine: Machine, setup: Setup
) -> None:
    path = machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        before = await only(client)
    shutil.rmtree(setup.state)
    path.parent.rename(machine.crash / "kept for the vendor")
    async with running(setup), dbus_next_client(setup.bus) as client:
        after = await only(client)
    assert before["Id"] == after["Id"]
    assert bytes(after["Directory"]) == b"/var/crash/kept for the vendor"


async def test_copy_is_no_second_crash(machine: Machine, setup: Setup) -> None:
    path = machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        shutil.copytree(path.parent, machine.crash / "copy")
        await client.call("org.kdumpd1.Manager", "Rescan")
        assert bytes((await only(client))["CoreFile"]).endswith(b"202611230113/dump.202611230113")
        shutil.rmtree(path.parent)
        await client.call("org.kdumpd1.Manager", "Rescan")
        capture = await only(client)
        assert capture["State"] == "complete"
        assert bytes(capture["Directory"]) == b"/var/crash/copy"
        assert not client.seen("InterfacesAdded")


@needs_root
async def test_vanished_capture_is_told_and_stays_known(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    path = machine.kdump_tools("202611230113", flattened(Crash()))
    setup = replace(setup, prefix=journal.prefix)
    async with running(setup), dbus_next_client(setup.bus) as client:
        (first,) = await journal.wait_for(1, COMPLETE)
        shutil.rmtree(path.parent)
        await client.wait_for_property("State", "gone")
        assert (await only(client))["State"] == "gone"
        (gone,) = await journal.wait_for(1, GONE)
        assert gone["KDUMPD_CAPTURE"] == first["KDUMPD_CAPTURE"]
        machine.kdump_tools("202611230113", flattened(Crash()))
        await client.wait_for_property("State", "complete")
        assert (await only(client))["State"] == "complete"
    assert len(await journal.entries(COMPLETE)) == 1


async def test_directory_that_comes_late_goes_and_comes_again(
    machine: Machine, setup: Setup, tmp_path: Path
) -> None:
    machine.crash.rmdir()
    async with running(replace(setup, settle=FOREVER)), dbus_next_client(setup.bus) as client:
        machine.crash.mkdir()
        machine.kdump_tools("202611230113", flattened(Crash()))
        await client.wait_for(1, "InterfacesAdded")
        machine.crash.rename(tmp_path / "elsewhere")
        machine.crash.mkdir()
        machine.kdump_tools("202611230114", flattened(Crash(crash_time=1_795_396_500)))
        await client.wait_for(2, "InterfacesAdded")


@needs_root
async def test_three_hundred_at_full_speed(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    setup = replace(setup, settle=FOREVER, prefix=journal.prefix)
    cores = [flattened(Crash(crash_time=1_795_396_400 + second)) for second in range(MANY)]
    async with running(setup), dbus_next_client(setup.bus) as client:
        await asyncio.to_thread(write_all, machine, cores)
        added = await client.wait_for(MANY, "InterfacesAdded", seconds=60)
        assert len({signal.body[0] for signal in added}) == MANY
        captures = await client.captures()
        assert len(captures) == MANY
        assert {capture["State"] for capture in captures.values()} == {"complete"}
        entries = await journal.wait_for(MANY, COMPLETE, timeout=60)
        assert len({entry["KDUMPD_EVENT"] for entry in entries}) == len(entries) == MANY
        assert len(client.seen("InterfacesAdded")) == MANY


def write_all(machine: Machine, cores: list[bytes]) -> None:
    for number, core in enumerate(cores):
        machine.kdump_tools(f"{202611230000 + number}", core)


@needs_root
async def test_names_that_are_not_utf8(machine: Machine, setup: Setup, journal: Journal) -> None:
    setup = replace(setup, prefix=journal.prefix)
    async with running(setup), dbus_next_client(setup.bus) as client:
        directory = os.fsencode(machine.crash) + b"/\xff\n\x1b[31m"
        await asyncio.to_thread(os.mkdir, directory)
        await asyncio.to_thread(
            Path(os.fsdecode(directory + b"/vmcore")).write_bytes, flattened(Crash())
        )
        await client.wait_for(1, "InterfacesAdded")
        assert bytes((await only(client))["Directory"]) == b"/var/crash/\xff\n\x1b[31m"
        (entry,) = await journal.wait_for(1, COMPLETE)
        assert entry["KDUMPD_CORE"] == b"/var/crash/\xff\n\x1b[31m/vmcore"
        assert r"/var/crash/\xff\n\x1b[31m/vmcore" in entry["MESSAGE"]


async def test_what_a_stranger_put_there_is_listed_unread(machine: Machine, setup: Setup) -> None:
    directory = machine.crash / "202611230113"
    directory.mkdir()
    os.mkfifo(directory / "dump.202611230113")
    other = machine.crash / "202611230114"
    other.mkdir()
    (other / "dump.202611230114").symlink_to("/etc/shadow")
    (machine.crash / "202611230115").symlink_to(other)
    async with running(setup), dbus_next_client(setup.bus) as client:
        await client.wait_for(2, "InterfacesAdded")
        captures = (await client.captures()).values()
        assert {capture["State"] for capture in captures} == {"unreadable"}
        assert not any(capture["Trusted"] for capture in captures)
        assert all("contents not read" in capture["Problem"] for capture in captures)


async def test_incomplete_copies_settle_for_good(machine: Machine, setup: Setup) -> None:
    async with running(setup), dbus_next_client(setup.bus) as client:
        core = flattened(Crash())
        machine.kdump_tools("202611230113", core[:-16])
        machine.kdump_tools("202611230114", core[:-32])
        await client.wait_for(1, "InterfacesAdded")
        await until_settled(client)
        (machine.crash / "touched").touch()
        await client.call("org.kdumpd1.Manager", "Rescan")
        assert (await client.manager())["Settling"] == 0
        assert len(await client.captures()) == 1


async def test_directory_that_is_watched_no_more_is_not_vouched_for(
    machine: Machine, setup: Setup
) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        assert len(await client.captures()) == 1
    other = replace(setup, directories=("/srv/crash",))
    async with running(other), dbus_next_client(setup.bus) as client:
        assert not await client.captures()
    async with running(setup), dbus_next_client(setup.bus) as client:
        assert len(await client.captures()) == 1


async def test_trust_that_is_lost_leaves_what_is_known(machine: Machine, setup: Setup) -> None:
    path = machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        before = await only(client)
        path.chmod(0o666)
        await client.call("org.kdumpd1.Manager", "Rescan")
        await until_settled(client)
        after = await only(client)
        assert (after["State"], after["Trusted"]) == ("unreadable", False)
        for name in ("Id", "KernelRelease", "CrashedAt", "BuildId", "FoundAt"):
            assert after[name] == before[name]


@needs_root
async def test_stranger_raises_no_alarm_and_is_forgotten(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    setup = replace(setup, prefix=journal.prefix)
    async with running(setup), dbus_next_client(setup.bus) as client:
        directory = machine.crash / "202611230113"
        directory.mkdir()
        (directory / "dump.202611230113").write_bytes(b"")
        for path in (directory / "dump.202611230113", directory):
            await asyncio.to_thread(os.chown, path, 65534, 65534)
        await client.wait_for(1, "InterfacesAdded")
        (entry,) = await journal.wait_for(1, UNTRUSTED)
        assert entry["PRIORITY"] == "4"
        assert await journal.entries(INCOMPLETE) == []
        assert "users other than root could have put it there" in entry["MESSAGE"]
        shutil.rmtree(directory)
        await client.wait_for(1, "InterfacesRemoved")
        assert not await client.captures()


@needs_root
async def test_crash_directory_on_a_file_system_that_is_not_mounted(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    """Another file system over the directory hides its captures: they are not gone."""
    setup = replace(setup, prefix=journal.prefix)
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        inside = (*journal.prefix, "mount", "-t", "tmpfs", "tmpfs", str(machine.crash))
        await output(*inside)
        for _ in range(4):
            await asyncio.sleep(setup.settle)
            await client.call("org.kdumpd1.Manager", "Rescan")
        assert (await only(client))["State"] == "complete"
        await unmount(journal.prefix, str(machine.crash))
    assert not await journal.entries(GONE)


@needs_root
async def test_mount_above_the_crash_directory_that_is_late(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    setup = replace(setup, prefix=journal.prefix)
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        await output(*journal.prefix, "mount", "-t", "tmpfs", "x", str(machine.root / "var"))
        for _ in range(4):
            await asyncio.sleep(setup.settle)
            await client.call("org.kdumpd1.Manager", "Rescan")
        assert (await only(client))["State"] == "complete"
    assert not await journal.entries(GONE)


@needs_root
async def test_real_crash_is_not_forgotten_for_a_lack_of_trust(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    """A hard link, as backups make them, and then the dump is removed."""
    setup = replace(setup, prefix=journal.prefix)
    path = machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        (machine.root / "backup").hardlink_to(path)
        await client.call("org.kdumpd1.Manager", "Rescan")
        await until_settled(client)
        assert (await only(client))["State"] == "unreadable"
        shutil.rmtree(path.parent)
        await journal.wait_for(1, GONE)
        assert (await only(client))["State"] == "gone"


@needs_root
async def test_stranger_in_the_place_of_a_removed_capture_is_another(
    machine: Machine, setup: Setup
) -> None:
    machine.crash.chmod(0o1777)
    path = machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        real = (await only(client))["Id"]
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        path.write_bytes(b"")
        await asyncio.to_thread(os.chown, path.parent, 65534, 65534)
        await client.wait_for(1, "InterfacesAdded")
        captures = {capture["Id"]: capture for capture in (await client.captures()).values()}
        assert captures.pop(real)["State"] == "gone"
        (strange,) = captures.values()
        assert (strange["Trusted"], strange["KernelRelease"]) == (False, "")


async def test_every_layout(machine: Machine, setup: Setup) -> None:
    """A tree of each: as many captures as crashes, each in its place and in its state."""
    machine.kdump_tools("202611230113", flattened(Crash(crash_time=1)), b"of Debian\n")
    machine.apport("202611230113", b"of Debian\n")
    machine.apport("202611220000", b"of Ubuntu\n")
    machine.kdump_test("kdump-test-1795396414-123456789", kdump(Crash(crash_time=2)), b"of RHEL\n")
    machine.split("2026-11-23-02:00:00", split(Crash(crash_time=3), 18))
    machine.suse("2026-11-23-01-13", flattened(Crash(crash_time=4))[:-50], status=None)
    for number, stamp in enumerate(("202611230300", "202611230400"), 5):
        directory = machine.steamos(stamp, kdump(Crash(crash_time=number)))
        (directory / "vmcore.compressed").rename(directory.with_name(f"vmcore.{stamp}"))
        shutil.rmtree(directory)
    machine.pstore("1795396414/001", b"of pstore\n", "dmesg-efi-179539641401001")
    failed = machine.crash / "127.0.0.1-2026-11-23-04:00:00"
    failed.mkdir()
    (failed / "kexec-dmesg.log").write_bytes(b"mount failed\n")
    async with running(setup), dbus_next_client(setup.bus) as client:
        await until_settled(client)
        captures = list((await client.captures()).values())
        assert sorted((one["Layout"], one["State"]) for one in captures) == [
            ("apport", "dmesg-only"),
            ("kdump-tools", "complete"),
            ("kdump-utils", "complete"),
            ("kdump-utils", "complete"),
            ("kdump-utils", "incomplete"),
            ("pstore", "dmesg-only"),
            ("steamos", "complete"),
            ("steamos", "complete"),
            ("suse", "incomplete"),
        ]
        assert all(one["Problem"] for one in captures if one["State"] == "incomplete")
        (machine.crash / "crash/vmcore.202611230300").unlink()
        await client.call("org.kdumpd1.Manager", "Rescan")
        await until_gone(client, 1)


async def until_gone(client: DbusNextClient, number: int) -> None:
    """Return once so many captures are gone."""
    async with asyncio.timeout(20):
        while True:
            captures = (await client.captures()).values()
            if sum(one["State"] == "gone" for one in captures) == number:
                return
            await asyncio.sleep(0.1)
