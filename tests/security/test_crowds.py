# SPDX-License-Identifier: GPL-2.0-or-later
"""So many directories that the honest ones could get lost among them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.invariants import attacked, be_honest
from tests.support.daemon import Setup
from tests.support.machine import Machine
from tests.support.namespace import ROOT
from tests.support.traps import NOBODY

pytestmark = pytest.mark.bus

FEW, MANY = 1_100, 100_000
LOOKED_INTO = MANY - 10  # with the honest, not more than are looked into of the owner's
MOST_MEMORY = 400 << 20  # bytes; a name and a stamp for each of many


@pytest.fixture
def crowded(machine: Machine) -> Iterator[Machine]:
    yield machine
    shutil.rmtree(machine.crash)  # what pytest keeps of old runs would be very much


def crowd(crash: Path, count: int, *, strange: bool) -> None:
    """Make directories, of a stranger with a core each, else empty ones."""
    crash.chmod(0o3777)
    directory = os.open(crash, os.O_RDONLY)
    for number in range(count):
        name = f"{202700000000 + number}"
        os.mkdir(name, dir_fd=directory)
        if strange:
            if number % 10 == 0:
                os.close(os.open(f"{name}/vmcore", os.O_CREAT | os.O_WRONLY, dir_fd=directory))
            os.chown(name, NOBODY, NOBODY, dir_fd=directory)
    os.close(directory)


COUNTS = (FEW, pytest.param(MANY, marks=pytest.mark.long))


@pytest.mark.skipif(not ROOT, reason="only root can be somebody else")
@pytest.mark.parametrize("count", COUNTS)
async def test_strangers_crowd_out_nobody(count: int, crowded: Machine, setup: Setup) -> None:
    honest = be_honest(crowded)
    crowd(crowded.crash, count, strange=True)
    async with attacked(setup, honest, memory=MOST_MEMORY) as one:
        await one.until_honest_are_listed(honest)
        assert len(await one.captures()) <= 1_000 + honest


@pytest.mark.long
async def test_empty_directories_are_no_captures(crowded: Machine, setup: Setup) -> None:
    crowd(crowded.crash, LOOKED_INTO, strange=False)
    honest = be_honest(crowded)
    async with attacked(setup, honest, memory=MOST_MEMORY) as one:
        await one.until_honest_are_listed(honest)
        assert len(await one.captures()) == honest
