# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.notify.login import Login
from tests.support.daemon import Setup
from tests.support.machine import Machine
from tests.support.message_bus import Broker, Bus, private_bus


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    """The bus of the daemon."""
    (tmp_path / "bus").mkdir()
    async with private_bus(tmp_path / "bus", Broker.DBUS_DAEMON) as bus:
        yield bus


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Bus]:
    """The bus of the desktop."""
    (tmp_path / "session").mkdir()
    async with private_bus(tmp_path / "session", Broker.DBUS_DAEMON) as bus:
        yield bus


@pytest.fixture
def setup(tmp_path: Path, machine: Machine, bus: Bus) -> Setup:
    return Setup(root=machine.root, state=tmp_path / "state", bus=bus.address, settle=0.1)


@pytest.fixture
def login(tmp_path: Path, bus: Bus, session: Bus) -> Login:
    return Login(home=tmp_path / "home", bus=bus.address, session=session.address)
