# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel keeps from users, and the names in a directory that they may not list, stay so.

Each way out of the daemon is tried as a user who has no right to read the kernel log.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kdumpd.dbus.introspection import TRIGGER_XML, read_interfaces, standard_interfaces
from kdumpd.expose.dbus_properties import (
    CAPTURE_PROPERTIES,
    CRASH_TEST_PROPERTIES,
    MANAGER_PROPERTIES,
    Secrecy,
)
from tests.support.caller import Caller, caller
from tests.support.cores import Crash, flattened
from tests.support.daemon import Kdumpd, Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.machine import DMESG_RESTRICT, Machine
from tests.support.message_bus import Broker
from tests.support.polkit import (
    NOBODY,
    PERMITTED,
    Polkit,
    needs_polkit,
    polkit_on,
    system_bus,
)
from tests.support.yielding_polkit import yielding_polkit

MANAGER = "org.kdumpd1.Manager"
CAPTURE = "org.kdumpd1.Capture"
CRASH_TEST = "org.kdumpd1.CrashTest"
TRIGGER = "org.kdumpd1.Trigger"
PROPERTIES = "org.freedesktop.DBus.Properties"
BUS = "org.freedesktop.DBus"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
MANAGER_PATH = "/org/kdumpd1"

NEVER, KERNEL_TEXT, NAMES = Secrecy.NEVER, Secrecy.KERNEL_TEXT, Secrecy.NAMES
# A property without a row here fails the test: whoever adds one says who may read it.
CLASSES = {
    MANAGER: {
        "Version": NEVER,
        "BootId": NEVER,
        "Readiness": NEVER,
        "Summary": NEVER,
        "Findings": NAMES,
        "CheckedAt": NEVER,
        "Checks": NAMES,
        "Mechanism": NEVER,
        "SystemRam": NEVER,
        "SystemRamSource": NEVER,
        "Crashkernel": NEVER,
        "CrashkernelReading": NEVER,
        "ExpectedBytes": NEVER,
        "SuggestedBytes": NEVER,
        "ReservedBytes": NEVER,
        "CrashKernelLoaded": NEVER,
        "PanicTriggers": NEVER,
        "Unacknowledged": NEVER,
        "UncapturedCrashes": NEVER,
        "Settling": NEVER,
        "PreviousBoot": NEVER,
        "PreviousBootReason": NAMES,
        "CrashDirectories": NEVER,
        "Hidden": NEVER,
    },
    CRASH_TEST: {
        "Verdict": NEVER,
        "Reason": NAMES,
        "TestedAt": NEVER,
        "TestedKernel": NEVER,
        "Seconds": NEVER,
        "Size": NEVER,
        "Capture": NEVER,
        "Stale": NEVER,
        "StaleReason": NEVER,
        "Hidden": NEVER,
    },
    CAPTURE: {
        "Id": NEVER,
        "Directory": NAMES,
        "CoreFile": NAMES,
        "DmesgFile": NAMES,
        "Layout": NEVER,
        "Format": NEVER,
        "Compression": NEVER,
        "Size": NEVER,
        "State": NEVER,
        "Trusted": NEVER,
        "Owner": NEVER,
        "Problem": NAMES,
        "CrashedAt": NEVER,
        "FoundAt": NEVER,
        "Host": NEVER,
        "KernelRelease": NEVER,
        "Architecture": NEVER,
        "BuildId": NEVER,
        "DumpLevel": NEVER,
        "Class": NEVER,
        "Reason": KERNEL_TEXT,
        "Function": NEVER,
        "Module": NEVER,
        "Command": KERNEL_TEXT,
        "Tainted": NEVER,
        "HardwareError": NEVER,
        "CaptureArmed": NEVER,
        "Signature": NEVER,
        "Occurrence": NEVER,
        "IsTest": NEVER,
        "RemovalExpected": NEVER,
        "RemovalReason": NEVER,
        "WorldReadable": NEVER,
        "Acknowledged": NEVER,
        "Hidden": NEVER,
    },
}
# What kdumpd-trigger says is of its own making, and of this machine's present.
TRIGGER_PROPERTIES = {"Enabled", "State", "Deadline"}
# Everybody hears these. A signal without a row here fails the test: whoever adds one tries it.
SIGNALS = {
    (MANAGER, "ReadinessChanged"),
    (MANAGER, "CrashReported"),
    (OBJECT_MANAGER, "InterfacesAdded"),
    (OBJECT_MANAGER, "InterfacesRemoved"),
    (PROPERTIES, "PropertiesChanged"),
}

