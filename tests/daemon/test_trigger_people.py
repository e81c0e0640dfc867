# SPDX-License-Identifier: GPL-2.0-or-later
"""What logind tells of others speaks against a crash; where there is none, nothing does."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.caller import caller
from tests.support.daemon import Setup, running
from tests.support.logind import logind_on
from tests.support.machine import Machine
from tests.support.message_bus import Bus
from tests.support.trigger import Somebody, TriggerSetup, running_trigger

pytestmark = pytest.mark.bus

ME, OTHER = os.geteuid(), os.geteuid() + 1
UPDATE = ["shutdown", "packagekitd", "updates", "block", 0, 700]
DELAY = ["shutdown:sleep", "NetworkManager", "needs to say goodbye", "delay", 0, 701]


@pytest.fixture
async def who(machine: Machine, bus: Bus, tmp_path: Path) -> AsyncIterator[Somebody]:
    daemon = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)
    trigger = TriggerSetup(root=machine.root, bus=bus.address)
    async with running(daemon), running_trigger(trigger), caller(bus.address) as connected:
        yield Somebody(connected)


async def test_without_logind_nothing_is_said(who: Somebody) -> None:
    assert await who.objections() == {}


async def test_nobody_else(who: Somebody, bus: Bus) -> None:
    async with logind_on(bus.address) as logind:
        logind.sessions = [("1", ME, "me", "user"), ("c1", OTHER, "gdm", "greeter")]
        logind.inhibitors = [DELAY]
        assert await who.objections() == {}


async def test_others_and_an_update(who: Somebody, bus: Bus) -> None:
    async with logind_on(bus.address) as logind:
        logind.sessions = [("1", ME, "me", "user"), ("7", OTHER, "ali\u202ece", "user")]
        logind.inhibitors = [DELAY, UPDATE]
        rows = (await who.call("Prepare"))["done"][1]
    assert [(code, severity) for code, severity, *_ in rows] == [
        ("others-logged-in", "warning"),
        ("inhibited", "warning"),
    ]
    assert rows[0][2].endswith(r"would lose unsaved work: ali\u202ece")
    assert rows[1][2].endswith("block a shutdown: packagekitd (updates)")


async def test_a_logind_that_hangs_is_no_silence(who: Somebody, bus: Bus) -> None:
    async with logind_on(bus.address) as logind:
        logind.hangs = True
        assert await who.objections() == {"others-logged-in": "warning", "inhibited": "warning"}
