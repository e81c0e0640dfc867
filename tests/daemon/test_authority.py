# SPDX-License-Identifier: GPL-2.0-or-later
"""Nobody does what he has no right to, by any method, whatever becomes of polkit meanwhile."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from kdumpd.dbus.introspection import read_interfaces
from tests.support.background import in_background
from tests.support.busctl import Busctl
from tests.support.caller import Caller, caller
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.machine import Machine
from tests.support.message_bus import Broker
from tests.support.polkit import (
    KDUMPD,
    NOBODY,
    PERMITTED,
    Polkit,
    as_user,
    needs_polkit,
    polkit_on,
    public_directory,
    system_bus,
)
from tests.support.yielding_polkit import yielding_polkit

pytestmark = [pytest.mark.bus, needs_polkit]

MANAGER = "org.kdumpd1.Manager"
CAPTURE = "org.kdumpd1.Capture"
CRASH_TEST = "org.kdumpd1.CrashTest"
BUSY = "org.kdumpd1.Error.Busy"
NOT_AUTHORIZED = "org.kdumpd1.Error.NotAuthorized"
CORE = flattened(Crash())
LOG = b"[    0.000000] Linux version\n\xff\x1b[31m[    9.1] Kernel panic\n"

ANYBODY = {"root": "", PERMITTED: "", NOBODY: ""}
RIGHTFUL = {"root": "", PERMITTED: "", NOBODY: NOT_AUTHORIZED}
# A method without a row here fails the test: whoever adds one says who may call it.
METHODS = {
    (MANAGER, "Rescan"): ANYBODY,
    (MANAGER, "Revalidate"): ANYBODY,
    (MANAGER, "AcknowledgeAll"): RIGHTFUL,
    (CRASH_TEST, "Record"): dict.fromkeys(ANYBODY, NOT_AUTHORIZED),
    (CAPTURE, "Acknowledge"): RIGHTFUL,
    (CAPTURE, "OpenCore"): RIGHTFUL,
    (CAPTURE, "OpenDmesg"): RIGHTFUL,
}


ARGUMENTS = {"Record": "('a-test', uint32 0, @a(ssss) [])"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A daemon with one capture, on a bus of the system's kind."""

    address: str
    capture: str  # object path


@dataclass(frozen=True, slots=True, kw_only=True)
class Served(Known):
    """With polkit, and a client of the test's own."""

    machine: Machine
    polkit: Polkit
    client: DbusNextClient

    async def unacknowledged(self) -> int:
        return int((await self.client.manager())["Unacknowledged"])


@asynccontextmanager
async def serving(
    machine: Machine, public: Path, state: Path, broker: Broker, prefix: tuple[str, ...] = ()
) -> AsyncIterator[Served]:
    core = machine.kdump_tools("202611230113", CORE, LOG)
    for file in core.parent.iterdir():
        file.chmod(0o600)
    async with system_bus(public, broker) as bus, polkit_on(public, bus) as polkit:
        setup = Setup(root=machine.root, state=state, bus=bus.address, prefix=prefix)
        async with running(setup), dbus_next_client(bus.address) as client:
            (path,) = await client.captures()
            yield Served(
                machine=machine, address=bus.address, polkit=polkit, client=client, capture=path
            )


@pytest.fixture
async def served(machine: Machine, tmp_path: Path, public: Path) -> AsyncIterator[Served]:
    async with serving(machine, public, tmp_path / "state", Broker.DBUS_DAEMON) as served:
        yield served


@asynccontextmanager
async def known(public: Path, *, polkit: bool) -> AsyncIterator[Known]:
    machine, broker = Machine(public / "machine"), Broker.DBUS_DAEMON
    async with serving(machine, public, public / "state", broker) as served:
        if not polkit:
            await served.polkit.stop()
        yield Known(address=served.address, capture=served.capture)


@pytest.fixture(scope="module")
def shared() -> Iterator[Known]:
    """For tests that change nothing."""
    with public_directory() as public, in_background(known(public, polkit=True)) as shared:
        yield shared


@pytest.fixture(scope="module")
def without_polkit() -> Iterator[Known]:
    """For tests that answer in the place of polkit, and change nothing."""
    with public_directory() as public, in_background(known(public, polkit=False)) as shared:
        yield shared


