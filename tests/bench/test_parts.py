# SPDX-License-Identifier: GPL-2.0-or-later
"""Each part of the bench measures something; how much is nobody's business here."""

import shutil
from pathlib import Path

import pytest

from bench import command, idle, kernel_log, looking, notice, objects, rivals, starting
from bench.__main__ import PARTS, Measure
from bench.figure import Figure
from bench.scale import TINY
from tests.support.message_bus import Broker, private_bus
from tests.support.namespace import needs_root

pytestmark = pytest.mark.bus


async def figures(measure: Measure, tmp_path: Path) -> dict[str, Figure]:
    """Return the figures of a part, by their names."""
    async with private_bus(tmp_path, Broker.DBUS_DAEMON) as bus:
        return {one.name: one async for one in measure(tmp_path, bus.address, TINY)}


async def test_starting(tmp_path: Path) -> None:
    found = await figures(starting.measure, tmp_path)
    assert {*found} == {
        f"{what}, {captures} captures"
        for what in ("READY", "READY by processor time", "RSS", "PSS")
        for captures in ("no", "3")
    }
    assert all(one.ratio for one in found.values())


@needs_root
async def test_idle(tmp_path: Path) -> None:
    found = await figures(idle.measure, tmp_path)
    assert {*found} == {"idle: wake-ups in a minute", "idle: processor time in a minute"}
    assert all(one.value is not None for one in found.values())


@needs_root
async def test_notice(tmp_path: Path) -> None:
    found = await figures(notice.measure, tmp_path)
    assert {*found} == {
        f"notice, {part}{by}" for part in ("p50", "p99") for by in ("", ", by a transaction")
    }
    assert all(one.ratio for one in found.values())


async def test_looking(tmp_path: Path) -> None:
    found = await figures(looking.measure, tmp_path)
    assert {*found} == {"first scan of 3", "rescan of 3 unchanged"}
    assert all(one.ratio for one in found.values())


@pytest.mark.skipif(shutil.which("gcc") is None, reason="the other service is compiled")
async def test_objects(tmp_path: Path) -> None:
    found = await figures(objects.measure, tmp_path)
    assert {*found} == {"GetManagedObjects of 3", "GetAll of one capture"}
    assert all(one.ratio for one in found.values())


@pytest.mark.skipif(shutil.which("makedumpfile") is None, reason="what it is compared with")
async def test_kernel_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # as on a machine without real cores
    found = await figures(kernel_log.measure, tmp_path)
    assert {name for name in found if "GiB" not in name and "drgn" not in name} == {
        "log of kdump-compressed",
        "log of flattened",
        "log of elf",
    }
    assert all(one.ratio for one in found.values())


async def test_command(tmp_path: Path) -> None:
    found = await figures(command.measure, tmp_path)
    assert "kdumpdctl status" in found
    assert all(one.ratio for one in found.values())


async def test_rivals_are_left_out_of_the_short_form(tmp_path: Path) -> None:
    found = await figures(rivals.measure, tmp_path)
    assert all(one.missing for one in found.values())


def test_all_parts_are_tested() -> None:
    assert {f"test_{name}" for name in PARTS} - {"test_rivals"} <= {*globals()}
