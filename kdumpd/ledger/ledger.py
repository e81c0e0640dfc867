# SPDX-License-Identifier: GPL-2.0-or-later
"""What must survive a crash of the machine or of the daemon: captures, boots, and untold events.

SQLite in WAL mode with synchronous=FULL: 30 power cuts lost nothing, NORMAL forgot rows that had
been announced. All calls run in one thread of their own; the loop never waits for a disk.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from kdumpd.ledger.database import (
    ForeignLedgerError,
    LedgerError,
    lock,
    open_or_replace,
    open_spare,
)
from kdumpd.ledger.tables import (
    load_state,
    read_untold,
    write_boot,
    write_captures,
    write_events,
    write_history,
    write_readings,
    write_tests,
    write_waits,
)
from kdumpd.model.events import Event
from kdumpd.model.state import State

T = TypeVar("T")
log = logging.getLogger(__name__)

# Pages of the write-ahead log after which a transaction copies it into the file, which takes two
# more waits for the disk (sqlite.org/wal.html): as many as SQLite has it where nobody waits, more
# where somebody is told of a crash only after it.
CHECKPOINT_PAGES, URGENT_CHECKPOINT_PAGES = 1000, 4000


class Ledger:
    """The open ledger. Every method is one transaction."""

    def __init__(self, path: Path, spare: Path | None = None) -> None:
        self._path = path
        self._spare = spare
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kdumpd-ledger")
        self._connection: sqlite3.Connection | None = None
        self._known: State | None = None  # what was read when it was opened, until it is asked for
        self._lock = -1  # the descriptor that holds the lock
        self._lasts = True

    async def open(self) -> None:
        """Open the file, or make it; a damaged one is moved aside.

        Where that cannot be, as on a full disk, a copy of it is kept in the spare directory, or
        else an empty one in memory, until the daemon ends: what a full disk made of a capture is
        news too. ForeignLedgerError for another's file.
        """
        try:
            self._lock = await self._run(lambda: lock(self._path))
            self._connection, self._known = await self._run(lambda: open_or_replace(self._path))
        except ForeignLedgerError:
            raise
        except LedgerError as error:
            log.warning("what is known now is forgotten at the next restart: %s", error)
            opened = await self._run(lambda: open_spare(self._path, self._spare))
            self._connection, self._known = opened
            self._lasts = False

    async def close(self) -> None:
        """Close the file and end the thread."""
        if self._connection is not None:
            await self._run(self._connection.close)
        if self._lock >= 0:
            os.close(self._lock)
        self._thread.shutdown(wait=False)

    @property
    def lasts(self) -> bool:
        """Whether what is recorded outlives a crash of this machine: not what is kept elsewhere."""
        return self._lasts

    async def load(self) -> State:
        """Return what was known when the daemon last ran."""
        known, self._known = self._known, None
        return await self._transact(load_state) if known is None else known

    async def record(self, before: State, after: State, events: tuple[Event, ...]) -> None:
        """Keep what changed, and the events to tell, all or nothing.

        An event that was recorded before, in an earlier run, is not recorded again.
        """
        changed = [
            capture
            for id_, capture in after.captures.items()
            if before.captures.get(id_) is not capture
        ]
        outgrown = before.captures.keys() - after.captures.keys()
        same_boot = _told(before) == _told(after)
        same_readings = before.readings == after.readings
        same_waits = before.waits == after.waits
        tests = [test for test in after.tests if test not in before.tests]
        if (
            same_boot
            and same_readings
            and same_waits
            and not (changed or outgrown or tests or events)
        ):
            return

        self._known = None

        def write(connection: sqlite3.Connection) -> None:
            write_captures(connection, changed, outgrown)
            write_readings(connection, before.readings, after.readings)
            write_boot(connection, after)
            write_tests(connection, tests)
            write_history(connection, before, after)
            write_waits(connection, before.waits, after.waits)
            write_events(connection, events)

        await self._transact(write)

    async def untold(self, most: int) -> list[Event]:
        """Return the oldest events, at most so many, that the journal has not taken yet."""
        return await self._transact(lambda connection: read_untold(connection, most))

    async def mark_told(self, events: Iterable[Event]) -> None:
        """Note that the journal took the events."""
        at = datetime.now(UTC).isoformat()
        told = [(at, event.id) for event in events]
        await self._transact(
            lambda connection: connection.executemany(
                "UPDATE outbox SET journaled_at = ? WHERE id = ?", told
            ),
            most_pages=CHECKPOINT_PAGES,
        )

    async def _transact(
        self, work: Callable[[sqlite3.Connection], T], most_pages: int = URGENT_CHECKPOINT_PAGES
    ) -> T:
        connection = self._connection
        if connection is None:
            raise LedgerError(f"'{self._path}' is not open")

        def transaction() -> T:
            connection.execute(f"PRAGMA wal_autocheckpoint = {most_pages}")
            with connection:
                return work(connection)

        try:
            return await self._run(transaction)
        except (sqlite3.Error, ValueError) as error:
            raise LedgerError(f"'{self._path}' cannot be used: {error}") from error

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _told(state: State) -> tuple[object, ...]:
    return state.validated_boot, state.told, state.boots, set(state.history), set(state.loops)


@asynccontextmanager
async def opened_ledger(path: Path, spare: Path | None = None) -> AsyncIterator[Ledger]:
    """Open the ledger, and close it at the end, also when it could not be opened.

    `spare` is a directory in memory for a copy, where what is known cannot be written to any more.
    """
    ledger = Ledger(path, spare)
    try:
        await ledger.open()
        yield ledger
    finally:
        await ledger.close()
