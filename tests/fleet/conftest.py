# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace
from pathlib import Path

import pytest

from tests.daemon.conftest import bus as bus  # noqa: PLC0414  # a fixture
from tests.daemon.conftest import journal as journal  # noqa: PLC0414  # a fixture
from tests.support.daemon import Setup
from tests.support.machine import Machine
from tests.support.message_bus import Bus


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The directory of node_exporter's text files."""
    directory = tmp_path / "node-exporter"
    directory.mkdir()
    return directory


@pytest.fixture
def setup(tmp_path: Path, machine: Machine, bus: Bus, directory: Path) -> Setup:
    """A daemon that writes its metrics there."""
    plain = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)
    return replace(plain, more=f"[Metrics]\nTextFile={directory}/kdumpd.prom\n")
