# SPDX-License-Identifier: GPL-2.0-or-later
"""Observe, step, record, show: the one flow of the daemon, and what callers may ask of it."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Protocol

from kdumpd.expose.dbus_service import (
    ActionError,
    BusyError,
    MissingError,
    Objections,
    UnreadyError,
)
from kdumpd.expose.journal import JournalOutbox
from kdumpd.expose.systemd import RecurringProblem, TerminalOutput
from kdumpd.ledger.database import LedgerError
from kdumpd.ledger.ledger import Ledger
from kdumpd.model.boot_history import decided, with_stop
from kdumpd.model.captures.capture import Capture, Layout
from kdumpd.model.captures.core import Inspected, InspectionError
from kdumpd.model.captures.reading import put_down, worth_keeping
from kdumpd.model.crash_test import MAX_KEPT_TESTS, Intent, intended
from kdumpd.model.events import Event, acknowledge, triggered_event
from kdumpd.model.formats.mounts import is_inside
from kdumpd.model.state import Delays, Observation, State
from kdumpd.model.step import next_look, step
from kdumpd.model.waits import next_writing
from kdumpd.observe.boots import BootsObserver
from kdumpd.observe.captures.core_reader import CoreReader, Inspect
from kdumpd.observe.captures.open_files import CaptureFileError, CaptureFiles, FileGoneError, sealed
from kdumpd.observe.machine import Machine, clock
from kdumpd.observe.readiness.units import ServiceManager

log = logging.getLogger(__name__)

LEDGER_RETRY_S = 5.0  # while the ledger cannot be written
DMESG_TIMEOUT_S = 24.0  # a caller waits for 25 (libdbus, sd-bus)


class Sink(Protocol):
    """Somebody to whom the state is shown."""

    async def show(self, state: State) -> None:
        """Show the state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineParts:
    """What the flow goes through."""

    machine: Machine
    services: ServiceManager
    boots: BootsObserver
    reader: CoreReader
    ledger: Ledger
    outbox: JournalOutbox
    terminal: TerminalOutput
    delays: Delays


class Engine:
    """Takes every observation through the step, the ledger and the sinks, one at a time."""

    def __init__(self, parts: EngineParts, retry_seconds: float = LEDGER_RETRY_S) -> None:
        self._parts = parts
        self._retry_seconds = retry_seconds
        self._state = self._recorded = State()
        self._unrecorded: tuple[Event, ...] = ()
        self._problem = RecurringProblem(
            log,
            "what is new is not remembered, but told",
            "the ledger can be written again: all that was new is recorded",
        )
        self._looked = asyncio.Condition()
        self._last_look = 0
        self._seen: Observation | None = None
        self._advancing = asyncio.Lock()
        self._sinks: Sequence[Sink] = ()

    async def load(self) -> State:
        """Return what the ledger remembers, and go on from there."""
        self._recorded = await self._parts.ledger.load()
        known = self._recorded.readings
        readings = worth_keeping(known, self._parts.reader.tools) if known else {}
        self._state = replace(self._recorded, readings=MappingProxyType(readings))
        return self._state

    async def look(self) -> None:
        """Look at the machine now, and return when the outcome is shown."""
        number = self._parts.machine.look_again()
        async with self._looked:
            await self._looked.wait_for(lambda: self._last_look >= number)

    @property
    def state(self) -> State:
        """What is known now."""
        return self._state

    async def acknowledge(self, ids: Collection[str]) -> None:
        """Acknowledge the captures of these ids, and return when that is shown."""
        async with self._advancing:
            self._state = acknowledge(self._state, ids)
            await self._record(())
            await self._show()
        if self._problem.lasts:
            self._parts.machine.look_again()  # for the ledger to be tried again soon

    async def record_test(self, intent: Intent) -> None:
        """Record that the kernel is about to be crashed; LedgerError when that is not on disk."""
        async with self._advancing:
            if not self._parts.ledger.lasts:
                raise LedgerError("the ledger is kept in memory, as it could not be opened")
            test = intended(intent, self._state.verdict)
            state = replace(self._state, tests=(test, *self._state.tests)[:MAX_KEPT_TESTS])
            # Unlike what is seen, an intent that cannot be kept is not told either: nobody crashes.
            events = (*self._unrecorded, triggered_event(test))
            await self._parts.ledger.record(self._recorded, state, events)
            self._keep(state, events)
            await self._show()

    async def note_stop(self) -> None:
        """Take note that this boot ends in order."""
        self._state = with_stop(self._state, datetime.now(UTC))
        await self._record(())

    async def put_down(self) -> None:
        """Take note that the core which is being read will not be read to its end."""
        readings = put_down(self._state.readings)
        self._state = replace(self._state, readings=MappingProxyType(readings))
        await self._record(())

    async def run(self, sinks: Sequence[Sink]) -> None:
        """Observe, for ever."""
        self._sinks = sinks
        async for look in self._parts.machine.observations(self._due):
            past = await self._parts.boots.ask(again=not decided(self._state))
            self._seen = replace(look, past=past)
            await self._advance(self._seen)
            async with self._looked:
                self._last_look = look.number
                self._looked.notify_all()

    async def learn(self) -> None:
        """Take in what comes of the cores that are read, for ever."""
        async for answer in self._parts.reader.answers():
            if self._seen is not None:
                await self._advance(replace(self._seen, answers=(answer,)))
            if self._due() is not None:
                self._parts.machine.look_again()

    async def _advance(self, seen: Observation) -> None:
        async with self._advancing:
            before = self._state
            self._state, events = step(before, seen, self._parts.delays)
            await self._record(events)
            self._parts.terminal.tell(events)
            # Only now: that it is tried must be on disk before a core is opened that may kill us.
            if self._state.job is not None and self._state.job is not before.job:
                self._parts.reader.read(self._state.job)
            await self._show()

    async def _show(self) -> None:
        for sink in self._sinks:
            await sink.show(self._state)

    async def _record(self, events: tuple[Event, ...]) -> None:
        """Record the state and the events; while that fails, tell them and try again each time."""
        self._unrecorded += events
        try:
            await self._parts.ledger.record(self._recorded, self._state, self._unrecorded)
        except LedgerError as error:
            self._parts.outbox.tell(self._unrecorded)
            self._problem.note(error)
            return
        self._keep(self._state, self._unrecorded)

    def _keep(self, state: State, events: tuple[Event, ...]) -> None:
        self._state = self._recorded = state
        self._unrecorded = ()
        if events:
            self._parts.outbox.wake()
        self._problem.note(None)

    def _due(self) -> float | None:
        now = clock()
        dues = (
            next_look(self._state, now, self._parts.delays),
            next_writing(self._state, now),
            self._retry_seconds if self._problem.lasts else None,
        )
        return min((due for due in dues if due is not None), default=None)


