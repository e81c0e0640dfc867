# SPDX-License-Identifier: GPL-2.0-or-later
"""Each program in docs/examples does what the page says, and all of them the same."""

import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.example import EXAMPLES, LANGUAGES, command, following, run
from tests.support.busctl import Busctl
from tests.support.cores import Crash, flattened
from tests.support.daemon import Kdumpd, Setup, running
from tests.support.dbus_next import dbus_next_client
from tests.support.machine import Machine
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.namespace import ROOT
from tests.support.polkit import NOBODY, PERMITTED, as_user, needs_polkit
from tests.support.trigger import Scene, TriggerSetup, running_trigger, scene

pytestmark = pytest.mark.bus

MANAGER = ("org.kdumpd1", "/org/kdumpd1", "org.kdumpd1.Manager")
LOG = b"""[    0.000000] Linux version 6.1.0-56-amd64
[    7.100000] a name that is not UTF-8: \xff
[    9.100000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100
"""
NOT_AUTHORIZED = "org.kdumpd1.Error.NotAuthorized: "
# Without polkit, root alone has rights.
needs_rights = pytest.mark.skipif(not ROOT, reason="needs the rights of root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A daemon on a bus, the machine that it watches, and the example that asks it."""

    machine: Machine
    address: str
    argv: tuple[str, ...]
    kdumpd: Kdumpd

    async def said(self, *arguments: str) -> str:
        """Return what the example prints."""
        outcome = await run(self.address, *self.argv, *arguments)
        assert (outcome.status, outcome.words) == (0, "")
        return outcome.said


@pytest.fixture(params=LANGUAGES)
async def argv(request: pytest.FixtureRequest, public: Path) -> tuple[str, ...]:
    return await command(request.param, public)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    async with private_bus(tmp_path, Broker.DBUS_DAEMON) as bus:
        yield bus


@pytest.fixture
async def served(
    machine: Machine, tmp_path: Path, argv: tuple[str, ...], bus: Bus
) -> AsyncIterator[Served]:
    setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)
    async with running(setup) as kdumpd:
        yield Served(machine=machine, address=bus.address, argv=argv, kdumpd=kdumpd)


async def captured(served: Served, stamp: str = "202611230113", crash: Crash | None = None) -> str:
    """Have a kernel crash, and return the capture's id once it is listed."""
    async with dbus_next_client(served.address) as client:
        before = await client.captures()
        core = served.machine.kdump_tools(stamp, flattened(crash or Crash()), LOG)
        for file in core.parent.iterdir():
            file.chmod(0o600)
        await client.wait_for(1, "InterfacesAdded")
        (path,) = (await client.captures()).keys() - before.keys()
        return path.rpartition("/")[2]


def test_every_example_is_tried() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == set(LANGUAGES)


async def test_readiness_and_what_is_in_its_way(served: Served) -> None:
    assert (await served.said("readiness")).splitlines()[0] == "ready"
    served.machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    await Busctl(served.address).call(*MANAGER, "Revalidate")
    first, *rest = (await served.said("readiness")).splitlines()
    assert first == "not-ready"
    assert "fatal crash-kernel-unloaded: no crash kernel is loaded" in "\n".join(rest)


async def test_the_list_has_every_capture_as_it_is(served: Served) -> None:
    assert await served.said("list") == ""
    one = await captured(served)
    other = await captured(served, "202611230200", Crash(crash_time=1_795_400_000))
    assert sorted((await served.said("list")).splitlines()) == sorted(
        [
            f"{one} complete init-killed /var/crash/202611230113",
            f"{other} complete init-killed /var/crash/202611230200",
        ]
    )


FORGED = "ffffffffffffffff complete oops x"
NAMES = {
    f"k\n{FORGED}-202611230113".encode(): f"k\\x0a{FORGED}-202611230113",
    b"k\x1b[31m\x1b[2J-202611230113": "k\\x1b[31m\\x1b[2J-202611230113",
    "k\u202e\u2066-202611230113".encode(): "k\\xe2\\x80\\xae\\xe2\\x81\\xa6-202611230113",
    b"k\xff\xc3-202611230113": "k\\xff\\xc3-202611230113",
    b"k\\x0a-202611230113": "k\\x5cx0a-202611230113",
}


