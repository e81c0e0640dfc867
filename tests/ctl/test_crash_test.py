# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl test, as people and scripts use it, against a service that crashes nothing."""

import asyncio
import json
import os
import pty
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

import kdumpd.ctl.client
import kdumpd.ctl.trigger
from kdumpd.dbus import polkit
from kdumpd.model.crash_test import FATAL_OBJECTION_CODES
from tests.ctl.person import Person, at_a_terminal
from tests.ctl.test_main import Outcome, kdumpdctl
from tests.support.daemon import Setup, running
from tests.support.machine import Machine
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.process import end
from tests.support.trigger_service import ERROR, TOKEN, TriggerService, may_ask, trigger_service

pytestmark = pytest.mark.bus

HOST = os.uname().nodename
WARNING = ("not-ready", "warning", "little memory is reserved", "reserve more")
USERS = ("others-logged-in", "warning", "2 people are logged in", "ask them")
FATAL = ("crash-kernel-unloaded", "fatal", "no crash kernel is loaded", "kdump-config load")
PROMPT = "Type the name of this machine to crash it; anything else is a no: "
COUNTS = "any key cancels."
CANCELLED = "\nCancelled: the kernel is not crashed.\n"


@pytest.mark.parametrize(
    "module", [kdumpd.ctl.client, kdumpd.ctl.trigger], ids=lambda module: str(module.__name__)
)
def test_a_call_outlasts_a_password(module: ModuleType) -> None:
    options = vars(module)["PASSWORD_CALL_OPTIONS"]
    assert options.interactive
    assert options.seconds > polkit.PASSWORD_CALL_OPTIONS.seconds + polkit.POLKIT_TIMEOUT_S


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    (tmp_path / "bus").mkdir()
    async with private_bus(tmp_path / "bus", Broker.DBUS_DAEMON) as bus:
        yield bus


@pytest.fixture
async def trigger(bus: Bus) -> AsyncIterator[TriggerService]:
    async with trigger_service(bus.address) as service:
        yield service


@pytest.fixture
async def person(bus: Bus, trigger: TriggerService) -> AsyncIterator[Person]:
    """Somebody who was asked for the machine's name, with one thing that speaks against it."""
    trigger.objections = [WARNING]
    async with at_a_terminal("test", "--bus", bus.address) as person:
        await person.wait_for(PROMPT)
        yield person


async def agree(person: Person, trigger: TriggerService) -> None:
    """Type the name, and return once the countdown is shown."""
    person.type(f"{HOST}\n")
    await trigger.wait_for("Trigger")
    await trigger.count_down()
    await person.wait_for(COUNTS)


