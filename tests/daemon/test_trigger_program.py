# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-trigger as a process: what it prints goes nowhere near the descriptor; how it ends."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.busctl import Busctl
from tests.support.caller import TRIGGER, TRIGGER_PATH, caller
from tests.support.daemon import Setup, running
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.message_bus import Bus
from tests.support.namespace import needs_root
from tests.support.polkit import KDUMPD, NOBODY, needs_polkit
from tests.support.trigger import (
    PROGRAM,
    Somebody,
    TriggerSetup,
    arguments,
    limited,
    running_trigger,
    scene,
    started_trigger,
)

pytestmark = pytest.mark.bus

PYTHON = sys.executable
MODULE = ("-m", "kdumpd.trigger.main")
# The program with a mistake in it, that is met with whenever somebody asks.
MISTAKEN = """
import sys
from kdumpd.trigger import main as program
class Broken(program.ConfigurationReader):
    async def settings(self):
        print("printed by mistake")
        raise ZeroDivisionError("a mistake")
program.ConfigurationReader = Broken
sys.exit(program.main())
"""


@pytest.fixture
def setup(machine: Machine, bus: Bus) -> TriggerSetup:
    return TriggerSetup(root=machine.root, bus=bus.address)


async def used(setup: TriggerSetup) -> bytes:
    """Return what comes out of the descriptor of a trigger that is asked all, and then ends."""
    async with running_trigger(setup) as trigger:
        async with caller(setup.bus) as caller_:
            who = Somebody(caller_)
            await who.call("Prepare")
            await who.call("Trigger", arguments("0" * 32))
            await who.call("Cancel")
        assert await trigger.stop() == 0
        assert trigger.log
        return trigger.pressed


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (("-v",), {}),
        (("-vv",), {}),
        (("-X", "dev", "-W", "always"), {}),
        (("-X", "importtime"), {}),
        ((), {"PYTHONVERBOSE": "1"}),
        ((), {"PYTHONPROFILEIMPORTTIME": "1"}),
        ((), {"PYTHONDEBUG": "1", "PYTHONDEVMODE": "1", "PYTHONASYNCIODEBUG": "1"}),
        ((), {"PYTHONWARNINGS": "always"}),
        ((), {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}),
    ],
    ids=str,
)
async def test_however_much_it_prints(
    setup: TriggerSetup, options: tuple[str, ...], environment: dict[str, str]
) -> None:
    noisy = replace(setup, program=(PYTHON, *options, *MODULE), environment=environment)
    assert await used(noisy) == b""


async def test_a_broken_configuration_is_said(setup: TriggerSetup) -> None:
    config = "[CrashTest]\nEnabled=maybe\nCountdownSec=0\nnonsense\nColour=blue\n"
    async with running_trigger(replace(setup, config=config)) as trigger:
        async with caller(setup.bus) as who:
            assert await Somebody(who).error("Prepare") == "Disabled"
        assert trigger.log.count("(the default is used)") == 4
        assert trigger.pressed == b""


async def test_a_mistake_in_the_program(setup: TriggerSetup) -> None:
    broken = replace(setup, program=(PYTHON, "-c", MISTAKEN))
    async with running_trigger(broken) as trigger:
        async with caller(setup.bus) as who:
            answer = await Somebody(who).call("Prepare")
            assert answer["error"] == "org.kdumpd1.Error.Failed"
            assert answer["message"] == "the service made a mistake; its log says which"
        assert await trigger.stop() == 0
        assert "ZeroDivisionError: a mistake" in trigger.log
        assert "printed by mistake" in trigger.log
        assert trigger.pressed == b""


async def test_without_a_descriptor_it_refuses_whatever_it_is_asked(setup: TriggerSetup) -> None:
    """As the unit runs where there is no /proc/sysrq-trigger: nothing fails but what is asked."""
    refusing = replace(setup, program=(*PROGRAM, "--refuse"), passing='exec "$@"')
    async with running_trigger(refusing) as trigger:
        async with caller(setup.bus) as who:
            for member, given in (("Prepare", ""), ("Cancel", ""), ("Trigger", "('0', @as [])")):
                answer = await who.call(TRIGGER_PATH, TRIGGER, member, arguments=given)
                assert answer["error"] == "org.kdumpd1.Error.Failed"
                assert answer["message"] == (
                    "Crash test: not possible here, as there is no /proc/sysrq-trigger that could"
                    " be written to."
                )
        assert trigger.pressed == b""
        assert await trigger.stop() == 0
        assert "Traceback" not in trigger.log


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE])
async def test_a_fault_of_the_interpreter(setup: TriggerSetup, number: signal.Signals) -> None:
    noisy = replace(setup, program=(PYTHON, "-X", "faulthandler", *MODULE))
    async with running_trigger(noisy) as trigger:
        assert await trigger.stop(number) == -number
        assert "Fatal Python error" in trigger.log
        assert trigger.pressed == b""


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("--key", "b"), ("--nonsense",)])
async def test_a_command_line_of_any_kind(setup: TriggerSetup, words: tuple[str, ...]) -> None:
    async with started_trigger(replace(setup, program=(*PROGRAM, *words))) as trigger:
        assert await trigger.process.wait() in {0, 64}
        assert trigger.pressed == b""


@pytest.mark.parametrize(
    "line",
    ['exec "$@"', 'LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=sysrq exec "$@" 3>&1'],
    ids=["not passed", "stdout as well"],
)
async def test_a_start_that_passes_the_descriptor_wrongly(setup: TriggerSetup, line: str) -> None:
    """By the shell line of a unit that somebody has changed: stdout is still the descriptor."""
    wrong = ("sh", "-c", line, "sh", *PROGRAM)
    async with started_trigger(replace(setup, program=wrong, passing='exec "$@"')) as trigger:
        assert await trigger.process.wait() == 1
        assert trigger.log.startswith("kdumpd-trigger: ")
        assert trigger.pressed == b""


