# SPDX-License-Identifier: GPL-2.0-or-later
"""The flow comes to itself again: nobody asks, and what failed or was late is taken in."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdumpd.engine import Engine, EngineParts
from kdumpd.expose.journal import Journal, JournalOutbox
from kdumpd.expose.systemd import TerminalOutput
from kdumpd.ledger.ledger import Ledger, opened_ledger
from kdumpd.model.state import Delays, State
from kdumpd.model.vocabulary import BootEnd
from kdumpd.observe.boots import BootsObserver
from kdumpd.observe.captures.core_reader import CoreReader
from kdumpd.observe.captures.open_files import CaptureFiles
from kdumpd.observe.cores.inspector import inspect
from kdumpd.observe.files import Files
from kdumpd.observe.machine import Hints, Plan, Watchers
from kdumpd.observe.machine import Machine as Observed
from kdumpd.observe.readiness.units import NoServiceManager
from kdumpd.observe.threads import Start, start
from tests.support.cores import Crash, flattened
from tests.support.held import Held
from tests.support.journal_file import Boot, opening, orderly, write_boots
from tests.support.machine import BOOT_ID, Machine

CRASH = b"/var/crash"
AT_ONCE = Delays(settle=0.0, steady=0.0, boot=0.0)
RETRY = 0.1  # seconds
JOURNAL_PATIENCE = 0.5  # seconds
SOON = 15.0  # seconds; the look of each minute comes later
BEFORE, BEGAN = "a" * 32, 1_700_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A flow that runs, and what it writes to."""

    engine: Engine
    ledger: Ledger

    async def wait_until(self, holds: Callable[[State], bool]) -> None:
        """Return once this holds of the state; TimeoutError if that takes the next minute."""
        async with asyncio.timeout(SOON):
            while not holds(self.engine.state):  # noqa: ASYNC110  # nobody is told
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    machine: Machine, work: Path, start: Start = start, delays: Delays = AT_ONCE
) -> AsyncIterator[Scene]:
    """Run a flow with the parts that the daemon has; nothing gives it a hint but itself."""
    hints = Hints()
    async with opened_ledger(work / "ledger.sqlite") as ledger:
        parts = EngineParts(
            machine=Observed(
                Files(machine.root),
                Plan(directories=(CRASH,)),
                hints,
                Watchers(),
                NoServiceManager(),
            ),
            services=NoServiceManager(),
            boots=BootsObserver(machine.root, hints.everything, JOURNAL_PATIENCE, start=start),
            reader=CoreReader(CaptureFiles(machine.root), (CRASH,), inspect),
            ledger=ledger,
            outbox=JournalOutbox(ledger, Journal()),  # which is not run: nothing is journaled
            terminal=TerminalOutput(),
            delays=delays,
        )
        engine = Engine(parts, RETRY)
        await engine.load()
        task = asyncio.create_task(engine.run(()))
        try:
            async with asyncio.timeout(SOON):
                await engine.look()
            yield Scene(engine=engine, ledger=ledger)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@contextmanager
def full_disk() -> Iterator[None]:
    """As on a full disk: no file of this process may grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def remembered(scene: Scene) -> list[bool]:
    """Return of each capture in the ledger whether it is acknowledged."""
    return [one.acknowledged for one in (await scene.ledger.load()).captures.values()]


async def test_a_disk_that_is_freed_is_written_to_without_being_asked(
    machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(machine, tmp_path) as scene:
        await scene.wait_until(lambda state: bool(state.captures))
        assert await remembered(scene) == [False]
        with full_disk():
            await scene.engine.acknowledge(scene.engine.state.captures)
            await asyncio.sleep(5 * RETRY)
        assert [line for line in caplog.messages if "can be written" in line] == []
        await scene.wait_until(lambda _: "can be written again" in caplog.text)
        assert await remembered(scene) == [True]
    assert caplog.text.count("is not remembered, but told") == 1


async def test_what_is_waited_for_is_written_once_the_disk_is_freed(
    machine: Machine, tmp_path: Path
) -> None:
    directory = machine.crash / "202611230113"
    async with running(machine, tmp_path, delays=replace(AT_ONCE, settle=600.0)) as scene:
        with full_disk():
            machine.write("var/crash/202611230113/dmesg.202611230113", "died\n")
            async with asyncio.timeout(SOON):
                await scene.engine.look()
            assert scene.engine.state.settling
            assert (await scene.ledger.load()).waits.unchanged == {}
        await scene.wait_until(lambda state: bool(state.waits.unchanged))
        async with asyncio.timeout(SOON):
            while not (kept := (await scene.ledger.load()).waits.unchanged):  # noqa: ASYNC110  # nobody is told
                await asyncio.sleep(0.02)
        assert set(kept) == {b"/" + bytes(directory.relative_to(machine.root))}
        assert kept == scene.engine.state.waits.unchanged


def ended(state: State) -> BootEnd | None:
    """Return how the boot before is said to have ended."""
    return state.previous.end if state.previous else None


async def test_a_journal_that_answers_late_is_taken_in_without_being_asked(
    machine: Machine, tmp_path: Path
) -> None:
    this = Boot(BOOT_ID.replace("-", ""), BEGAN + 7200, opening())
    write_boots(
        machine.root / "var/log/journal", Boot(BEFORE, BEGAN, [*opening(), *orderly(60)]), this
    )
    held = Held()
    async with running(machine, tmp_path, held.start) as scene:
        assert scene.engine.state.past is not None
        assert scene.engine.state.past.boots == ()
        assert scene.engine.state.past.problem.startswith("the journal does not answer")
        assert scene.engine.state.previous is not None
        assert "the journal does not answer" in scene.engine.state.previous.reason
        held.let_go()
        await scene.wait_until(lambda state: ended(state) is BootEnd.CLEAN)
