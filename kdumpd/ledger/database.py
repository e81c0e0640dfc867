# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger's file: locked, opened, checked by a checksum for each row, replaced when damaged."""

import fcntl
import logging
import os
import shutil
import sqlite3
import zlib
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from kdumpd.ledger.tables import load_state, make_tables, read_untold
from kdumpd.model.state import State
from kdumpd.model.text import shown

log = logging.getLogger(__name__)

# What each table's rows say.
SEALED_COLUMNS = {
    "capture": ("id", "facts"),
    "boot": ("id", "validated_at", "readiness", "reservation"),
    "test": ("id", "at", "facts"),
    "history": ("id", "facts"),
    "loop": ("id", "facts"),
    "outbox": ("number", "id", "kind", "at", "facts", "journaled_at"),
    "wait": ("kind", "subject", "boot", "clock", "facts"),
    "reading": ("key", "attempts", "done", "facts", "crash", "problem", "tools"),
}


def seal(connection: sqlite3.Connection, *, anew: bool) -> None:
    """Have what is written from now on sealed; with `anew` also what was written before.

    SQLite's own check finds pages, indices and lengths that contradict one another, but not a bit
    that turned within a text (sqlite.org/pragma.html#pragma_integrity_check). Triggers of the
    connection write the checksums, so that no statement can forget to.
    """
    # Bytes, so that no text has to be decoded, and a C function is all that runs for a row.
    connection.create_function("checksum", 1, zlib.crc32, deterministic=True)
    for table, columns in SEALED_COLUMNS.items():
        there = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
        if not {*columns}.issubset(there):
            raise sqlite3.DatabaseError(f"the table {table} is another one")
        if "seal" not in there:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN seal INTEGER")
        update = f"UPDATE {table} SET seal = {_checksum(columns)}"  # noqa: S608  # names of ours
        if anew:
            connection.execute(update)
        for event in ("INSERT", f"UPDATE OF {', '.join(columns)}"):
            name = f"seal_{table}_{event.split()[0]}"
            connection.execute(
                f"CREATE TEMP TRIGGER {name} AFTER {event} ON main.{table} BEGIN {update}"
                " WHERE rowid = NEW.rowid; END"
            )


def broken_seals(connection: sqlite3.Connection) -> list[str]:
    """Return the tables with a row that says something else than was written."""
    return [
        table
        for table, columns in SEALED_COLUMNS.items()
        if connection.execute(
            f"SELECT 1 FROM {table} WHERE seal IS NOT {_checksum(columns)} LIMIT 1"  # noqa: S608  # names of ours
        ).fetchone()
    ]


def _checksum(columns: tuple[str, ...]) -> str:
    """Return an expression for the checksum of a row; NULL differs there from every text."""
    values = " || x'1f' || ".join(f"ifnull({column}, x'00')" for column in columns)
    return f"checksum(CAST({values} AS BLOB))"


# 2: readings of cores; 3: what a boot came to; 4: crash tests, and how boots ended; 5: seals;
# 6: what is waited for
SCHEMA_VERSION, FIRST_SEALED_VERSION = 6, 5
MEMORY_DATABASE = ":memory:"
BUSY_TIMEOUT_S = 2.0
MAX_CHECKED_EVENTS = 1 << 20  # of those that wait to be told, when the file is opened
# SQLite would keep up to 2,000 KiB of pages (sqlite.org/pragma.html#pragma_cache_size). All that is
# known is in the state: a page is wanted again by what is written next, not by what is asked.
CACHE_KIB = 256
# Disk, rights or memory are to blame, not the file's content.
MACHINE_ERROR_CODES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}

Opened = tuple[sqlite3.Connection, State]  # a file, and what it says was known


class LedgerError(OSError):
    """The ledger cannot be used; the text names the file and says why."""


class ForeignLedgerError(LedgerError):
    """The ledger belongs to another kdumpd: it is left alone."""


class NewerLedgerError(ForeignLedgerError):
    """A newer kdumpd wrote the ledger."""


class BusyLedgerError(ForeignLedgerError):
    """Another kdumpd has the ledger open."""


def lock(path: Path) -> int:
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


def open_or_replace(path: Path) -> Opened:
    """Return the open file; a damaged one is moved aside, and made anew."""
    try:
        return _open(path)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if _code(error) in MACHINE_ERROR_CODES:
            raise LedgerError(f"'{path}' cannot be opened: {error}") from error
        damage = shown(str(error).encode("utf-8", "surrogateescape"))
    try:
        aside = _move_aside(path)
        opened = _open(path)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"'{path}' is damaged, and cannot be made anew: {error}") from error
    log.warning("'%s' is damaged (%s): moved to '%s', and made anew", path, damage, aside)
    return opened


def open_spare(path: Path, directory: Path | None) -> Opened:
    """Return a ledger that does not last, with all that is known as far as it can be read."""
    if directory is not None:
        copy = directory / path.name
        try:
            for suffix in ("", "-wal"):  # what was recorded last may be in the log alone
                _copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
            return _open(copy)
        except (OSError, sqlite3.Error) as error:
            log.warning("'%s' cannot be copied to '%s': %s", path, directory, error)
    return _open_database(MEMORY_DATABASE, path)


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


def _open(path: Path) -> Opened:
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


def _open_database(database: str, path: Path) -> Opened:
    with ExitStack() as on_error:
        connection = on_error.enter_context(
            closing(sqlite3.connect(database, check_same_thread=False, timeout=BUSY_TIMEOUT_S))
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        version = _checked_version(connection, path)
        make_tables(connection)
        with connection:
            connection.execute("BEGIN")
            seal(connection, anew=version < FIRST_SEALED_VERSION)
            if version != SCHEMA_VERSION:
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        state = _checked_content(connection)
        on_error.pop_all()
    return connection, state


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    version: int
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise NewerLedgerError(
            f"'{path}' is from a newer kdumpd (its version is {version}, not {SCHEMA_VERSION}):"
            " install that one again, or move the file away, and what it remembers is lost"
        )
    return version


def _checked_content(connection: sqlite3.Connection) -> State:
    (finding,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if finding != "ok":
        raise sqlite3.DatabaseError(finding)
    if broken := broken_seals(connection):
        raise sqlite3.DatabaseError(f"a row of {broken[0]} is not what was written")
    try:
        state = load_state(connection)
        read_untold(connection, MAX_CHECKED_EVENTS)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise sqlite3.DatabaseError(f"a row makes no sense: {error}") from error
    return state


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        log_file = path.with_name(path.name + suffix)
        if log_file.exists():
            log_file.rename(aside.with_name(aside.name + suffix))
    return aside
