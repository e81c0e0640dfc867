# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Setup
from tests.support.journal import Journal, private_journal
from tests.support.machine import Machine
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.namespace import needs_root
from tests.support.polkit import public_directory


@pytest.fixture(
    scope="module",
    params=[Broker.DBUS_DAEMON, pytest.param(Broker.DBUS_BROKER, marks=needs_root)],
)
def broker(request: pytest.FixtureRequest) -> Broker:
    return Broker(request.param)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    directory = tmp_path / "bus"
    directory.mkdir()
    async with private_bus(directory, Broker.DBUS_DAEMON) as bus:
        yield bus


@pytest.fixture
def setup(tmp_path: Path, machine: Machine, bus: Bus) -> Setup:
    return Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    directory = tmp_path / "journal"
    directory.mkdir()
    async with private_journal(directory) as journal:
        yield journal


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that other users may look into."""
    with public_directory() as directory:
        yield directory
