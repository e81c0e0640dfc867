# SPDX-License-Identifier: GPL-2.0-or-later
"""Nobody crashes the machine without the right to, by accident, or against what speaks against it.

A pipe stands for /proc/sysrq-trigger: the bytes that come out of it are what the kernel would get.
"""

import asyncio
import os
import pwd
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from kdumpd.dbus.introspection import TRIGGER_XML, read_interfaces
from tests.support.busctl import Busctl
from tests.support.caller import TRIGGER_PATH
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.machine import Machine
from tests.support.message_bus import Broker
from tests.support.polkit import NOBODY, PERMITTED, needs_polkit
from tests.support.trigger import Scene, TriggerSetup, arguments, limited, running_trigger, scene
from tests.support.yielding_polkit import yielding_polkit

pytestmark = [pytest.mark.bus, needs_polkit]

PERMITTED_UID = pwd.getpwnam(PERMITTED).pw_uid
FORGED = arguments("0" * 32)
# A method without a row here fails the test: whoever adds one says who may call it. Trigger has a
# forged token, and Cancel takes back one's own.
METHODS = {
    "Prepare": {"root": "", PERMITTED: "", NOBODY: ""},
    "Trigger": {"root": "BadToken", PERMITTED: "BadToken", NOBODY: "BadToken"},
    "Cancel": {"root": "", PERMITTED: "", NOBODY: ""},
}


@pytest.fixture
async def stage(machine: Machine, tmp_path: Path, public: Path) -> AsyncIterator[Scene]:
    async with scene(machine, public, tmp_path / "state") as stage:
        yield stage


@pytest.fixture
async def hasty(machine: Machine, tmp_path: Path, public: Path) -> AsyncIterator[Scene]:
    """With a trigger that waits no longer for others than a second."""
    program = limited("polkit=1.0, test_run=CrashTestTimeouts(crash=1.0)")
    async with scene(machine, public, tmp_path / "state", program=program) as stage:
        yield stage