async def call(served: Served, who: Caller, member: str, *, interactive: bool = False) -> str:
    """Return the name of the error that a method of the capture brings, empty for none."""
    answer = await who.call(served.capture, CAPTURE, member, interactive=interactive)
    return str(answer.get("error", ""))


async def done(tasks: Iterable[asyncio.Task[Any]], count: int) -> None:
    """Return when so many of the tasks are done."""
    for task in islice(asyncio.as_completed(tasks), count):
        await task


async def test_every_method_by_everybody(
    machine: Machine, tmp_path: Path, public: Path, broker: Broker
) -> None:
    interfaces = read_interfaces().values()
    methods = {(interface.name, name) for interface in interfaces for name in interface.methods}
    assert methods == METHODS.keys()
    async with serving(machine, public, tmp_path / "state", broker) as served:
        answers = {}
        for user in ANYBODY:
            async with caller(served.address, user) as who:
                for interface, member in METHODS:
                    path = served.capture if interface == CAPTURE else "/org/kdumpd1"
                    arguments = ARGUMENTS.get(member, "")
                    answer = await who.call(path, interface, member, arguments=arguments)
                    answers[interface, member, user] = answer.get("error", "")
    assert answers == {
        (*method, user): error for method, row in METHODS.items() for user, error in row.items()
    }


@pytest.mark.parametrize("user", ["root", PERMITTED])
async def test_the_bytes_are_the_files(shared: Known, user: str) -> None:
    async with caller(shared.address, user) as who:
        core = await who.call(shared.capture, CAPTURE, "OpenCore")
        log = await who.call(shared.capture, CAPTURE, "OpenDmesg")
    assert core == {"bytes": CORE.decode("latin-1"), "readonly": True}
    assert log == {"bytes": LOG.decode("latin-1"), "readonly": True}


async def test_a_stranger_reads_the_list_and_learns_what_to_do(shared: Known) -> None:
    busctl = Busctl(shared.address, as_user(NOBODY))
    (objects,) = await busctl.call(
        "org.kdumpd1",
        "/org/kdumpd1",
        "org.freedesktop.DBus.ObjectManager",
        "GetManagedObjects",
    )
    assert list(objects) == [shared.capture]
    assert await busctl.get("org.kdumpd1", "/org/kdumpd1", MANAGER, "Readiness") == "ready"
    assert await busctl.get("org.kdumpd1", shared.capture, CAPTURE, "State") == "complete"
    async with caller(shared.address, NOBODY) as who:
        asked = await who.call(shared.capture, CAPTURE, "OpenDmesg")
        prompted = await who.call(shared.capture, CAPTURE, "OpenDmesg", interactive=True)
    for answer in (asked, prompted):
        assert answer["error"] == NOT_AUTHORIZED
        assert answer["message"].startswith("You may not read the memory and the kernel log of a ")
        assert "an administrator must confirm it" in answer["message"]
        assert "Run it as root" in answer["message"]


async def test_acknowledged_is_shown_and_kept(
    machine: Machine, tmp_path: Path, public: Path
) -> None:
    state = tmp_path / "state"
    async with serving(machine, public, state, Broker.DBUS_DAEMON) as served:
        assert await served.unacknowledged() == 1
        async with caller(served.address, NOBODY) as who:
            assert await call(served, who, "Acknowledge") == NOT_AUTHORIZED
        assert await served.unacknowledged() == 1
        async with caller(served.address, PERMITTED) as who:
            assert await call(served, who, "Acknowledge") == ""
        assert await served.unacknowledged() == 0
        changed = [signal.body for signal in await served.client.wait_for(2, "PropertiesChanged")]
        assert {(one[0], *one[1]) for one in changed} == {
            (CAPTURE, "Acknowledged"),
            (MANAGER, "Unacknowledged"),
        }
        await served.client.call(MANAGER, "Rescan")
        assert await served.unacknowledged() == 0
    async with system_bus(public, Broker.DBUS_DAEMON) as bus:
        setup = Setup(root=machine.root, state=state, bus=bus.address)
        async with running(setup), dbus_next_client(bus.address) as client:
            (capture,) = (await client.captures()).values()
            assert capture["Acknowledged"] is True