async def test_without_a_bus(setup: TriggerSetup, bus: Bus) -> None:
    await bus.stop()
    async with started_trigger(setup) as trigger:
        assert await trigger.process.wait() == 1
        assert "cannot connect to the bus" in trigger.log


async def test_only_one_of_it(setup: TriggerSetup) -> None:
    async with running_trigger(setup), started_trigger(setup) as second:
        assert await second.process.wait() == 1
        assert "is taken: another program on this bus has it" in second.log


async def test_gone_when_nobody_asks_for_anything(setup: TriggerSetup) -> None:
    async with running_trigger(replace(setup, program=limited("idle=1.0"))) as trigger:
        async with caller(setup.bus) as caller_:
            who = Somebody(caller_)
            assert await who.prepare()
            assert await who.state() == "prepared"  # which keeps it
        assert await trigger.process.wait() == 0
        assert trigger.pressed == b""
        async with caller(setup.bus) as caller_:
            answer = await Somebody(caller_).call("Prepare")
            assert answer["error"] == "org.freedesktop.DBus.Error.ServiceUnknown"


async def test_properties_and_signals(
    setup: TriggerSetup, machine: Machine, tmp_path: Path
) -> None:
    busctl = Busctl(setup.bus)
    daemon = Setup(root=machine.root, state=tmp_path / "state", bus=setup.bus)
    async with running(daemon), running_trigger(setup):
        assert await busctl.tree(TRIGGER) == ["/", "/org", "/org/kdumpd1", TRIGGER_PATH]
        assert await busctl.get(TRIGGER, TRIGGER_PATH, TRIGGER, "Enabled") is True
        assert await busctl.get(TRIGGER, TRIGGER_PATH, TRIGGER, "Deadline") == 0
        async with busctl.monitor() as monitor, caller(setup.bus) as caller_:
            await Somebody(caller_).prepare()
            (change,) = await monitor.wait_for(1, "PropertiesChanged")
            assert change["payload"]["data"][1]["State"]["data"] == "prepared"


@needs_root
async def test_the_journal_is_told(
    machine: Machine, tmp_path: Path, public: Path, journal: Journal
) -> None:
    if os.geteuid() != 0:
        pytest.skip("polkitd changes its user: needs root")
    async with scene(machine, public, tmp_path / "state", prefix=journal.prefix) as stage:
        machine.write("proc/uptime", "61.2 100.0\n")
        async with stage.somebody("root") as who, stage.somebody("root") as other:
            assert await who.error("Trigger", arguments(await who.prepare())) == "Objections"
            await who.trigger("just-booted")
            await other.wait_for("counting-down")
            assert await other.error("Cancel") == ""
            await who.caller.answer()
        (refused,) = await journal.wait_for(1, "KDUMPD_OBJECTIONS=just-booted")
        entries = await journal.wait_for(3, "SYSLOG_IDENTIFIER=kdumpd-trigger")
        announced, cancelled = entries[1:]
        assert refused["PRIORITY"] == "4"
        assert announced["PRIORITY"] == "0"
        assert "will be crashed on purpose in 3 s" in announced["MESSAGE"]
        assert "overriding: just-booted" in announced["MESSAGE"]
        assert announced["KDUMPD_TEST"] == cancelled["KDUMPD_TEST"]
        assert "cancelled: by the user with uid 0" in cancelled["MESSAGE"]
        assert {one["KDUMPD_UID"] for one in entries} == {"0"}


@needs_polkit
@needs_root
async def test_a_journald_that_hangs_holds_up_nothing(
    machine: Machine, tmp_path: Path, public: Path, journal: Journal
) -> None:
    journal.pause()
    async with (
        scene(machine, public, tmp_path / "state", prefix=journal.prefix) as stage,
        stage.somebody("root") as who,
    ):
        await who.trigger()
        assert await stage.trigger.wait_until_pressed() == b"c"
    journal.resume()


@needs_polkit
async def test_as_the_user_that_it_is_installed_for(
    machine: Machine, tmp_path: Path, public: Path
) -> None:
    """kdumpd knows it by its name, polkit by the right that is its own."""
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, KDUMPD, KDUMPD)
    user = ("setpriv", f"--reuid={KDUMPD}", f"--regid={KDUMPD}", "--clear-groups")
    rights = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search", "--")
    prefix = (*user, *rights)
    # The trigger's is for Python alone, which may lie in a home.
    async with scene(machine, public, state, daemon_prefix=prefix, prefix=prefix) as stage:
        async with stage.somebody(NOBODY) as who:
            assert await who.error("Trigger", arguments(await who.prepare())) == "NotAuthorized"
        async with stage.somebody("root") as who:
            await who.trigger()
            assert await stage.trigger.wait_until_pressed() == b"c"


@needs_polkit
@pytest.mark.parametrize("path", [TRIGGER_PATH, "/org/kdumpd1"])
async def test_the_bus_lets_no_other_interface_through(
    machine: Machine, tmp_path: Path, public: Path, path: str
) -> None:
    async with (
        scene(machine, public, tmp_path / "state") as stage,
        caller(stage.bus.address, NOBODY) as who,
    ):
        denied = await who.call(path, "org.example.Other", "Do")
        assert denied["error"] == "org.freedesktop.DBus.Error.AccessDenied"
        allowed = await who.call(path, "org.freedesktop.DBus.Peer", "Ping")
        assert allowed == {"done": []}
