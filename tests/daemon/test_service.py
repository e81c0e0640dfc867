# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface on the bus is the XML file's, for every client and every mistake of a caller."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.background import in_background
from tests.support.busctl import Busctl
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.glib import glib_client
from tests.support.machine import BOOT_ID, Machine
from tests.support.message_bus import Broker, private_bus

pytestmark = pytest.mark.bus

XML = Path(__file__).parents[2] / "dbus/org.kdumpd1.xml"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
MANAGER = "org.kdumpd1.Manager"
CAPTURE = "org.kdumpd1.Capture"
ERROR = "org.freedesktop.DBus.Error."


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A daemon with one capture, on one broker."""

    address: str
    client: DbusNextClient
    capture: str  # object path


@asynccontextmanager
async def serving(machine: Machine, directory: Path, broker: Broker) -> AsyncIterator[str]:
    machine.kdump_tools("202611230113", flattened(Crash()))
    (directory / "b").mkdir()
    async with private_bus(directory / "b", broker) as bus:
        setup = Setup(root=machine.root, state=directory / "state", bus=bus.address)
        async with running(setup):
            yield bus.address


@asynccontextmanager
async def asking(address: str) -> AsyncIterator[Served]:
    async with dbus_next_client(address) as client:
        (path,) = await client.captures()
        yield Served(address=address, client=client, capture=path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("shared")
    with in_background(serving(Machine(directory / "machine"), directory, broker)) as address:
        yield address


@pytest.fixture
async def served(shared: str) -> AsyncIterator[Served]:
    """For tests that change nothing."""
    async with asking(shared) as served:
        yield served


@pytest.fixture
async def own(machine: Machine, tmp_path: Path, broker: Broker) -> AsyncIterator[Served]:
    async with serving(machine, tmp_path, broker) as address, asking(address) as own:
        yield own


def parsed(document: str) -> ET.Element:
    return ET.fromstring(document)  # noqa: S314  # our own document


def members(document: str, interface: str) -> set[tuple[str, str, str]]:
    """Return kind, name and types of an interface's members, with their annotations."""
    element = parsed(document).find(f"interface[@name='{interface}']")
    assert element is not None
    return {
        (
            member.tag,
            member.get("name", ""),
            " ".join(
                f"{part.get('type', '')}{part.get('value', '')}"
                for part in (member, *member.iter("arg"), *member.iter("annotation"))
            ),
        )
        for member in element
    }


async def test_introspection_is_the_file(served: Served) -> None:
    written = XML.read_text()
    for path, interface in (("/org/kdumpd1", MANAGER), (served.capture, CAPTURE)):
        answer = await served.client.call(INTROSPECTABLE, "Introspect", path=path)
        assert members(answer.body[0], interface) == members(written, interface)


async def test_every_property_of_the_file_is_served(served: Served) -> None:
    for path, interface in (("/org/kdumpd1", MANAGER), (served.capture, CAPTURE)):
        answer = await served.client.call(PROPERTIES, "GetAll", "s", [interface], path)
        types = {name: value.signature for name, value in answer.body[0].items()}
        properties = parsed(XML.read_text()).iterfind(f"interface[@name='{interface}']/property")
        assert types == {one.get("name"): one.get("type") for one in properties}
        for name, value in answer.body[0].items():
            got = await served.client.call(PROPERTIES, "Get", "ss", [interface, name], path)
            if name != "CheckedAt":
                assert got.body[0].value == value.value


async def test_readiness_is_shown(served: Served) -> None:
    manager = await served.client.manager()
    assert (manager["Readiness"], manager["Findings"]) == ("ready", [])
    assert manager["BootId"] == BOOT_ID
    assert (manager["Crashkernel"], manager["ReservedBytes"]) == ("256M", 256 << 20)
    assert manager["CrashKernelLoaded"] is True
    assert [bytes(directory) for directory in manager["CrashDirectories"]] == [
        b"/var/crash",
        b"/var/lib/systemd/pstore",
    ]