def recorded(ledger: Path) -> list[str]:
    """Return the ids of the tests that are recorded on disk."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return [str(row[0]) for row in connection.execute("SELECT id FROM test")]


async def test_every_method_by_everybody(
    machine: Machine, tmp_path: Path, public: Path, broker: Broker
) -> None:
    (interface,) = read_interfaces(TRIGGER_XML).values()
    assert interface.methods.keys() == METHODS.keys()
    async with scene(machine, public, tmp_path / "state", broker) as stage:
        answers = {}
        for user in METHODS["Prepare"]:
            async with stage.somebody(user) as who:
                for member in METHODS:
                    given = FORGED if member == "Trigger" else ""
                    answers[member, user] = await who.error(member, given)
                # With a token, polkit decides.
                given = arguments(await who.prepare())
                if user == NOBODY:
                    assert await who.error("Trigger", given) == "NotAuthorized"
        assert stage.trigger.pressed == b""
    assert answers == {
        (member, user): error for member, row in METHODS.items() for user, error in row.items()
    }


@pytest.mark.parametrize("user", ["root", PERMITTED])
async def test_who_may_presses_the_key_once_after_it_was_recorded(
    machine: Machine, tmp_path: Path, public: Path, broker: Broker, user: str
) -> None:
    async with scene(machine, public, tmp_path / "state", broker) as stage:
        async with stage.somebody(user) as who, stage.somebody(NOBODY) as watcher:
            assert await who.objections() == {}
            assert await who.state() == "prepared"
            await who.trigger()
            await watcher.wait_for("counting-down")
            assert await watcher.property("Deadline")
            assert stage.trigger.pressed == b""
            assert recorded(stage.ledger) == []
            await watcher.wait_for("crashing")
            assert len(recorded(stage.ledger)) == 1
            assert await stage.trigger.wait_until_pressed() == b"c"
        await stage.trigger.stop(signal.SIGKILL)  # without waiting for the crash
        assert stage.trigger.pressed == b"c"
        assert len(recorded(stage.ledger)) == 1


async def test_a_kernel_that_does_not_crash_is_told_of(hasty: Scene) -> None:
    async with hasty.somebody("root") as who:
        await who.trigger()
        answer = await who.caller.answer()
        assert answer["error"] == "org.kdumpd1.Error.Failed"
        assert "was told to crash, but did not" in answer["message"]
        assert await who.objections() == {"test-recently": "warning"}
    assert hasty.trigger.pressed == b"c"


async def test_a_rehearsal_presses_h(machine: Machine, tmp_path: Path, public: Path) -> None:
    async with scene(machine, public, tmp_path / "state", key="h") as stage:
        async with stage.somebody("root") as who:
            await who.trigger()
            assert "a rehearsal" in (await who.caller.answer())["message"]
            assert await who.objections() == {}  # there was no test
        assert stage.trigger.pressed == b"h"
        assert recorded(stage.ledger) == []
        whose = f"of {os.uname().nodename}, for the user root (uid 0)"
        assert f"This is a rehearsal of a crash test {whose}" in stage.trigger.log
        assert f"The rehearsal of a crash test {whose}, is over" in stage.trigger.log


# What the configuration says


async def test_disabled_unless_it_is_enabled_and_a_change_counts_at_once(
    machine: Machine, tmp_path: Path, public: Path
) -> None:
    async with scene(machine, public, tmp_path / "state", config="[CrashTest]\n") as stage:
        async with stage.somebody("root") as who:
            answer = await who.call("Prepare")
            assert answer["error"] == "org.kdumpd1.Error.Disabled"
            assert "write Enabled=yes below [CrashTest]" in answer["message"]
            assert await who.error("Trigger", FORGED) == "Disabled"
            assert await who.property("Enabled") is False
            stage.trigger.config.write_text("[CrashTest]\nEnabled=yes\n")
            assert await who.property("Enabled") is True
            token = await who.prepare()
            stage.trigger.config.write_text("[CrashTest]\nEnabled=no\n")
            assert await who.error("Trigger", arguments(token)) == "Disabled"
        assert stage.trigger.pressed == b""


async def test_forbidden_during_the_countdown(stage: Scene) -> None:
    async with stage.somebody("root") as who:
        await who.trigger()
        await stage.trigger.wait_until_logged("will be crashed on purpose")
        stage.trigger.config.write_text("[CrashTest]\nEnabled=yess\n")
        assert (await who.caller.answer())["error"] == "org.kdumpd1.Error.Disabled"
    assert stage.trigger.pressed == b""


# What becomes of polkit, and of whoever asks


async def test_without_polkit_nobody_may(stage: Scene) -> None:
    await stage.polkit.stop()
    for user in ("root", PERMITTED):
        async with stage.somebody(user) as who:
            given = arguments(await who.prepare())
            answer = await who.call("Trigger", given)
            assert answer["error"] == "org.kdumpd1.Error.NotAuthorized"
            assert "no polkit here to ask. Install polkit" in answer["message"]
    assert stage.trigger.pressed == b""


async def test_polkit_that_hangs_is_a_no(hasty: Scene) -> None:
    hasty.polkit.pause()
    async with hasty.somebody("root") as who:
        given = arguments(await who.prepare())
        assert await who.error("Trigger", given) == "NotAuthorized"
        assert await who.error("Trigger", given) == "BadToken"
    hasty.polkit.resume()
    assert hasty.trigger.pressed == b""


async def test_polkit_that_dies_while_it_is_asked_is_a_no(stage: Scene) -> None:
    stage.polkit.pause()
    async with stage.somebody("root") as who, stage.somebody(NOBODY) as other:
        await who.trigger()
        await other.state()
        await stage.polkit.stop(signal.SIGKILL)
        assert (await who.caller.answer())["error"] == "org.kdumpd1.Error.NotAuthorized"
    assert stage.trigger.pressed == b""


async def test_who_leaves_before_the_answer_crashes_nothing(stage: Scene) -> None:
    await stage.polkit.stop()
    async with yielding_polkit(stage.bus.address) as polkit:
        async with stage.somebody(PERMITTED) as who:
            await who.trigger()
            await polkit.wait()
            await who.caller.vanish()
        await polkit.answer()
        async with stage.somebody(NOBODY) as who:
            await who.wait_for("idle")
    assert "will be crashed" not in stage.trigger.log
    assert stage.trigger.pressed == b""


async def test_who_leaves_before_the_question_leaves_no_token(stage: Scene) -> None:
    async with stage.somebody(NOBODY) as other:
        async with stage.somebody(PERMITTED) as who:
            await who.prepare()
            assert await other.state() == "prepared"
        await other.wait_for("idle")


async def test_who_leaves_during_the_countdown_takes_it_back(stage: Scene) -> None:
    async with stage.somebody(NOBODY) as other:
        async with stage.somebody(PERMITTED) as who:
            await who.trigger()
            await other.wait_for("counting-down")
        await other.wait_for("idle")
        assert await other.property("Deadline") == 0
    assert "has left the bus" in stage.trigger.log
    assert stage.trigger.pressed == b""
    assert recorded(stage.ledger) == []


async def test_what_is_asked_is_frozen_and_about_the_caller(stage: Scene) -> None:
    await stage.polkit.stop()
    async with yielding_polkit(stage.bus.address) as polkit, stage.somebody(NOBODY) as who:
        for interactive in (False, True):
            given = arguments(await who.prepare())
            await who.ask("Trigger", given, interactive=interactive)
            await polkit.answer(body=[False, False, {}])
            assert (await who.caller.answer())["error"] == "org.kdumpd1.Error.NotAuthorized"
        asked = [
            (subject[0], subject[1]["name"].value, action, flags)
            for subject, action, _, flags, _ in polkit.questions
        ]
    assert asked == [
        ("system-bus-name", who.caller.name, "org.kdumpd1.crash-test", 0),
        ("system-bus-name", who.caller.name, "org.kdumpd1.crash-test", 1),
    ]
    assert stage.trigger.pressed == b""


# Tokens


async def test_a_token_is_good_for_one_call_of_its_own_connection(stage: Scene) -> None:
    async with stage.somebody("root") as who, stage.somebody("root") as other:
        token = await who.prepare()
        answer = await other.call("Trigger", arguments(token))
        assert answer["error"] == "org.kdumpd1.Error.BadToken"
        assert "given to another connection" in answer["message"]
        newer = await who.prepare()
        answer = await who.call("Trigger", arguments(token))
        assert answer["error"] == "org.kdumpd1.Error.BadToken"
        assert "A newer Prepare" in answer["message"]
        await who.ask("Trigger", arguments(newer))
        await other.wait_for("counting-down")
        assert await other.error("Cancel") == ""
        assert "cancelled: by the user with uid 0" in (await who.caller.answer())["message"]
        answer = await who.call("Trigger", arguments(newer))
        assert "was used already" in answer["message"]
    assert stage.trigger.pressed == b""


async def test_a_token_of_before_a_restart_is_none(
    machine: Machine, tmp_path: Path, public: Path
) -> None:
    async with scene(machine, public, tmp_path / "state") as stage:
        async with stage.somebody("root") as who:
            token = await who.prepare()
        await stage.bus.restart()
        assert await stage.trigger.process.wait() == 1
        assert stage.trigger.pressed == b""
        setup = Setup(root=machine.root, state=tmp_path / "state", bus=stage.bus.address)
        again = TriggerSetup(root=machine.root, bus=stage.bus.address)
        async with running(setup), running_trigger(again) as trigger:
            async with stage.somebody("root") as who:
                answer = await who.call("Trigger", arguments(token))
                assert answer["error"] == "org.kdumpd1.Error.BadToken"
                assert "This is no token" in answer["message"]
            assert trigger.pressed == b""


async def test_the_bus_is_lost_during_the_countdown(stage: Scene) -> None:
    async with stage.somebody("root") as who:
        await who.trigger()
        await stage.trigger.wait_until_logged("will be crashed on purpose")
        await stage.bus.stop()
        assert await stage.trigger.process.wait() == 1
    assert stage.trigger.pressed == b""
    assert "is over without a crash" in stage.trigger.log


async def test_one_at_a_time(stage: Scene) -> None:
    async with stage.somebody("root") as first, stage.somebody(PERMITTED) as second:
        tokens = [arguments(await who.prepare()) for who in (first, second)]
        await first.ask("Trigger", tokens[0])
        await second.wait_for("counting-down")
        assert await second.error("Trigger", tokens[1]) == "Busy"
        assert await second.error("Cancel") == ""  # by the right that it has
        assert f"by the user with uid {PERMITTED_UID}" in (await first.caller.answer())["message"]
    assert stage.trigger.pressed == b""


# Objections


async def test_a_warning_holds_back_until_its_code_is_named(stage: Scene) -> None:
    stage.machine.write("proc/uptime", "61.2 100.0\n")
    stage.machine.write("proc/loadavg", "9.31 0.42 0.36 1/212 4711\n")
    async with stage.somebody("root") as who, stage.somebody(NOBODY) as other:
        assert await who.objections() == {"just-booted": "warning", "busy": "warning"}
        token = await who.prepare()
        answer = await who.call("Trigger", arguments(token, "busy", "unheard-of"))
        assert answer["error"] == "org.freedesktop.DBus.Error.InvalidArgs"
        assert "There is no code 'unheard-of'. You can override: " in answer["message"]
        assert "just-booted, busy" in answer["message"]
        answer = await who.call("Trigger", arguments(token, "busy"))
        assert answer["error"] == "org.kdumpd1.Error.Objections"
        assert "just-booted (warning): the machine booted 61 s ago" in answer["message"]
        assert "busy" not in answer["message"]
        await who.trigger("busy", "just-booted")
        await other.wait_for("counting-down")
        assert await stage.trigger.wait_until_pressed() == b"c"
    assert "overriding: just-booted busy" in stage.trigger.log


async def test_what_is_fatal_is_never_overridden(stage: Scene) -> None:
    stage.machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    stage.machine.write("proc/sys/kernel/panic", "0\n")
    async with stage.somebody("root") as who:
        found = await who.objections()
        assert found["crash-kernel-unloaded"] == found["would-hang"] == "fatal"
        answer = await who.call("Trigger", arguments(await who.prepare(), *found, "not-ready"))
        assert answer["error"] == "org.kdumpd1.Error.Objections"
        assert "crash-kernel-unloaded (fatal)" in answer["message"]
    assert stage.trigger.pressed == b""


async def test_a_machine_that_crashes_again_and_again(stage: Scene) -> None:
    now = int(time.time())
    for number in (1, 2):
        core = flattened(Crash(crash_time=now - 60 * number))
        stage.machine.kdump_tools(f"20261123011{number}", core)
    async with stage.somebody("root") as who:
        await who.caller.call("/org/kdumpd1", "org.kdumpd1.Manager", "Rescan")
        assert await who.objections() == {"boot-loop": "warning"}


async def test_kdumpd_judges_anew_for_the_trigger(stage: Scene) -> None:
    """What kdumpd has not yet looked at when a token is given, it has when the crash is to come."""
    async with stage.somebody("root") as who:
        given = arguments(await who.prepare())
        stage.machine.write("proc/cmdline", "ro quiet\n")
        stage.machine.write("sys/kernel/kexec_crash_size", "0\n")
        answer = await who.call("Trigger", given)
        assert answer["error"] == "org.kdumpd1.Error.Objections"
        assert "not-ready (warning)" in answer["message"]
    assert stage.trigger.pressed == b""


async def test_a_crash_kernel_that_is_unloaded_during_the_countdown(stage: Scene) -> None:
    async with stage.somebody("root") as who:
        await who.trigger()
        await stage.trigger.wait_until_logged("will be crashed on purpose")
        stage.machine.write("sys/kernel/kexec_crash_loaded", "0\n")
        answer = await who.caller.answer()
        assert answer["error"] == "org.kdumpd1.Error.Objections"
        assert "The check just before the crash found: crash-kernel-unloaded" in answer["message"]
    assert stage.trigger.pressed == b""
    assert recorded(stage.ledger) == []


async def test_without_kdumpd_nothing_is_crashed(stage: Scene) -> None:
    async with stage.somebody("root") as who:
        given = arguments(await who.prepare())
        await stage.kdumpd.stop()
        answer = await who.call("Trigger", given)
        assert answer["error"] == "org.kdumpd1.Error.Objections"
        assert "kdumpd-absent (fatal)" in answer["message"]
    assert stage.trigger.pressed == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_kdumpd_ends_during_the_countdown(stage: Scene, number: signal.Signals) -> None:
    async with stage.somebody("root") as who:
        await who.trigger()
        await stage.trigger.wait_until_logged("will be crashed on purpose")
        stage.kdumpd.process.send_signal(number)
        await stage.kdumpd.process.wait()
        answer = await who.caller.answer()
        assert answer["error"] == "org.kdumpd1.Error.Objections"
    assert stage.trigger.pressed == b""


async def test_a_record_that_cannot_be_kept(stage: Scene) -> None:
    """The ledger's disk fails: kdumpd says so, and nothing is crashed."""
    async with stage.somebody("root") as who:
        with closing(sqlite3.connect(stage.ledger)) as breaker:
            breaker.execute("BEGIN EXCLUSIVE")
            await who.trigger()
            answer = await who.caller.answer()
        assert answer["error"] in {"org.kdumpd1.Error.Failed", "org.kdumpd1.Error.Objections"}
    assert stage.trigger.pressed == b""