@asynccontextmanager
async def without_a_terminal(
    *arguments: str, stdin: int = DEVNULL
) -> AsyncIterator[asyncio.StreamReader]:
    """Run kdumpdctl with its words in a pipe; it prints nothing, and does not succeed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kdumpd.ctl.main", *arguments),
        stdin=stdin,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.timeout(30):
            yield process.stderr
            assert await process.stdout.read() == b""
            assert await process.wait() == 1
    finally:
        await end(process, signal.SIGKILL)


async def test_dry_run_with_nothing_against_it(bus: Bus, trigger: TriggerService) -> None:
    shown = await kdumpdctl("test", "--dry-run", "--bus", bus.address)
    assert shown == Outcome(0, "The kernel can be crashed: nothing speaks against it.\n", "")
    assert trigger.members() == ["Prepare"]


async def test_dry_run_shows_what_speaks_against_it(bus: Bus, trigger: TriggerService) -> None:
    trigger.objections = [WARNING]
    shown = await kdumpdctl("test", "--dry-run", "--bus", bus.address)
    assert (shown.status, shown.words) == (1, "")
    assert shown.out == (
        "The kernel can be crashed, but something speaks against it.\n\n"
        "  warning: little memory is reserved [not-ready]\n  what to do: reserve more\n"
    )
    argv = ("test", "--dry-run", "--override=not-ready", "--bus", bus.address)
    assert await kdumpdctl(*argv) == Outcome(0, shown.out, "")
    trigger.objections = [WARNING, FATAL]
    shown = await kdumpdctl(*argv, "--override=crash-kernel-unloaded")
    assert shown.status == 1
    assert shown.out.startswith("The kernel cannot be crashed now.\n")
    assert "  fatal: no crash kernel is loaded [crash-kernel-unloaded]\n" in shown.out
    assert set(trigger.members()) == {"Prepare"}


async def test_an_objection_that_there_is_not_is_refused(bus: Bus, trigger: TriggerService) -> None:
    refused = await kdumpdctl("test", "--dry-run", "--override=no-such", "--bus", bus.address)
    assert (refused.status, refused.out) == (64, "")
    assert "There is no code 'no-such'. You can override: " in refused.words
    assert trigger.members() == []


async def test_dry_run_as_json_tells_no_token(bus: Bus, trigger: TriggerService) -> None:
    trigger.objections = [WARNING]
    shown = await kdumpdctl("test", "--dry-run", "--json=short", "--bus", bus.address)
    assert shown.status == 1
    assert TOKEN not in shown.out
    record = json.loads(shown.out)
    assert record.pop("expires") > time.time() * 1e6
    code, severity, message, remedy = WARNING
    assert record == {
        "objections": [{"code": code, "severity": severity, "message": message, "remedy": remedy}]
    }


async def test_nobody_is_asked_without_a_terminal(bus: Bus, trigger: TriggerService) -> None:
    trigger.objections = [WARNING, USERS]
    refused = await kdumpdctl("test", "--bus", bus.address)
    assert (refused.status, refused.out) == (1, "")
    assert refused.words.endswith(
        f"To crash {HOST}, add: --yes={HOST} --override=not-ready --override=others-logged-in\n"
    )
    assert trigger.members() == ["Prepare"]


async def test_another_machine_is_not_crashed(bus: Bus, trigger: TriggerService) -> None:
    refused = await kdumpdctl("test", f"--yes=not-{HOST}", "--bus", bus.address)
    words = f"Nothing was crashed. This machine is '{HOST}', not 'not-{HOST}'.\n"
    assert refused == Outcome(1, "", words)
    assert trigger.members() == []


async def test_each_objection_is_to_be_named(bus: Bus, trigger: TriggerService) -> None:
    trigger.objections = [WARNING, USERS]
    refused = await kdumpdctl(
        *("test", f"--yes={HOST}", "--override=not-ready", "--bus", bus.address)
    )
    assert (refused.status, refused.out) == (1, "")
    assert "  warning: 2 people are logged in [others-logged-in]\n" in refused.words
    assert refused.words.endswith(
        "\nNothing was crashed. To crash it in spite of that, add: --override=others-logged-in\n"
    )
    assert trigger.members() == ["Prepare"]


async def test_fatal_objection_cannot_be_overridden(bus: Bus, trigger: TriggerService) -> None:
    trigger.objections = [FATAL]
    argv = ("test", "--override", FATAL[0], "--bus", bus.address)
    refused = await kdumpdctl(*argv, f"--yes={HOST}")
    assert (refused.status, refused.out) == (1, "")
    assert refused.words == (
        "The kernel cannot be crashed now.\n\n"
        "  fatal: no crash kernel is loaded [crash-kernel-unloaded]\n"
        "  what to do: kdump-config load\n\n"
        "Nothing was crashed. First do what is said above.\n"
    )
    async with at_a_terminal(*argv) as person:
        assert await person.status() == 1
        assert person.seen == refused.words
    assert trigger.members() == ["Prepare", "Prepare"]


async def test_with_yes_nobody_is_asked(bus: Bus, trigger: TriggerService) -> None:
    trigger.objections = [WARNING, USERS]
    trigger.countdown_seconds = 1.5
    codes = (f"--override={WARNING[0]}", f"--override={USERS[0]}")
    async with without_a_terminal("test", f"--yes={HOST}", *codes, "--bus", bus.address) as words:
        call = await trigger.wait_for("Trigger")
        assert call.body == [TOKEN, ["not-ready", "others-logged-in"]]
        assert call.sender == trigger.asked[0].sender  # the token is for this connection alone
        assert not may_ask(call)
        await trigger.count_down()
        while await words.readline() != b"  what to do: ask them\n":
            pass
        assert await words.readline() == b"\n"
        assert (await words.readline()).endswith(b" a dump was saved: kdumpdctl status\n")
        line = f"The kernel of {HOST} crashes in 2 s; Ctrl-C cancels.\n"
        assert await words.readline() == line.encode()
        await asyncio.sleep(1.5)  # other seconds are not told of
        await trigger.change("crashing")
        assert await words.readline() == b"Crashing it now.\n"
        await trigger.fail("Failed", "The kernel was told to crash and lives.")
        assert await words.read() == b"The kernel was told to crash and lives.\n"


async def test_person_is_told_and_asked(person: Person, trigger: TriggerService) -> None:
    assert f"This crashes the kernel of {HOST}, the machine that you are on." in person.seen
    assert "  warning: little memory is reserved [not-ready]\n" in person.seen
    assert "With the name you also say yes to what speaks against it.\n" in person.seen
    assert trigger.members() == ["Prepare"]
    person.type(f"{HOST}\n")
    call = await trigger.wait_for("Trigger")
    assert call.body == [TOKEN, ["not-ready"]]
    assert may_ask(call)
    await trigger.fail("NotAuthorized", "You may not crash this machine.")
    assert await person.status() == 1
    assert person.seen.endswith("kdumpdctl status\nYou may not crash this machine.\n")
    assert person.terminal_is_as_before


@pytest.mark.parametrize("typed", ["\n", "yes\n", f"not-{HOST}\n", f"{HOST}x\n", "\x04"])
async def test_anything_else_is_a_no(person: Person, trigger: TriggerService, typed: str) -> None:
    person.type(typed)
    assert await person.status() == 1
    assert person.seen.endswith(f"\nNothing was crashed. That was not '{HOST}'.\n")
    assert trigger.members() == ["Prepare"]
    assert person.terminal_is_as_before


async def test_name_that_was_typed_before_the_question_is_none(
    bus: Bus, trigger: TriggerService
) -> None:
    trigger.objections = [WARNING]
    async with at_a_terminal("test", "--bus", bus.address) as person:
        person.type(f"{HOST}\n")  # it takes a while until Python runs
        await person.wait_for(PROMPT)
        await asyncio.sleep(0.2)
        person.type("no\n")
        assert await person.status() == 1
    assert trigger.members() == ["Prepare"]


async def test_ctrl_c_at_the_question(person: Person, trigger: TriggerService) -> None:
    person.type("\x03")
    assert await person.status() == 1
    assert person.seen.endswith("\nCancelled. Nothing was crashed.\n")
    assert trigger.members() == ["Prepare"]


async def test_question_ends_with_the_token(bus: Bus, trigger: TriggerService) -> None:
    trigger.token_seconds = 1.0
    async with at_a_terminal("test", "--bus", bus.address) as person:
        assert await person.status() == 1
        assert person.seen.endswith(
            f"{PROMPT}\nNothing was crashed. There was no answer in time.\n"
        )
    assert trigger.members() == ["Prepare"]


@pytest.mark.parametrize("key", ["q", " ", "\n", "\x03", "\x1a", "\x1b[A"], ids=ascii)
async def test_any_key_cancels(person: Person, trigger: TriggerService, key: str) -> None:
    await agree(person, trigger)
    assert f"The kernel of {HOST} crashes in 60 s; any key cancels." in person.seen
    assert not person.terminal_is_as_before
    await person.wait_for("crashes in 59 s")
    person.type(key)
    assert await person.status() == 1
    assert person.seen.endswith(CANCELLED)
    _, _, shown = person.seen.partition("kdumpdctl status\n")
    assert shown.count("\n") == 2  # the countdown is one line
    assert trigger.members() == ["Prepare", "Trigger", "Cancel"]
    assert trigger.asked[2].sender == trigger.asked[1].sender
    assert person.terminal_is_as_before


async def test_interrupt_cancels(person: Person, trigger: TriggerService) -> None:
    await agree(person, trigger)
    person.process.send_signal(signal.SIGINT)
    assert await person.status() == 1
    assert person.seen.endswith(CANCELLED)
    assert trigger.members() == ["Prepare", "Trigger", "Cancel"]
    assert person.terminal_is_as_before


async def test_interrupt_while_polkit_asks(person: Person, trigger: TriggerService) -> None:
    """Keys are then for the password; and to leave the bus takes the call back."""
    trigger.errors["Cancel"] = (ERROR + "Failed", "Nothing is counted down.")
    person.type(f"{HOST}\n")
    await trigger.wait_for("Trigger")
    assert person.terminal_is_as_before
    person.type("\x03")
    assert await person.status() == 1
    assert person.seen.endswith("^C" + CANCELLED[1:])
    async with asyncio.timeout(20):
        await trigger.left.wait()


async def test_cancelled_at_the_last_moment(person: Person, trigger: TriggerService) -> None:
    """What is called crashing begins with the disks, and they may take long."""
    await agree(person, trigger)
    await trigger.change("crashing")
    await person.wait_for(f"{COUNTS}\nCrashing it now.\n")
    person.type("q")
    assert await person.status() == 1
    assert person.seen.endswith("\nCrashing it now.\nCancelled: the kernel is not crashed.\n")
    assert trigger.members() == ["Prepare", "Trigger", "Cancel"]
    assert person.terminal_is_as_before


async def test_cancelled_too_late(person: Person, trigger: TriggerService) -> None:
    trigger.errors["Cancel"] = (ERROR + "Failed", "It is too late.")
    await agree(person, trigger)
    await trigger.change("crashing")
    await person.wait_for("\nCrashing it now.\n")
    person.type("\x03")
    assert await person.status() == 1
    assert person.seen.endswith("now.\nToo late: the kernel is being crashed.\n")
    assert person.terminal_is_as_before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_end_of_the_program_takes_it_back(
    person: Person, trigger: TriggerService, number: signal.Signals
) -> None:
    await agree(person, trigger)
    person.process.send_signal(number)
    assert await person.status() == 1
    assert person.terminal_is_as_before
    assert person.seen.endswith(f"{COUNTS}\n")
    async with asyncio.timeout(20):
        await trigger.left.wait()


async def test_lost_terminal_takes_it_back(person: Person, trigger: TriggerService) -> None:
    await agree(person, trigger)
    person.hang_up()
    assert await person.status() != 0
    async with asyncio.timeout(20):
        await trigger.left.wait()


async def test_cancelled_by_another(person: Person, trigger: TriggerService) -> None:
    await agree(person, trigger)
    await trigger.fail("Failed", "Somebody has cancelled the crash.")
    assert await person.status() == 1
    assert person.seen.endswith("\nSomebody has cancelled the crash.\n")
    assert person.terminal_is_as_before


async def test_end_of_the_bus(bus: Bus, person: Person, trigger: TriggerService) -> None:
    await agree(person, trigger)
    await bus.stop()
    assert await person.status() == 4
    assert "Traceback" not in person.seen
    assert "\nthe bus " in person.seen
    assert person.terminal_is_as_before


@pytest.mark.parametrize("member", ["Prepare", "Trigger"])
@pytest.mark.parametrize(
    "name", ["Objections", "BadToken", "NotAuthorized", "Busy", "Failed", "Disabled"]
)
async def test_errors_are_told(bus: Bus, trigger: TriggerService, member: str, name: str) -> None:
    trigger.errors[member] = (ERROR + name, f"A sentence on {name}.")
    failed = await kdumpdctl("test", f"--yes={HOST}", "--bus", bus.address)
    assert (failed.status, failed.out) == (1, "")
    told = failed.words.splitlines()
    assert told[-1] == f"A sentence on {name}."
    assert len(told) == (1 if member == "Prepare" else 2)


async def test_no_service(bus: Bus) -> None:
    for argv in (("--dry-run",), (f"--yes={HOST}",)):
        absent = await kdumpdctl("test", *argv, "--bus", bus.address)
        assert absent == Outcome(
            4,
            "",
            f"kdumpd-trigger is not installed, or cannot be started, on the bus '{bus.address}'.\n",
        )


async def test_keys_cancel_though_the_words_go_elsewhere(bus: Bus, trigger: TriggerService) -> None:
    master, terminal = pty.openpty()
    try:
        argv = ("test", f"--yes={HOST}", "--bus", bus.address)
        async with without_a_terminal(*argv, stdin=terminal) as words:
            await trigger.wait_for("Trigger")
            await trigger.count_down()
            assert b"kdumpdctl status" in await words.readline()
            assert b" 60 s; any key cancels.\n" in await words.readline()
            os.write(master, b"q")
            assert await words.read() == CANCELLED[1:].encode()
    finally:
        os.close(terminal)
        os.close(master)


async def test_where_none_is_possible_the_words_of_status_are_said_at_once(
    machine: Machine, tmp_path: Path, bus: Bus, trigger: TriggerService
) -> None:
    machine.write("run/systemd/container", "systemd-nspawn\n")
    setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)
    async with running(setup):
        status = await kdumpdctl("status", "--bus", bus.address)
        sentence = "Crash test: not possible here, as the kernel is that of the container's host"
        assert f"\n{sentence}\n" in status.out
        for options in ((), ("--dry-run",), (f"--yes={HOST}",), ("--dry-run", "--json")):
            refused = await kdumpdctl("test", *options, "--bus", bus.address)
            assert refused == Outcome(1, "", f"Nothing was crashed. {sentence}.\n")
    assert trigger.members() == []


async def test_of_the_codes_only_those_are_named_that_can_be_overridden() -> None:
    refused = await kdumpdctl("test", "--dry-run", "--override=nonsense", "--bus=unix:path=/")
    assert refused.status == 64
    assert "There is no code 'nonsense'. You can override: not-ready," in (refused.words)
    for code in FATAL_OBJECTION_CODES:
        assert code not in refused.words