async def test_a_name_reaches_a_terminal_as_printable_text(served: Served, tmp_path: Path) -> None:
    elsewhere = Machine(tmp_path / "elsewhere")
    async with dbus_next_client(served.address) as client:
        for number, name in enumerate(NAMES):
            crash = Crash(crash_time=1_795_400_000 + number)
            made = elsewhere.kdump_tools("202611230113", flattened(crash)).parent
            made.rename(served.machine.crash / os.fsdecode(name))
        await client.wait_for(len(NAMES), "InterfacesAdded")
    said = (await served.said("list")).split("\n")
    assert said.pop() == ""
    assert sorted(line.split(" ", 3)[3] for line in said) == sorted(
        f"/var/crash/{name}" for name in NAMES.values()
    )


async def test_what_happens_is_told(served: Served) -> None:
    async with following(served.address, *served.argv, "follow") as follower:
        await follower.wait_for("ready")
        id_ = await captured(served)
        reason = "Attempted to kill init! exitcode=0x100"
        await follower.wait_for(f"crash /org/kdumpd1/capture/{id_} init-killed {reason}")
        served.machine.write("sys/kernel/kexec_crash_loaded", "0\n")
        await Busctl(served.address).call(*MANAGER, "Revalidate")
        await follower.wait_for("readiness ready not-ready")


@needs_rights
async def test_a_kernel_log_is_read_byte_by_byte_and_a_crash_acknowledged(served: Served) -> None:
    id_ = await captured(served)
    assert os.fsencode(await served.said("log", id_)) == LOG
    busctl = Busctl(served.address)
    assert await busctl.get(*MANAGER, "Unacknowledged") == 1
    assert await served.said("acknowledge", id_) == ""
    assert await busctl.get(*MANAGER, "Unacknowledged") == 0


async def test_what_is_not_there_is_an_error_with_its_sentence(served: Served) -> None:
    outcome = await run(served.address, *served.argv, "acknowledge", "0123456789abcdef")
    assert outcome.status == 1
    assert "/org/kdumpd1/capture/0123456789abcdef" in outcome.words
    assert "Traceback" not in outcome.words


async def test_a_wrong_verb_shows_the_usage(argv: tuple[str, ...], bus: Bus) -> None:
    outcome = await run(bus.address, *argv, "explode")
    assert (outcome.status, outcome.said) == (1, "")
    assert outcome.words.startswith("usage: readiness | list | follow | log ID | acknowledge ID")
    assert "Traceback" not in outcome.words


async def test_what_speaks_against_a_crash_test(served: Served) -> None:
    served.machine.write("proc/uptime", "60.10 100.20\n")
    setup = TriggerSetup(root=served.machine.root, bus=served.address)
    async with running_trigger(setup) as trigger:
        said = await served.said("prepare")
        assert trigger.pressed == b""
    assert "warning just-booted: " in said


@pytest.fixture
async def guarded(machine: Machine, tmp_path: Path, public: Path) -> AsyncIterator[Scene]:
    core = machine.kdump_tools("202611230113", flattened(Crash()), LOG)
    for file in core.parent.iterdir():
        file.chmod(0o600)
    async with scene(machine, public, tmp_path / "state") as guarded:
        yield guarded


@needs_polkit
async def test_a_right_is_needed_and_a_rule_of_polkit_gives_it(
    guarded: Scene, argv: tuple[str, ...]
) -> None:
    address, stranger, permitted = guarded.bus.address, as_user(NOBODY), as_user(PERMITTED)
    listed = await run(address, *argv, "list", prefix=stranger)
    if listed.words.endswith("No module named 'dbus_next'\n"):
        pytest.skip("nobody may not read what this Python imports")
    id_ = listed.said.split()[0]
    for verb in ("log", "acknowledge"):
        refused = await run(address, *argv, verb, id_, prefix=stranger)
        assert (refused.status, refused.said) == (1, "")
        assert refused.words.startswith(NOT_AUTHORIZED)
        assert (await run(address, *argv, verb, id_, prefix=permitted)).status == 0


async def test_dbus_fast_does_as_well(machine: Machine, tmp_path: Path, bus: Bus) -> None:
    source = (EXAMPLES / "with_dbus_next.py").read_text().replace("dbus_next", "dbus_fast")
    machine.kdump_tools("202611230113", flattened(Crash()), LOG)
    async with running(Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)):
        outcome = await run(bus.address, sys.executable, "-c", source, "list")
    assert outcome.said.endswith(" complete init-killed /var/crash/202611230113\n")
