# SPDX-License-Identifier: GPL-2.0-or-later
"""What must survive a crash of the machine or of the daemon: captures, boots, and untold events.

SQLite in WAL mode with synchronous=FULL: 30 power cuts lost nothing, NORMAL forgot rows that had
been announced. All calls run in one thread of their own; the loop never waits for a disk.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from kdumpd.model.event import Event
from kdumpd.model.state import State
from kdumpd.model.text import shown
from kdumpd.rows import (
    load_state,
    make_tables,
    read_untold,
    write_boot,
    write_captures,
    write_events,
    write_history,
    write_readings,
    write_tests,
)
from kdumpd.seal import broken_seals, seal

T = TypeVar("T")
log = logging.getLogger(__name__)

# 2: readings of cores; 3: what a boot came to; 4: crash tests, and how boots ended; 5: seals
VERSION, SEALS = 5, 5
IN_MEMORY = ":memory:"
BUSY_SECONDS = 2.0
# Disk, rights or memory are to blame, not the file's content.
OF_THE_MACHINE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}


class LedgerError(OSError):
    """The ledger cannot be used; the text names the file and says why."""


class ForeignLedgerError(LedgerError):
    """The ledger belongs to another kdumpd: it is left alone."""


class NewerLedgerError(ForeignLedgerError):
    """A newer kdumpd wrote the ledger."""


class BusyLedgerError(ForeignLedgerError):
    """Another kdumpd has the ledger open."""


class Ledger:
    """The open ledger. Every method is one transaction."""

    def __init__(self, path: Path, spare: Path | None = None) -> None:
        self._path = path
        self._spare = spare
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kdumpd-ledger")
        self._connection: sqlite3.Connection | None = None
        self._lock = -1  # the descriptor that holds the lock
        self._lasts = True

    async def open(self) -> None:
        """Open the file, or make it; a damaged one is moved aside.

        Where that cannot be, as on a full disk, a copy of it is kept in the spare folder, or else
        an empty one in memory, until the daemon ends: what a full disk made of a capture is news
        too. ForeignLedgerError for another's file.
        """
        try:
            self._lock = await self._run(lambda: _lock(self._path))
            self._connection = await self._run(lambda: _open_or_replace(self._path))
        except ForeignLedgerError:
            raise
        except LedgerError as error:
            log.warning("what is known now is forgotten at the next restart: %s", error)
            self._connection = await self._run(lambda: _open_spare(self._path, self._spare))
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
        return await self._transact(load_state)

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
        tests = [test for test in after.tests if test not in before.tests]
        if same_boot and same_readings and not (changed or outgrown or tests or events):
            return

        def write(connection: sqlite3.Connection) -> None:
            write_captures(connection, changed, outgrown)
            write_readings(connection, before.readings, after.readings)
            write_boot(connection, after)
            write_tests(connection, tests)
            write_history(connection, before, after)
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
            )
        )

    async def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        if connection is None:
            raise LedgerError(f"'{self._path}' is not open")

        def transaction() -> T:
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

    `spare` is a folder in memory for a copy, where what is known cannot be written to any more.
    """
    ledger = Ledger(path, spare)
    try:
        await ledger.open()
        yield ledger
    finally:
        await ledger.close()


def _lock(path: Path) -> int:
    """Return a descriptor that keeps other kdumpds out, -1 where there can be none.

    A lock of our own: whoever reads the ledger with other programs is no kdumpd.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return -1
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise BusyLedgerError(f"'{path}' is in use: another kdumpd runs") from error
    return fd


def _open_or_replace(path: Path) -> sqlite3.Connection:
    try:
        return _open(path)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if _code(error) in OF_THE_MACHINE:
            raise LedgerError(f"'{path}' cannot be opened: {error}") from error
        damage = shown(str(error).encode("utf-8", "surrogateescape"))
    try:
        aside = _move_aside(path)
        connection = _open(path)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"'{path}' is damaged, and cannot be made anew: {error}") from error
    log.warning("'%s' is damaged (%s): moved to '%s', and made anew", path, damage, aside)
    return connection


def _open_spare(path: Path, folder: Path | None) -> sqlite3.Connection:
    """Return a ledger that does not last, with all that is known as far as it can be read."""
    if folder is not None:
        copy = folder / path.name
        try:
            for suffix in ("", "-wal"):  # what was recorded last may be in the log alone
                _copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
            return _open(copy)
        except (OSError, sqlite3.Error) as error:
            log.warning("'%s' cannot be copied to '%s': %s", path, folder, error)
    return _open_database(IN_MEMORY, path)


def _copy(file: Path, copy: Path) -> None:
    copy.unlink(missing_ok=True)
    with suppress(FileNotFoundError), file.open("rb") as content:
        fd = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as made:
            shutil.copyfileobj(content, made)


def _code(error: Exception) -> int | None:
    """Return SQLite's primary result code, None where the error is of a text that is no UTF-8."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LedgerError(f"'{path.parent}' cannot be made: {error.strerror}") from error
    try:
        # What is known of crashes is for its owner; SQLite's own files take the rights of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerError(f"'{path}' cannot be opened: {error.strerror}") from error
    return _open_database(str(path), path)


def _open_database(database: str, path: Path) -> sqlite3.Connection:
    with ExitStack() as on_error:
        connection = on_error.enter_context(
            closing(sqlite3.connect(database, check_same_thread=False, timeout=BUSY_SECONDS))
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        version = _checked_version(connection, path)
        make_tables(connection)
        with connection:
            connection.execute("BEGIN")
            seal(connection, anew=version < SEALS)
            if version != VERSION:
                connection.execute(f"PRAGMA user_version = {VERSION}")
        _check_content(connection)
        on_error.pop_all()
    return connection


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    version: int
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise NewerLedgerError(
            f"'{path}' is from a newer kdumpd (its version is {version}, not {VERSION}):"
            " install that one again, or move the file away, and what it remembers is lost"
        )
    return version


def _check_content(connection: sqlite3.Connection) -> None:
    (finding,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if finding != "ok":
        raise sqlite3.DatabaseError(finding)
    if broken := broken_seals(connection):
        raise sqlite3.DatabaseError(f"a row of {broken[0]} is not what was written")
    try:
        load_state(connection)
        read_untold(connection, 1 << 20)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise sqlite3.DatabaseError(f"a row makes no sense: {error}") from error


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        log_file = path.with_name(path.name + suffix)
        if log_file.exists():
            log_file.rename(aside.with_name(aside.name + suffix))
    return aside
