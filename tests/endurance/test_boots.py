# SPDX-License-Identifier: GPL-2.0-or-later
"""Five crashes in a row: each is told once, in order, and that they are a loop."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.daemon.test_previous_boot import remake, row
from tests.endurance.listener import PATIENCE
from tests.support.daemon import READY, Setup, started
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.namespace import needs_root
from tests.vm.boots import PANIC
from tests.vm.debian import DebianImage, Turn
from tests.vm.test_crash_test import INSTALLED, Told, boots, told

pytestmark = [pytest.mark.endurance, needs_root]

CRASHES = 5
RESTARTS = 3


@pytest.mark.bus
async def test_five_crashed_boots(machine: Machine, setup: Setup, journal: Journal) -> None:
    """Of a journal with five such boots; however often the daemon starts, once."""
    remake(machine, *row(CRASHES))
    expected = [f"{back:032x}" for back in range(CRASHES, 0, -1)]
    setup = replace(setup, prefix=journal.prefix)
    entries = []
    for _ in range(RESTARTS):
        async with started(setup) as kdumpd:
            await kdumpd.wait_until_told(READY, seconds=PATIENCE)
            entries = await journal.wait_for(CRASHES + 1, "PRIORITY=2", timeout=PATIENCE)
            await kdumpd.kill()
    *crashes, loop = entries
    assert [entry["KDUMPD_BOOT"] for entry in crashes] == expected
    assert f"crashed {CRASHES} times" in str(loop["MESSAGE"])


@pytest.mark.vm
@pytest.mark.long
async def test_five_real_crashes(debian: DebianImage, tmp_path: Path) -> None:
    """Of a whole Debian that panics as soon as it knows of the panic before."""
    middle = [Turn(script=told(number, PANIC), crashes=True) for number in range(2, CRASHES + 1)]
    first, last = Turn(script=INSTALLED + PANIC, crashes=True), Turn(script=told(CRASHES + 1))
    await boots(debian, tmp_path, first, *middle, last)
    later = [Told(tmp_path, number) for number in range(2, CRASHES + 2)]
    assert [boot.ended[0] for boot in later] == ["crash-captured"] * CRASHES
    assert [len(boot.captures) for boot in later] == list(range(1, CRASHES + 1))
    assert {capture["state"] for capture in later[-1].captures} == {"complete"}
    names = [entry["KDUMPD_EVENT"] for boot in later for entry in boot.journal]
    assert len(names) == len(set(names))
    loops = [
        entry for boot in later for entry in boot.journal if "times within" in entry["MESSAGE"]
    ]
    assert len(loops) == 1
