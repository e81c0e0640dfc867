# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Setup
from tests.support.journal import Journal, private_journal
from tests.support.machine import Machine
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.namespace import needs_root
from tests.support.polkit import public_folder


@pytest.fixture(
    scope="module",
    params=[Broker.DBUS_DAEMON, pytest.param(Broker.DBUS_BROKER, marks=needs_root)],
)
def broker(request: pytest.FixtureRequest) -> Broker:
    return Broker(request.param)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    folder = tmp_path / "bus"
    folder.mkdir()
    async with private_bus(folder, Broker.DBUS_DAEMON) as bus:
        yield bus


@pytest.fixture
def setup(tmp_path: Path, machine: Machine, bus: Bus) -> Setup:
    return Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    folder = tmp_path / "journal"
    folder.mkdir()
    async with private_journal(folder) as journal:
        yield journal


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users may look into."""
    with public_folder() as folder:
        yield folder