class CallerActions:
    """What callers may have done.

    A look, an acknowledgement, the record of a test, and opening a capture's files.
    """

    def __init__(self, engine: Engine, capture_files: CaptureFiles, inspect: Inspect) -> None:
        self._engine = engine
        self._capture_files = capture_files
        self._inspect = inspect
        self._inspecting = asyncio.Lock()

    async def look(self) -> None:
        """Look at the machine now; returns when the state tells of it."""
        await self._engine.look()

    async def acknowledge(self, ids: Collection[str]) -> None:
        """Acknowledge the captures of these ids; returns when the state tells of it."""
        await self._engine.acknowledge(ids)

    async def record_test(self, id_: str, uid: int, objections: Objections) -> None:
        """Write down that the kernel is about to be crashed; returns when that is on disk."""
        overridden = [code for code, *_ in objections]
        intent = Intent(id=id_, uid=uid, overridden=overridden, at=datetime.now(UTC))
        try:
            await self._engine.record_test(intent)
        except LedgerError as error:
            raise UnreadyError(f"The test cannot be recorded: {error}.") from error

    async def open_core(self, id_: str) -> int:
        """Return a read-only descriptor of the capture's core, which the caller closes."""
        directory, capture = self._found(id_)
        return await _opened(self._capture_files.open_core(directory, capture))

    async def open_dmesg(self, id_: str) -> int:
        """Return a read-only descriptor of its kernel log, which the caller closes.

        It is that of the file beside the core, else of memory with what was read out of the core.
        """
        directory, capture = self._found(id_)
        if not capture.dmesg_file:
            return await self._log_of_the_core(id_)
        fd = await _opened(self._capture_files.open_dmesg(directory, capture))
        if _is_report(capture):
            return await asyncio.to_thread(_log_in_report, fd)
        if os.fstat(fd).st_size or not capture.core_file:
            return fd
        os.close(fd)
        return await self._log_of_the_core(id_)

    async def _log_of_the_core(self, id_: str) -> int:
        try:
            async with asyncio.timeout(DMESG_TIMEOUT_S), self._inspecting:
                inspected = await self._read(id_)
        except TimeoutError as error:
            raise BusyError("The kernel log takes long to be read. Try again later.") from error
        if inspected.log is None:
            raise MissingError(f"The core gives no kernel log: it {inspected.log_problem}.")
        return sealed(inspected.log)

    async def _read(self, id_: str) -> Inspected:
        fd = await self.open_core(id_)
        try:
            return await self._inspect(fd)
        except InspectionError as error:
            raise ActionError(f"The core gives no kernel log: {error}.") from error
        finally:
            os.close(fd)

    def _found(self, id_: str) -> tuple[bytes, Capture]:
        """Return a capture, and the crash directory that it lies in."""
        state = self._engine.state
        capture = state.captures.get(id_)
        for directory in state.directories:
            if capture is not None and is_inside(capture.directory, directory):
                return directory, capture
        raise MissingError(f"There is no capture {id_} any more.")


def _is_report(capture: Capture) -> bool:
    return capture.layout is Layout.APPORT


def _log_in_report(fd: int) -> int:
    # What reads captures is not loaded before there is one.
    from kdumpd.observe.captures.capture import (  # noqa: PLC0415  # most machines never crash
        MAX_REPORT_BYTES,
        ReportError,
        parse_report,
    )

    try:
        return sealed(parse_report(os.pread(fd, MAX_REPORT_BYTES, 0)))
    except (ReportError, OSError) as error:
        raise ActionError(f"apport's report gives no kernel log: {error}.") from error
    finally:
        os.close(fd)


async def _opened(opening: Awaitable[int]) -> int:
    try:
        return await opening
    except FileGoneError as error:
        raise MissingError(str(error)) from error
    except CaptureFileError as error:
        raise ActionError(str(error)) from error
