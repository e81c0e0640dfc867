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
def folder(tmp_path: Path) -> Path:
    """The folder of node_exporter's text files."""
    folder = tmp_path / "node-exporter"
    folder.mkdir()
    return folder


@pytest.fixture
def setup(tmp_path: Path, machine: Machine, bus: Bus, folder: Path) -> Setup:
    """A daemon that writes its metrics there."""
    plain = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)
    return replace(plain, more=f"[Metrics]\nTextFile={folder}/kdumpd.prom\n")
