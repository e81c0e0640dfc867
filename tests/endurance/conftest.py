# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Callable
from random import Random

import pytest

from tests.daemon.conftest import broker, bus, journal, public, setup
from tests.endurance.seed import VARIABLE, chance, chosen_seed
from tests.endurance.stream import Stream
from tests.support.machine import Machine
from tests.vm.conftest import cache, debian

__all__ = ["broker", "bus", "cache", "debian", "journal", "public", "setup"]

SEED = chosen_seed()

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Say:
    """Print a line at once, for whoever waits, and for the record."""

    def printed(words: str) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {words}", flush=True)  # noqa: T201 - to be read

    return printed


@pytest.fixture
def random(request: pytest.FixtureRequest, say: Say) -> Random:
    say(f"{VARIABLE}={SEED}")
    return chance(SEED, request.node.name)


@pytest.fixture
def stream(machine: Machine, random: Random) -> Stream:
    return Stream(machine, random)
