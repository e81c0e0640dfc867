# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories and files that are something else from one moment to the next."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.security.directory_churn import (
    NOBODY,
    Attack,
    change_rights,
    churned,
    come_and_go,
    exchange,
    shrink,
)
from tests.security.invariants import PATIENCE, attacked, be_honest
from tests.security.unopened_files import Bait, Baits
from tests.support.cores import Crash, flattened, kdump
from tests.support.daemon import Setup
from tests.support.machine import Machine
from tests.support.namespace import ROOT

pytestmark = pytest.mark.bus

DURATIONS = (3.0, pytest.param(60.0, marks=pytest.mark.long))  # seconds


def stage(machine: Machine, bait: Bait) -> tuple[list[Path], list[Path]]:
    """Return what is to be swapped with what: an entry, a file in it, and a directory deeper."""
    crash = machine.crash
    crash.chmod(0o3777)
    directory = machine.kdump_utils("2026-11-23-01:00:00", kdump(Crash(release="swapped"))).parent
    link = crash / "link"
    link.symlink_to(bait.directory)
    within = machine.kdump_utils("2026-11-23-02:00:00", kdump(Crash(release="swapped too")))
    to_file = within.with_name("other")
    to_file.symlink_to(bait.file)
    log = within.with_name("vmcore-dmesg.txt")
    to_log = within.with_name("other-dmesg")
    to_log.symlink_to(bait.directory / "vmcore-dmesg.txt")
    deep = crash / "deep/001"
    deep.mkdir(parents=True)
    (deep / "dmesg.txt").write_text("[    0.0] died\n")
    to_deep = crash / "deep/other"
    to_deep.symlink_to(bait.directory)
    if ROOT:
        for path in (directory, *directory.iterdir(), deep.parent, deep):
            os.chown(path, NOBODY, NOBODY)
    return [directory, within, log, deep], [link, to_file, to_log, to_deep]


async def test_swap_is_fast_enough_for_whoever_trusts_names(
    machine: Machine, bait: Bait, guard: Baits
) -> None:
    """What the daemon is to withstand does happen: to a reader that looks first, and then opens."""
    (directory, *_), (link, *_) = stage(machine, bait)
    guard.opened()
    async with churned((exchange, directory, link)), asyncio.timeout(PATIENCE):
        while not guard.opened():
            await asyncio.to_thread(read_naively, directory)


def read_naively(directory: Path) -> None:
    if not directory.is_symlink():
        (directory / "vmcore").read_bytes()


@pytest.mark.parametrize("seconds", DURATIONS)
async def test_nothing_rests(
    seconds: float, machine: Machine, setup: Setup, bait: Bait, guard: Baits
) -> None:
    """What is swapped for a link leads nowhere, and nothing that changes keeps others away."""
    honest = be_honest(machine)
    swaps = [(exchange, *pair) for pair in zip(*stage(machine, bait), strict=True)]
    changes = restless(machine)
    link = machine.crash.with_name("link")
    link.symlink_to(bait.directory)
    async with attacked(setup, honest) as one:
        async with churned(*swaps), churned(*changes):
            until = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < until:
                await one.rescan()
            await one.until_honest_are_listed(honest)
        async with churned((exchange, machine.crash, link)):
            await one.rescan(3)
        if machine.crash.is_symlink():
            exchange(str(machine.crash), str(link))
        await one.rescan()
    assert not guard.opened()


def restless(machine: Machine) -> list[Attack]:
    """Return changes of rights, and of contents while they are read."""
    changing = machine.kdump_utils("2026-11-23-05:00:00", kdump(Crash(release="changing")))
    core = machine.kdump_tools("202611230113", flattened(Crash(release="shrinking")))
    return [
        (change_rights, changing.parent),
        (change_rights, changing),
        (shrink, core),
        (shrink, core.with_name("dmesg.202611230113")),
        (come_and_go, machine.crash / "202611230200"),
    ]
