# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl test against the real kdumpd-trigger, with a pipe in the place of the kernel."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ctl.person import at_a_terminal
from tests.ctl.test_main import Outcome, kdumpdctl
from tests.support.daemon import Setup, running
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus
from tests.support.trigger import Trigger, TriggerSetup, running_trigger
from tests.support.yielding_polkit import YieldingPolkit, yielding_polkit

pytestmark = pytest.mark.bus

HOST = os.uname().nodename


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A machine with kdumpd, kdumpd-trigger and a polkit that takes its time."""

    machine: Machine
    bus: str
    trigger: Trigger
    polkit: YieldingPolkit


@pytest.fixture
async def scene(machine: Machine, tmp_path: Path) -> AsyncIterator[Scene]:
    (tmp_path / "bus").mkdir()
    async with private_bus(tmp_path / "bus", Broker.DBUS_DAEMON) as bus:
        daemon = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)
        setup = TriggerSetup(root=machine.root, bus=bus.address, key="h")
        async with (
            yielding_polkit(bus.address) as polkit,
            running(daemon),
            running_trigger(setup) as trigger,
        ):
            yield Scene(machine=machine, bus=bus.address, trigger=trigger, polkit=polkit)


async def test_key_is_pressed_and_a_rehearsal_proves_nothing(scene: Scene) -> None:
    dry = await kdumpdctl("test", "--dry-run", "--bus", scene.bus)
    assert dry == Outcome(0, "The kernel can be crashed: nothing speaks against it.\n", "")
    async with at_a_terminal("test", "--bus", scene.bus) as person:
        await person.wait_for("anything else is a no: ")
        assert scene.trigger.pressed == b""
        person.type(f"{HOST}\n")
        await scene.polkit.wait()
        assert person.terminal_is_as_before  # a password may be typed there
        await scene.polkit.answer()
        assert await scene.trigger.wait_until_pressed() == b"h"
        assert await person.status() == 1
        _, _, shown = person.seen.partition("kdumpdctl status\n")
        countdown, crashing, *_, last = shown.rstrip("\n").split("\n")
        assert f"\rThe kernel of {HOST} crashes in 1 s; any key cancels." in countdown
        assert crashing == "Crashing it now."
        assert last.startswith("This was a rehearsal")
        assert person.terminal_is_as_before
    assert "\nNever tested: " in (await kdumpdctl("--bus", scene.bus)).out


async def test_any_key_cancels(scene: Scene) -> None:
    async with at_a_terminal("test", f"--yes={HOST}", "--bus", scene.bus) as person:
        await scene.polkit.answer()
        await person.wait_for("any key cancels.")
        person.type("q")
        assert await person.status() == 1
        assert person.seen.endswith("\nCancelled: the kernel is not crashed.\n")
        assert person.terminal_is_as_before
    await scene.trigger.stop()
    assert scene.trigger.pressed == b""
    assert "\nNever tested: " in (await kdumpdctl("--bus", scene.bus)).out


async def test_anybody_who_may_cancels_by_a_command(scene: Scene) -> None:
    async with at_a_terminal("test", f"--yes={HOST}", "--bus", scene.bus) as person:
        await scene.polkit.answer()
        await person.wait_for("any key cancels.")
        done = await kdumpdctl("test", "--cancel", "--bus", scene.bus)
        assert done == Outcome(0, "", "The test is cancelled: the kernel is not crashed.\n")
        assert await person.status() == 1
        assert "The test was cancelled: by the user with uid 0." in person.seen
    none = await kdumpdctl("test", "--cancel", "--bus", scene.bus)
    words = "There is no test that could be cancelled.\n"
    assert none == Outcome(1, "", words)
    assert scene.trigger.pressed == b""


async def test_whoever_leaves_while_polkit_asks_crashes_nothing(scene: Scene) -> None:
    async with at_a_terminal("test", f"--yes={HOST}", "--bus", scene.bus) as person:
        await scene.polkit.wait()
        person.type("\x03")
        assert await person.status() == 1
        assert person.seen.endswith("Cancelled: the kernel is not crashed.\n")
    await scene.polkit.answer()
    await asyncio.sleep(4)  # the countdown would be over
    assert scene.trigger.pressed == b""


async def test_what_speaks_against_it_holds(scene: Scene) -> None:
    scene.machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    refused = await kdumpdctl("test", f"--yes={HOST}", "--bus", scene.bus)
    assert (refused.status, refused.out) == (1, "")
    assert refused.words.startswith("The kernel cannot be crashed now.\n")
    assert refused.words.endswith("\nNothing was crashed. First do what is said above.\n")
    assert scene.trigger.pressed == b""