# Cancel, and the end of the program


async def test_cancel_by_the_same_user_and_by_no_stranger(stage: Scene) -> None:
    async with stage.somebody(PERMITTED) as who, stage.somebody(NOBODY) as stranger:
        await who.trigger()
        await stranger.wait_for("counting-down")
        assert await stranger.error("Cancel") == "NotAuthorized"
        assert await stranger.state() == "counting-down"
        await stage.polkit.stop()
        async with stage.somebody(PERMITTED) as other:
            assert await other.error("Cancel") == ""
        assert "cancelled" in (await who.caller.answer())["message"]
        assert await stranger.error("Cancel") == "Failed"
        assert await stranger.state() == "idle"
    assert stage.trigger.pressed == b""
    assert recorded(stage.ledger) == []


async def test_what_is_only_prepared_is_taken_back(stage: Scene) -> None:
    async with (
        stage.somebody(PERMITTED) as who,
        stage.somebody(NOBODY) as stranger,
        stage.somebody("root") as root,
    ):
        assert await root.error("Cancel") == "Failed"
        token = await who.prepare()
        assert await stranger.error("Cancel") == "NotAuthorized"
        assert await stranger.state() == "prepared"
        assert await root.error("Cancel") == ""
        assert await stranger.state() == "idle"
        answer = await who.call("Trigger", arguments(token))
        assert answer["error"] == "org.kdumpd1.Error.BadToken"
        assert "The user with uid 0 has cancelled this test" in answer["message"]
        # One's own needs no right, whatever is left of others.
        mine, theirs = await stranger.prepare(), await who.prepare()
        assert await stranger.error("Cancel") == "NotAuthorized"
        assert await stranger.error("Trigger", arguments(mine)) == "BadToken"
        assert await who.error("Trigger", arguments(theirs, "unheard-of")) != "BadToken"
        assert await who.error("Cancel") == ""
    assert stage.trigger.pressed == b""