STAMP = "202611230113"
SECOND = "202611230114"
LOG = (
    b"[    0.000000] Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org)\n"
    b"[    9.100000] Kernel panic - not syncing: opensesame for alice\n"
    b"[    9.100001] CPU: 0 PID: 7 Comm: sshd-alice Not tainted 6.1.0-56-amd64 #1\n"
)
REASON = "opensesame for alice"
SECRETS = ("opensesame", "alice", STAMP, SECOND)
OF_THE_KERNEL = {"Reason", "Command"}
OF_NAMES = {"Directory", "CoreFile", "DmesgFile"}


def test_every_property_is_classed() -> None:
    tables = {
        MANAGER: MANAGER_PROPERTIES,
        CRASH_TEST: CRASH_TEST_PROPERTIES,
        CAPTURE: CAPTURE_PROPERTIES,
    }
    declared = {one.name: one.properties.keys() for one in read_interfaces().values()}
    assert declared == {name: row.keys() for name, row in CLASSES.items()}
    assert {
        interface: {name: value.secrecy for name, value in table.items()}
        for interface, table in tables.items()
    } == CLASSES
    assert read_interfaces(TRIGGER_XML)[TRIGGER].properties.keys() == TRIGGER_PROPERTIES


def test_every_signal_is_tried() -> None:
    interfaces = [*read_interfaces().values(), *standard_interfaces().values()]
    assert {(one.name, name) for one in interfaces for name in one.signals} == SIGNALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A daemon that watches a machine, on a bus with polkit."""

    machine: Machine
    address: str
    polkit: Polkit
    kdumpd: Kdumpd
    client: DbusNextClient  # root's

    async def restrict(self, value: str) -> None:
        """Set kernel.dmesg_restrict, and wait until the daemon has looked."""
        self.machine.write(DMESG_RESTRICT, value)
        await self.client.call(MANAGER, "Revalidate")

    async def crash(self, stamp: str) -> str:
        """Let a capture be found, and return its object path."""
        known, core = set(await self.client.captures()), flattened(Crash())
        for file in self.machine.kdump_tools(stamp, core, LOG).parent.iterdir():
            file.chmod(0o600)
        await self.client.wait_for(len(known) + 1, "InterfacesAdded")
        (path,) = set(await self.client.captures()) - known
        return path


@asynccontextmanager
async def serving(machine: Machine, public: Path, broker: Broker) -> AsyncIterator[Served]:
    async with system_bus(public, broker) as bus, polkit_on(public, bus) as polkit:
        setup = Setup(root=machine.root, state=public / "state", bus=bus.address)
        async with dbus_next_client(bus.address) as client, running(setup) as kdumpd:
            yield Served(
                machine=machine,
                address=bus.address,
                polkit=polkit,
                kdumpd=kdumpd,
                client=client,
            )


@pytest.fixture
def restricted(machine: Machine) -> Machine:
    machine.write(DMESG_RESTRICT, "1\n")
    return machine


@pytest.fixture
async def served(restricted: Machine, public: Path) -> AsyncIterator[Served]:
    async with serving(restricted, public, Broker.DBUS_DAEMON) as served:
        yield served


async def get_all(who: Caller, path: str, interface: str) -> dict[str, Any]:
    answer = await who.call(path, PROPERTIES, "GetAll", arguments=f"('{interface}',)")
    return dict(answer["done"][0])


async def get(who: Caller, path: str, interface: str, name: str) -> Any:  # noqa: ANN401  # any D-Bus value
    arguments = f"('{interface}', '{name}')"
    return (await who.call(path, PROPERTIES, "Get", arguments=arguments))["done"][0]


async def everything(who: Caller, capture: str) -> dict[str, Any]:
    """Return all that a caller is told, by each method that tells something."""
    told: dict[str, Any] = {}
    for interface, row in CLASSES.items():
        path = capture if interface == CAPTURE else MANAGER_PATH
        told[interface] = await get_all(who, path, interface)
        told[f"{interface} one by one"] = {
            name: await get(who, path, interface, name) for name in row
        }
    told["managed"] = await who.call(MANAGER_PATH, OBJECT_MANAGER, "GetManagedObjects")
    for path in (MANAGER_PATH, capture):
        told[f"all of {path}"] = await get_all(who, path, "")
    return told


def leaks(told: object) -> list[str]:
    """Return the secrets that stand in something; bytes are lists of numbers in it."""
    text = json.dumps(told, default=repr)
    found = [one for one in SECRETS if one in text]
    return found + [one for one in SECRETS if ", ".join(map(str, one.encode())) in text]


def moved(directory: Path, stamp: str) -> None:
    """Give a capture another directory, and its files other names."""
    for file in directory.iterdir():
        file.rename(file.with_suffix(f".{stamp}"))
    directory.rename(directory.with_name(stamp))


def heard(client: DbusNextClient) -> Iterator[tuple[str, str, str]]:
    for signal in client.signals:
        yield signal.interface, signal.member, repr(signal.body)


@pytest.mark.bus
@needs_polkit
async def test_nothing_gets_out(restricted: Machine, public: Path, broker: Broker) -> None:
    async with serving(restricted, public, broker) as served:
        capture = await served.crash(STAMP)
        async with caller(served.address, NOBODY) as nobody:
            told = await everything(nobody, capture)
        assert leaks(told) == []
        assert told[CAPTURE]["Class"] == "unknown"
        assert told[CAPTURE]["State"] == "complete"
        assert told[CAPTURE]["KernelRelease"] == "6.1.0-56-amd64"
        assert set(told[CAPTURE]["Hidden"]) == OF_THE_KERNEL | OF_NAMES
        assert told[CAPTURE] == told[f"{CAPTURE} one by one"]
        assert told["managed"]["done"][0][capture][CAPTURE] == told[CAPTURE]
        for user in ("root", PERMITTED):
            async with caller(served.address, user) as who:
                known = await everything(who, capture)
            assert known[CAPTURE]["Hidden"] == []
            assert REASON in known[CAPTURE]["Reason"]
            assert known[CAPTURE]["Command"] == "sshd-alice"
            assert bytes(known[CAPTURE]["Directory"]).endswith(STAMP.encode())
            assert known[CAPTURE] == known[f"{CAPTURE} one by one"]
            assert known["managed"]["done"][0][capture][CAPTURE] == known[CAPTURE]


@pytest.mark.bus
@needs_polkit
async def test_no_signal_says_it(served: Served) -> None:
    capture = await served.crash(STAMP)
    await served.client.wait_for(1, "CrashReported")
    (crash,) = served.client.seen("CrashReported")
    assert crash.body == [capture, "unknown", ""]
    moved(served.machine.crash / STAMP, SECOND)
    await served.client.call(MANAGER, "Rescan")
    await served.client.call(CAPTURE, "Acknowledge", path=capture)
    changed = [one.body for one in served.client.seen("PropertiesChanged") if one.path == capture]
    assert {*changed[0][2]} == OF_NAMES
    assert [{*values} for _, values, _ in changed] == [set(), {"Acknowledged"}]
    served.machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    await served.client.call(MANAGER, "Revalidate")
    await served.client.wait_for(1, "ReadinessChanged")
    strangers = served.machine.kdump_tools(STAMP, b"alice's", LOG)
    strangers.chmod(0o666)
    await served.client.wait_for(2, "InterfacesAdded")
    shutil.rmtree(strangers.parent)
    await served.client.wait_for(1, "InterfacesRemoved")
    assert leaks([body for _, _, body in heard(served.client)]) == []
    said = {(interface, member) for interface, member, _ in heard(served.client)}
    assert said - {(BUS, "NameAcquired")} == SIGNALS


@pytest.mark.bus
@needs_polkit
async def test_it_follows_the_sysctl(served: Served) -> None:
    capture = await served.crash(STAMP)
    async with caller(served.address, NOBODY) as nobody:
        assert (await get_all(nobody, capture, CAPTURE))["Reason"] == ""
        await served.restrict("0\n")
        open_to_all = await get_all(nobody, capture, CAPTURE)
        assert REASON in open_to_all["Reason"]
        assert open_to_all["Hidden"] == []
        values, invalidated = served.client.seen("PropertiesChanged")[-1].body[1:]
        assert {*values} == OF_THE_KERNEL | OF_NAMES
        assert invalidated == ["Hidden"]
        await served.restrict("1\n")
        assert (await get_all(nobody, capture, CAPTURE))["Reason"] == ""
        values, invalidated = served.client.seen("PropertiesChanged")[-1].body[1:]
        assert values == {}
        assert {*invalidated} == OF_THE_KERNEL | OF_NAMES | {"Hidden"}
        await served.restrict("0\n")
        await served.restrict("?\n")  # nobody knows what that means
        assert (await get_all(nobody, capture, CAPTURE))["Reason"] == ""
        (served.machine.root / DMESG_RESTRICT).unlink()
        await served.client.call(MANAGER, "Revalidate")
        assert leaks(await everything(nobody, capture)) == []


@pytest.mark.bus
@needs_polkit
@pytest.mark.parametrize("hidden", ["var/crash", f"var/crash/{STAMP}"])
async def test_names_of_a_closed_directory(served: Served, hidden: str) -> None:
    capture = await served.crash(STAMP)
    async with caller(served.address, NOBODY) as nobody:
        await served.restrict("0\n")
        (served.machine.root / hidden).chmod(0o711)
        await served.client.call(MANAGER, "Rescan")
        told = await everything(nobody, capture)
        assert set(leaks(told)) == {"opensesame", "alice"}
        assert set(told[CAPTURE]["Hidden"]) == OF_NAMES
        assert REASON in told[CAPTURE]["Reason"]
        (served.machine.root / hidden).chmod(0o755)
        await served.client.call(MANAGER, "Rescan")
        assert (await get_all(nobody, capture, CAPTURE))["Hidden"] == []


@pytest.mark.bus
@needs_polkit
async def test_what_was_wrong_with_a_capture(served: Served) -> None:
    capture = await served.crash(STAMP)
    served.machine.crash.joinpath(STAMP, f"dump.{STAMP}").chmod(0o666)
    await served.client.wait_for_property("Trusted", value=False)
    async with caller(served.address, NOBODY) as nobody:
        assert leaks(await everything(nobody, capture)) == []
        answer = await nobody.call(capture, CAPTURE, "OpenCore")
    assert answer["message"].endswith("is not to be trusted.")
    async with caller(served.address, "root") as root:
        answer = await root.call(capture, CAPTURE, "OpenCore")
    assert "is writable by others" in answer["message"]


@pytest.mark.bus
@needs_polkit
async def test_polkit_is_asked_once_and_asks_nobody(served: Served) -> None:
    capture = await served.crash(STAMP)
    await served.polkit.stop()
    async with yielding_polkit(served.address) as polkit, caller(served.address, NOBODY) as who:
        for name in set(CLASSES[CAPTURE]) - OF_THE_KERNEL - OF_NAMES - {"Hidden"}:
            await get(who, capture, CAPTURE, name)
        assert polkit.questions == []
        arguments = f"('{CAPTURE}',)"
        await who.ask(capture, PROPERTIES, "GetAll", interactive=True, arguments=arguments)
        await polkit.answer()
        assert REASON in (await who.answer())["done"][0]["Reason"]
        for _ in range(20):
            assert leaks(await get_all(who, capture, CAPTURE)) != []
        ((_, subject), action, _, flags, _) = polkit.questions[0]
        assert (subject["name"].value, action, flags) == (who.name, "org.kdumpd1.read", 0)
        assert len(polkit.questions) == 1
        await served.restrict("0\n")
        async with caller(served.address, NOBODY) as another:
            assert leaks(await get_all(another, capture, CAPTURE)) != []
        assert len(polkit.questions) == 1


@pytest.mark.bus
@needs_polkit
@pytest.mark.parametrize("polkit", ["hangs", "is gone", "says no"])
async def test_every_doubt_is_a_no(served: Served, polkit: str) -> None:
    capture = await served.crash(STAMP)
    if polkit == "hangs":
        served.polkit.pause()
    elif polkit == "is gone":
        await served.polkit.stop()
    async with caller(served.address, NOBODY) as nobody, asyncio.timeout(60):
        assert leaks(await everything(nobody, capture)) == []
    async with caller(served.address, "root") as root:
        assert leaks(await get_all(root, capture, CAPTURE)) != []
