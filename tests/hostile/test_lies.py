# SPDX-License-Identifier: GPL-2.0-or-later
"""Cores and logs that claim anything: they are judged, cost little, and keep no others away."""

import os
from pathlib import Path

import pytest

from kdumpd.observe.core import read_core
from tests.bus.daemon import Setup
from tests.bus.machine import Machine
from tests.cores import Crash, elf, flattened, kdump
from tests.hostile.lies import CRASH, Lie, lies
from tests.hostile.snapshot import snapshot
from tests.hostile.vigil import be_honest, vigil

GIANT = (1 << 44) - (1 << 12)  # bytes: the largest file of ext4 with blocks of 4 KiB
LOG = 10 << 30  # bytes
FEW = 97  # one of so many lies is told to the daemon in a short run
KINDS = ("kdump", "elf", "flattened")


def test_every_number_is_lied_about() -> None:
    named = [lie.name for lie in lies()]
    assert len(set(named)) == len(named)
    for name in ("kdump-big-32-header", "elf-little-64-segment3", "flattened-<-record0"):
        assert any(one.startswith(name) for one in named)


def test_no_lie_breaks_a_look_at_a_core() -> None:
    complete = 0
    for lie in lies():
        fd = os.memfd_create("core")
        try:
            os.write(fd, lie.core)
            facts = read_core(fd)
        finally:
            os.close(fd)
        assert facts.complete is not bool(facts.problem), lie.name
        complete += facts.complete
    assert complete  # of what nobody reckons with, such as registers


async def tell(machine: Machine, setup: Setup, told: list[Lie]) -> None:
    honest = be_honest(machine)
    for number, lie in enumerate(told):
        folder = machine.crash / f"{number}-{lie.name[:100]}"
        folder.mkdir()
        (folder / "vmcore").write_bytes(lie.core)
        (folder / "vmcore-dmesg.txt").write_bytes(b"[    0.0] died\n")
    before = snapshot(machine.root)
    async with vigil(setup, honest) as one:
        await one.until_settled()
        assert len(await one.captures()) > honest
    assert snapshot(machine.root) == before


@pytest.mark.bus
async def test_lies_are_judged_by_the_daemon(machine: Machine, setup: Setup) -> None:
    await tell(machine, setup, list(lies())[::FEW])


@pytest.mark.bus
@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
async def test_every_lie_is_judged_by_the_daemon(kind: str, machine: Machine, setup: Setup) -> None:
    await tell(machine, setup, [lie for lie in lies() if lie.name.startswith(kind)][::3])


def extend(path: Path, size: int) -> int:
    """Make a file larger, without anything in it; return the size that the file system allows."""
    while True:
        try:
            os.truncate(path, size)
        except OSError:
            size //= 2
        else:
            return size


@pytest.mark.bus
async def test_giants_cost_nothing(machine: Machine, setup: Setup) -> None:
    honest = be_honest(machine)
    giants = [flattened(CRASH), kdump(Crash(release="6.1.0-giant")), elf(CRASH)]
    sizes = set()
    for number, core in enumerate((*giants, b"KDUMP   ", b"\x7fELF", b"")):
        path = machine.kdump_utils(f"2026-11-23-03:00:{number:02}", core)
        sizes.add(extend(path, GIANT))
        extend(path.parent / "vmcore-dmesg.txt", LOG)
    lonely = machine.crash / "202611230400"
    lonely.mkdir()
    (lonely / "dmesg.202611230400").write_bytes(b"")
    extend(lonely / "dmesg.202611230400", LOG)
    before = snapshot(machine.root)
    async with vigil(setup, honest) as one:
        await one.until_settled()
        assert {capture["Size"] for capture in await one.captures()} >= sizes
    assert snapshot(machine.root) == before