async def test_a_test_is_cancelled_while_polkit_asks_for_a_password(stage: Scene) -> None:
    await stage.polkit.stop()
    async with (
        yielding_polkit(stage.bus.address) as polkit,
        stage.somebody("root") as root,
        stage.somebody(PERMITTED) as who,
    ):
        await who.trigger()
        await polkit.wait()
        assert await root.state() == "prepared"
        assert await root.error("Cancel") == ""
        await polkit.answer()
        assert "The test was cancelled" in (await who.caller.answer())["message"]
    assert "will be crashed" not in stage.trigger.log
    assert stage.trigger.pressed == b""


async def test_root_cancels_also_without_polkit(stage: Scene) -> None:
    monitoring = Busctl(stage.bus.address).monitor(f"type='signal',path='{TRIGGER_PATH}'")
    async with (
        monitoring as monitor,
        stage.somebody(PERMITTED) as who,
        stage.somebody("root") as root,
    ):
        await who.trigger()
        (countdown,) = await monitor.wait_for(1, "Countdown")
        assert countdown["payload"]["data"] == [await root.property("Deadline"), PERMITTED_UID]
        await stage.polkit.stop()
        assert await root.error("Cancel") == ""
    assert stage.trigger.pressed == b""


async def test_stopped_during_the_countdown(stage: Scene) -> None:
    async with stage.somebody("root") as who:
        await who.trigger()
        await stage.trigger.wait_until_logged("will be crashed on purpose")
        assert await stage.trigger.stop() == 0
        answer = await who.caller.answer()
        assert answer["error"] == "org.kdumpd1.Error.Failed"
        assert "kdumpd-trigger was stopped" in answer["message"]
    assert stage.trigger.pressed == b""


