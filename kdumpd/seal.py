# SPDX-License-Identifier: GPL-2.0-or-later
"""Notice what a disk has changed in the ledger: each row carries a checksum of what it says.

SQLite's own check finds pages, indices and lengths that contradict one another, but not a bit that
turned within a text (sqlite.org/pragma.html#pragma_integrity_check). Triggers of the connection
write the checksums, so that no statement can forget to.
"""

import sqlite3
import zlib

# What each table's rows say.
SEALED = {
    "capture": ("id", "facts"),
    "boot": ("id", "validated_at", "readiness", "reservation"),
    "test": ("id", "at", "facts"),
    "history": ("id", "facts"),
    "loop": ("id", "facts"),
    "outbox": ("number", "id", "kind", "at", "facts", "journaled_at"),
    "reading": ("key", "attempts", "done", "facts", "crash", "problem", "tools"),
}


def seal(connection: sqlite3.Connection, *, anew: bool) -> None:
    """Have what is written from now on sealed; with `anew` also what was written before."""
    # Bytes, so that no text has to be decoded, and a C function is all that runs for a row.
    connection.create_function("checksum", 1, zlib.crc32, deterministic=True)
    for table, columns in SEALED.items():
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
        for table, columns in SEALED.items()
        if connection.execute(
            f"SELECT 1 FROM {table} WHERE seal IS NOT {_checksum(columns)} LIMIT 1"  # noqa: S608  # names of ours
        ).fetchone()
    ]


def _checksum(columns: tuple[str, ...]) -> str:
    """Return an expression for the checksum of a row; NULL differs there from every text."""
    values = " || x'1f' || ".join(f"ifnull({column}, x'00')" for column in columns)
    return f"checksum(CAST({values} AS BLOB))"