async def test_the_reservation_is_shown(own: Served, machine: Machine) -> None:
    machine.write("proc/iomem", "00001000-3fffffff : System RAM\n")
    machine.write("proc/cmdline", "quiet crashkernel=384M-2G:256M,2G-:512M\n")
    machine.write("proc/sys/kernel/panic_on_oops", "1\n")
    machine.write("proc/sys/kernel/panic_on_warn", "0\n")
    await own.client.call(MANAGER, "Revalidate")
    manager = await own.client.manager()
    assert manager["Mechanism"] == "kdump"
    assert manager["SystemRam"] == (1 << 30) - 4096
    assert "/proc/iomem" in manager["SystemRamSource"]
    assert manager["ExpectedBytes"] == manager["ReservedBytes"] == 256 << 20
    assert manager["SuggestedBytes"] > 0
    assert [applies for _, applies in manager["CrashkernelReading"]] == [False, True, False]
    assert manager["PanicTriggers"] == {"panic_on_oops": True, "panic_on_warn": False}


async def test_every_check_is_shown(own: Served, machine: Machine) -> None:
    manager = await own.client.manager()
    assert manager["Summary"] == "ready: The next kernel panic would leave a dump."
    assert {outcome for _, outcome, _, _ in manager["Checks"]} == {"ok"}
    machine.write("sys/kernel/kexec_crash_loaded", "?\n")
    await own.client.call(MANAGER, "Revalidate")
    manager = await own.client.manager()
    unknown = [check for check in manager["Checks"] if check[1] == "unknown"]
    (finding,) = manager["Findings"]
    assert finding[:2] == ["kernel-unreadable", "fatal"]
    assert [[code, "fatal", *words] for code, _, *words in unknown] == [finding]
    assert manager["Summary"].startswith("not-ready: kdumpd cannot tell whether ")


async def test_change_of_readiness_is_announced(own: Served, machine: Machine) -> None:
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    await own.client.call(MANAGER, "Revalidate")
    (signal,) = await own.client.wait_for(1, "ReadinessChanged")
    assert signal.body == ["ready", "not-ready"]
    (changed,) = own.client.seen("PropertiesChanged")
    assert set(changed.body[1]) == {"Readiness", "Summary", "Findings", "CrashKernelLoaded"}
    findings = changed.body[1]["Findings"].value
    assert [finding[:2] for finding in findings] == [
        ["crash-kernel-unloaded", "fatal"],
        ["crash-kernel-lost", "warning"],
    ]


@pytest.mark.parametrize(
    ("interface", "member", "signature", "body", "path", "error"),
    [
        (MANAGER, "Explode", "", [], "/org/kdumpd1", "UnknownMethod"),
        ("org.example.None", "Rescan", "", [], "/org/kdumpd1", "UnknownInterface"),
        (CAPTURE, "Rescan", "", [], "/org/kdumpd1", "UnknownInterface"),
        (MANAGER, "Rescan", "s", ["now"], "/org/kdumpd1", "InvalidArgs"),
        (PROPERTIES, "Get", "ss", [MANAGER, "None"], "/org/kdumpd1", "UnknownProperty"),
        (PROPERTIES, "Get", "ss", ["org.example.None", "Id"], "/org/kdumpd1", "UnknownInterface"),
        (PROPERTIES, "GetAll", "s", [MANAGER], "/org/kdumpd1/capture/0", "UnknownObject"),
        (PROPERTIES, "GetAll", "s", [MANAGER], "/org/kdumpd1/capture", "UnknownInterface"),
        (INTROSPECTABLE, "Introspect", "", [], "/org/kdumpd2", "UnknownObject"),
        (INTROSPECTABLE, "Introspect", "", [], "/org/kdumpd1/capture/x/y", "UnknownObject"),
    ],
)
async def test_mistakes_are_answered(  # noqa: PLR0913, PLR0917  # a table of calls
    served: Served,
    interface: str,
    member: str,
    signature: str,
    body: list[object],
    path: str,
    error: str,
) -> None:
    answer = await served.client.call(interface, member, signature, body, path)
    assert answer.error_name == ERROR + error
    assert "\n" not in answer.body[0]


async def test_nothing_can_be_set(served: Served) -> None:
    busctl = Busctl(served.address)
    for name, error in (("Readiness", "cannot be set"), ("None", "no property")):
        with pytest.raises(Exception, match=error):
            await busctl.call(
                "org.kdumpd1", "/org/kdumpd1", PROPERTIES, "Set", "ssv", MANAGER, name, "s", "x"
            )


async def test_busctl_and_glib_see_the_tree(served: Served) -> None:
    assert served.capture in await Busctl(served.address).tree("org.kdumpd1")
    async with glib_client(served.address) as glib:
        ready = await glib.next("ready")
        assert ready["ready"] == [served.capture]