async def test_daemon_that_is_not_root_is_answered(
    machine: Machine, tmp_path: Path, public: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, KDUMPD, KDUMPD)
    user = ("setpriv", f"--reuid={KDUMPD}", f"--regid={KDUMPD}", "--clear-groups")
    rights = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search", "--")
    broker, prefix = Broker.DBUS_DAEMON, (*user, *rights)
    async with serving(machine, public, state, broker, prefix) as served:
        async with caller(served.address, PERMITTED) as who:
            assert (await who.call(served.capture, CAPTURE, "OpenCore"))["readonly"] is True
        async with caller(served.address, NOBODY) as who:
            assert await call(served, who, "OpenCore") == NOT_AUTHORIZED


async def test_polkit_that_hangs_denies_and_stalls_nobody_else(served: Served) -> None:
    served.polkit.pause()
    async with caller(served.address, "root") as first, caller(served.address, NOBODY) as second:
        await first.ask(served.capture, CAPTURE, "OpenCore")
        await second.ask(served.capture, CAPTURE, "OpenDmesg")
        for _ in range(20):
            assert (await served.client.manager())["Readiness"] == "ready"
        for who in (first, second):
            answer = await who.answer()
            assert answer["error"] == NOT_AUTHORIZED
            assert "polkit did not answer in time" in answer["message"]
    served.polkit.resume()
    async with caller(served.address, "root") as who:
        assert await call(served, who, "OpenCore") == ""


async def test_without_polkit_only_root_has_rights(served: Served) -> None:
    await served.polkit.stop()
    async with caller(served.address, PERMITTED) as who:
        answer = await who.call(served.capture, CAPTURE, "OpenCore")
        assert answer["error"] == NOT_AUTHORIZED
        assert "there is no polkit here to ask. Run it as root" in answer["message"]
        assert await call(served, who, "Acknowledge") == NOT_AUTHORIZED
    assert await served.unacknowledged() == 1
    async with caller(served.address, "root") as who:
        assert await call(served, who, "OpenDmesg") == ""
        assert await call(served, who, "Acknowledge") == ""


async def test_polkit_that_dies_while_it_is_asked_denies(served: Served) -> None:
    served.polkit.pause()
    async with caller(served.address, PERMITTED) as who:
        await who.ask(served.capture, CAPTURE, "Acknowledge")
        await served.client.manager()
        await served.polkit.stop(signal.SIGKILL)
        answer = await who.answer()
    assert answer["error"] == NOT_AUTHORIZED
    assert "polkit" in answer["message"]
    assert await served.unacknowledged() == 1


async def test_a_caller_that_leaves_gets_nothing_done(served: Served) -> None:
    served.polkit.pause()
    async with caller(served.address, PERMITTED) as who, caller(served.address, PERMITTED) as stays:
        await who.ask(served.capture, CAPTURE, "Acknowledge")
        await served.client.manager()
        await who.vanish()
        served.polkit.resume()
        # polkit answers in turn: after this, the other's answer has come.
        assert await call(served, stays, "OpenDmesg") == ""
    assert await served.unacknowledged() == 1


async def test_one_sender_is_answered_busy_and_others_are_served(served: Served) -> None:
    served.polkit.pause()
    calls = [
        asyncio.create_task(served.client.call(CAPTURE, "Acknowledge", path=served.capture))
        for _ in range(10)
    ]
    await done(calls, 6)
    served.polkit.resume()
    async with caller(served.address, "root") as who:
        assert await call(served, who, "OpenDmesg") == ""
    errors = [(await one).error_name for one in calls]
    assert sorted(errors, key=str) == [None] * 4 + [BUSY] * 6


async def test_one_user_is_answered_busy_and_others_are_served(served: Served) -> None:
    served.polkit.pause()
    async with AsyncExitStack() as many:
        crowd = [await many.enter_async_context(caller(served.address, NOBODY)) for _ in range(20)]
        for who in crowd:
            await who.ask(served.capture, CAPTURE, "Acknowledge")
        answers = [asyncio.create_task(who.answer()) for who in crowd]
        await done(answers, 4)
        served.polkit.resume()
        other = await many.enter_async_context(caller(served.address, PERMITTED))
        assert await call(served, other, "OpenDmesg") == ""
        errors = [(await answer)["error"] for answer in answers]
    assert sorted(errors) == [BUSY] * 4 + [NOT_AUTHORIZED] * 16