# Crowds


async def test_a_crowd_of_a_strangers_connections_takes_nobodys_place(stage: Scene) -> None:
    async with AsyncExitStack() as many:
        crowd = [await many.enter_async_context(stage.somebody(NOBODY)) for _ in range(5)]
        errors = [await who.error("Prepare") for who in crowd]
        assert errors == ["", "", "", "", "Busy"]
        await crowd[0].caller.vanish()
        assert await crowd[4].error("Prepare") == ""
        for user in ("root", PERMITTED):
            async with stage.somebody(user) as who:
                assert await who.error("Prepare") == ""


@pytest.mark.parametrize("calls", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_many_calls_of_a_stranger_crash_nothing(stage: Scene, calls: int) -> None:
    async with stage.somebody(NOBODY) as stranger, stage.somebody("root") as who:

        async def flood() -> None:
            for number in range(calls):
                match number % 10:
                    case 0:
                        await stranger.ask("Prepare")
                    case 1 | 2 | 3:
                        await stranger.ask("Cancel")
                    case _:
                        await stranger.ask("Trigger", arguments(f"{number:032x}", "not-ready"))

        async def drain() -> set[str]:
            answers = [await stranger.caller.answer() for _ in range(calls)]
            return {str(one.get("error", "")) for one in answers}

        flooding = asyncio.create_task(flood())
        draining = asyncio.create_task(drain())
        given = arguments(await who.prepare())
        assert await who.error("Prepare") == ""
        assert await who.error("Trigger", given) == "BadToken"
        await flooding
        errors = await draining
        refusals = {"BadToken", "Failed", "NotAuthorized"}  # by Cancel, of what another prepared
        assert errors - {""} <= {f"org.kdumpd1.Error.{one}" for one in refusals}
        assert "org.kdumpd1.Error.BadToken" in errors
        assert stage.trigger.pressed == b""
        await who.trigger()
        assert await stage.trigger.wait_until_pressed() == b"c"
        assert len(recorded(stage.ledger)) == 1
    assert stage.trigger.log.count("was refused a crash test") <= 4
