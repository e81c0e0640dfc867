# SPDX-License-Identifier: GPL-2.0-or-later
"""Cores and logs that claim anything: they are judged, cost little, and keep no others away."""

import os
from itertools import islice
from pathlib import Path

import pytest

from kdumpd.observe.cores.core import read_core
from tests.security.invariants import attacked, be_honest
from tests.security.tree_snapshot import snapshot
from tests.security.wrong_numbers import CRASH, Lie, lies
from tests.support.cores import Crash, elf, flattened, kdump
from tests.support.daemon import Setup
from tests.support.machine import Machine

GIANT = (1 << 44) - (1 << 12)  # bytes: the largest file of ext4 with blocks of 4 KiB
LOG = 10 << 30  # bytes
FEW = 401  # one of so many lies is told to the daemon in a short run
SHORT_STEP = 5
READ_THROUGH = 211  # each takes a process
KINDS = ("kdump", "elf", "flattened")


def test_every_number_is_lied_about() -> None:
    named = [lie.name for lie in lies()]
    assert len(set(named)) == len(named)
    for name in ("kdump-big-32-header", "elf-little-64-segment3", "flattened-<-record0"):
        assert any(one.startswith(name) for one in named)


@pytest.mark.parametrize("step", [SHORT_STEP, pytest.param(1, marks=pytest.mark.long)])
def test_no_lie_breaks_a_look_at_a_core(step: int) -> None:
    complete = 0
    for lie in islice(lies(), None, None, step):
        fd = os.memfd_create("core")
        try:
            os.write(fd, lie.core)
            facts = read_core(fd)
        finally:
            os.close(fd)
        assert facts.complete is not bool(facts.problem), lie.name
        complete += facts.complete
    assert complete  # of what nobody reckons with, such as registers


async def tell(
    machine: Machine, setup: Setup, told: list[Lie], log: bytes = b"[    0.0] died\n"
) -> None:
    honest = be_honest(machine)
    for number, lie in enumerate(told):
        directory = machine.crash / f"{number}-{lie.name[:100]}"
        directory.mkdir()
        (directory / "vmcore").write_bytes(lie.core)
        if log:
            (directory / "vmcore-dmesg.txt").write_bytes(log)
    before = snapshot(machine.root)
    async with attacked(setup, honest) as one:
        await one.until_settled()
        assert len(await one.captures()) > honest
    assert snapshot(machine.root) == before


def extend(path: Path, size: int) -> None:
    """Make a file larger, as far as the file system allows, without anything in it."""
    while path.stat().st_size < size:
        try:
            os.truncate(path, size)
        except OSError:
            size //= 2


def raise_giants(machine: Machine) -> None:
    """Write cores and logs larger than any disk, of which next to nothing is there."""
    giants = [flattened(CRASH), kdump(Crash(release="6.1.0-giant")), elf(CRASH)]
    for number, core in enumerate((*giants, b"KDUMP   ", b"\x7fELF", b"")):
        path = machine.kdump_utils(f"2026-11-23-03:00:{number:02}", core)
        extend(path, GIANT)
        extend(path.parent / "vmcore-dmesg.txt", LOG)
    lonely = machine.crash / "202611230400"
    lonely.mkdir()
    (lonely / "dmesg.202611230400").write_bytes(b"")
    extend(lonely / "dmesg.202611230400", LOG)


@pytest.mark.bus
async def test_lies_and_giants_are_judged_by_the_daemon(machine: Machine, setup: Setup) -> None:
    raise_giants(machine)
    await tell(machine, setup, list(lies())[::FEW])


@pytest.mark.bus
@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
async def test_every_lie_is_judged_by_the_daemon(kind: str, machine: Machine, setup: Setup) -> None:
    await tell(machine, setup, [lie for lie in lies() if lie.name.startswith(kind)][::3])


@pytest.mark.bus
@pytest.mark.long
async def test_lies_are_judged_by_the_reader_of_whole_cores(machine: Machine, setup: Setup) -> None:
    """Without a log beside them, cores are read through, by a library that is not ours."""
    await tell(machine, setup, list(lies())[::READ_THROUGH], log=b"")
