# SPDX-License-Identifier: GPL-2.0-or-later
"""What does not answer in time says so, and what it answers late is taken in by a later look."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from kdumpd.observe.captures.scan_cache import Unwatched
from kdumpd.observe.files import Files
from kdumpd.observe.machine import Asking, DirectoryObserver, Question
from kdumpd.observe.readiness.shared_files import SharedFiles
from kdumpd.observe.threads import start
from tests.support.cores import Crash, flattened
from tests.support.held import Held
from tests.support.machine import Machine

CRASH = b"/var/crash"
PATIENCE = 0.1  # seconds


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def late() -> asyncio.Event:
    """What is told when an answer has come that nobody waits for any more."""
    return asyncio.Event()


@pytest.fixture
def asking(held: Held, late: asyncio.Event) -> Asking:
    return Asking(start=held.start, on_late=late.set)


async def let_go(held: Held, late: asyncio.Event) -> None:
    assert not late.is_set()
    held.let_go()
    async with asyncio.timeout(10):
        await late.wait()


async def test_a_crash_directory(
    machine: Machine, held: Held, late: asyncio.Event, asking: Asking
) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    directory = DirectoryObserver(CRASH, Unwatched(), asking, PATIENCE)
    for _ in range(2):
        seen = await directory.look(SharedFiles(Files(machine.root)))
        assert (seen.listed, seen.sightings) == (False, ())
        assert seen.facts.problem == "'/var/crash' does not answer: no answer within 0.1 s"
        assert directory.busy
    await let_go(held, late)
    seen = await directory.look(SharedFiles(Files(machine.root)))
    assert (seen.listed, seen.facts.problem) == (True, "")
    assert len(seen.sightings) == 1
    assert not directory.busy


class SlowWatcher:
    """Takes its time with each directory, as a machine with very many takes it with all."""

    def directory(self, fd: int) -> None:
        """Wait."""
        assert os.fstat(fd)
        time.sleep(0.05)

    def keep(self, _: tuple[int, int]) -> bool:
        """Return that nobody needs a directory opened."""
        return True

    def forget_others(self) -> None:
        """Do nothing."""


async def test_a_crash_directory_with_very_many(machine: Machine, late: asyncio.Event) -> None:
    """A look that gets further all the time waits for nobody: there is nothing wrong with it."""
    for number in range(40):
        machine.kdump_tools(f"{202611230100 + number}", flattened(Crash(crash_time=1 + number)))
    asking = Asking(start=start, on_late=late.set)
    directory = DirectoryObserver(CRASH, SlowWatcher(), asking, 1.0)
    seen = await directory.look(SharedFiles(Files(machine.root)))
    assert (seen.listed, seen.sightings, seen.facts.problem) == (False, (), "")
    assert directory.busy
    async with asyncio.timeout(30):
        await late.wait()
    seen = await directory.look(SharedFiles(Files(machine.root)))
    assert (seen.listed, len(seen.sightings), seen.facts.problem) == (True, 40, "")
    # What was seen stays seen while the next look takes as long.
    seen = await directory.look(SharedFiles(Files(machine.root)))
    assert (seen.listed, len(seen.sightings), seen.facts.problem) == (False, 40, "")
    async with asyncio.timeout(30):
        while (await directory.look(SharedFiles(Files(machine.root)))).listed is False:
            pass


async def test_a_group_of_facts(held: Held, late: asyncio.Event, asking: Asking) -> None:
    asked: list[str] = []
    shared = SharedFiles(Files(Path("/nowhere")))

    def read(_: SharedFiles) -> str:
        asked.append("once")
        return "read"

    question = Question(read, lambda why: why, asking, PATIENCE)
    for _ in range(2):
        assert await question.ask(shared) == (
            "the machine's files do not answer: no answer within 0.1 s"
        )
    await let_go(held, late)
    assert await question.ask(shared) == "read"
    assert asked == ["once"]
