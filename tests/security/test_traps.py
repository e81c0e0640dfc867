# SPDX-License-Identifier: GPL-2.0-or-later
"""Links, pipes, devices and names that a stranger laid out: nothing is opened through them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.security.file_lease import leased
from tests.security.invariants import HONEST_RELEASE, AttackedDaemon, attacked, be_honest
from tests.security.tree_snapshot import snapshot
from tests.security.unopened_files import Bait, Baits
from tests.support.cores import Crash, elf
from tests.support.daemon import Setup
from tests.support.machine import Machine
from tests.support.namespace import ROOT
from tests.support.traps import NAMES, NOBODY, set_traps

pytestmark = pytest.mark.bus

STICKY = 0o3777  # Ubuntu's /var/crash


@asynccontextmanager
async def unchanged(
    setup: Setup, machine: Machine, guard: Baits, honest: int
) -> AsyncIterator[AttackedDaemon]:
    """Run the daemon; at the end nothing has been opened, and nothing in the tree has changed."""
    before = snapshot(machine.root)
    guard.opened()
    async with attacked(setup, honest) as one:
        yield one
    assert not guard.opened()
    assert snapshot(machine.root) == before


async def test_no_trap_is_sprung(machine: Machine, setup: Setup, bait: Bait, guard: Baits) -> None:
    """A stranger's or the owner's own; and what is honest is listed, whatever it is called."""
    machine.crash.chmod(STICKY)
    honest = be_honest(machine) + name_all(machine.crash)
    for stranger in (True, False):
        for path in set_traps(machine.crash, bait, stranger=stranger):
            guard.watch(path)
    async with unchanged(setup, machine, guard, honest) as one:
        await one.until_settled()
        trapped = [capture for capture in await one.captures() if not capture["Trusted"]]
        assert trapped
        assert {capture["State"] for capture in trapped} == {"unreadable"}


async def test_no_trap_is_sprung_that_is_set_while_it_looks(
    machine: Machine, setup: Setup, bait: Bait, guard: Baits
) -> None:
    machine.crash.chmod(STICKY)
    honest = be_honest(machine)
    async with attacked(setup, honest) as one:
        for path in set_traps(machine.crash, bait, stranger=True):
            guard.watch(path)
        await one.rescan()
    assert not guard.opened()


TARGETS = ("directory", *(pytest.param(name, marks=pytest.mark.long) for name in ("file", "loop")))


@pytest.mark.parametrize("target", TARGETS)
async def test_crash_directory_that_is_a_link_is_not_followed(
    target: str, machine: Machine, setup: Setup, bait: Bait, guard: Baits
) -> None:
    machine.crash.rmdir()
    targets = {"directory": bait.directory, "file": bait.file, "loop": Path("crash")}
    machine.crash.symlink_to(targets[target])
    async with unchanged(setup, machine, guard, 0) as one:
        assert not await one.captures()


def name_all(crash: Path) -> int:
    """Make honest and a stranger's directories of every kind of name; return the honest count."""
    for number, name in enumerate(NAMES):
        directory = below(crash, name)
        directory.mkdir()
        crashed = Crash(release=HONEST_RELEASE, crash_time=1_796_000_000 + number)
        (directory / "vmcore").write_bytes(elf(crashed))
        (directory / "vmcore-dmesg.txt").write_bytes(b"[    0.0] died\n")
        strange = below(crash, name[:200] + b"-strange")
        strange.mkdir()
        (strange / "vmcore").write_bytes(b"")
        below(strange, name).write_bytes(b"")
        if ROOT:
            os.chown(strange, NOBODY, NOBODY)
    return len(NAMES)


def below(directory: Path, name: bytes) -> Path:
    """Return a path whose last part need not be text."""
    return Path(os.fsdecode(os.fsencode(directory) + b"/" + name))


async def test_lease_holds_nobody_up(machine: Machine, setup: Setup) -> None:
    """A plain open of a file under a write lease waits for 45 seconds (fcntl(2))."""
    honest = be_honest(machine)
    held = [
        machine.kdump_utils("2026-11-23-02:00:00", elf(Crash(release="6.1.0-leased"))),
        machine.kdump_tools("202611230300", elf(Crash(release="6.1.0-leased-too"))),
    ]
    logs = [path.parent / name for path, name in zip(held, LOGS, strict=True)]
    async with leased(*held, *logs), attacked(setup, honest) as one:
        await one.until_honest_are_listed(honest)


LOGS = ("vmcore-dmesg.txt", "dmesg.202611230300")