async def test_request_is_looked_up_anew_after_the_answer(served: Served) -> None:
    (core,) = served.machine.crash.glob("*/dump.*")
    served.polkit.pause()
    async with caller(served.address, PERMITTED) as who:
        await who.ask(served.capture, CAPTURE, "OpenCore")
        await served.client.manager()
        for file in core.parent.iterdir():
            file.unlink()
        served.polkit.resume()
        answer = await who.answer()
    assert answer["error"] == "org.kdumpd1.Error.NotFound"


async def test_file_replaced_by_a_stranger_is_not_handed_out(served: Served) -> None:
    (core,) = served.machine.crash.glob("*/dump.*")
    served.machine.crash.chmod(0o1777)
    secret = served.machine.crash.parent / "secret"
    secret.write_bytes(b"a bait")
    core.unlink()
    core.symlink_to(secret)
    async with caller(served.address, "root") as who:
        answer = await who.call(served.capture, CAPTURE, "OpenCore")
        assert answer["error"] == "org.kdumpd1.Error.Failed"
        assert "is not a regular file" in answer["message"]


async def test_caller_that_left_before_a_yes_gets_nothing_done(served: Served) -> None:
    await served.polkit.stop()
    async with yielding_polkit(served.address) as polkit:
        async with caller(served.address, PERMITTED) as who:
            await who.ask(served.capture, CAPTURE, "Acknowledge")
            await polkit.wait()
            await who.vanish()
        await polkit.answer()
        async with caller(served.address, PERMITTED) as who:
            await who.ask(served.capture, CAPTURE, "OpenDmesg")
            await polkit.answer()
            assert (await who.answer())["readonly"] is True
    assert await served.unacknowledged() == 1


async def test_polkit_is_asked_about_the_caller_and_as_it_allows(served: Served) -> None:
    await served.polkit.stop()
    async with yielding_polkit(served.address) as polkit, caller(served.address, NOBODY) as who:
        for member, interactive in (("OpenCore", False), ("Acknowledge", True)):
            await who.ask(served.capture, CAPTURE, member, interactive=interactive)
            await polkit.answer()
            assert "error" not in await who.answer()
        asked = [
            (subject[0], subject[1]["name"].value, action, flags)
            for subject, action, _, flags, _ in polkit.questions
        ]
    assert asked == [
        ("system-bus-name", who.name, "org.kdumpd1.read", 0),
        ("system-bus-name", who.name, "org.kdumpd1.manage", 1),
    ]


@pytest.mark.parametrize(
    ("signature", "body"),
    [
        ("(bba{ss})", [False, True, {"polkit.dismissed": "true"}]),
        ("(bba{ss})", [False, False, {}]),
        ("(bba{ss})", [False, True, {}]),
        ("(uba{ss})", [2, False, {}]),
        ("b", True),
        ("s", "yes"),
        ("(b)", [True]),
    ],
)
async def test_whatever_is_no_clear_yes_is_a_no(
    without_polkit: Known, signature: str, body: object
) -> None:
    address = without_polkit.address
    async with yielding_polkit(address) as polkit, caller(address, "root") as who:
        await who.ask(without_polkit.capture, CAPTURE, "OpenCore")
        await polkit.answer(signature, body)
        assert (await who.answer())["error"] == NOT_AUTHORIZED


async def test_acknowledge_all_is_about_what_was_known_when_it_was_asked(served: Served) -> None:
    await served.polkit.stop()
    async with yielding_polkit(served.address) as polkit, caller(served.address, NOBODY) as who:
        await who.ask("/org/kdumpd1", MANAGER, "AcknowledgeAll", interactive=True)
        await polkit.wait()
        served.machine.kdump_tools("202611230114", flattened(Crash(crash_time=1_795_396_500)))
        await served.client.wait_for(1, "InterfacesAdded")
        assert await served.unacknowledged() == 2
        await polkit.answer()
        assert await who.answer() == {"done": []}
    assert await served.unacknowledged() == 1
    known = (await served.client.captures()).items()
    assert [path for path, capture in known if capture["Acknowledged"]] == [served.capture]


async def test_client_that_takes_no_descriptors_harms_nobody(served: Served) -> None:
    unanswered = asyncio.create_task(served.client.call(CAPTURE, "OpenCore", path=served.capture))
    async with caller(served.address, "root") as who:
        assert await call(served, who, "OpenCore") == ""
    unanswered.cancel()
    await asyncio.wait([unanswered])
