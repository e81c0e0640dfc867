# SPDX-License-Identifier: GPL-2.0-or-later
"""One transaction on the disk, by SQLite with the ledger's settings and nothing else."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.started import MILLISECONDS

ROW = "x" * 2000  # as long as what is kept of one capture


class BareLedger:
    """A file with one table, whose rows are on the disk once they are written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE capture (id TEXT PRIMARY KEY, facts TEXT) STRICT")
        self.write("first")  # which begins the log

    def write(self, id_: str) -> float:
        """Write one row, and return how many milliseconds it took until it was on the disk."""
        begun = time.perf_counter()
        with self._connection:
            self._connection.execute("INSERT INTO capture VALUES (?, ?)", (id_, ROW))
        return (time.perf_counter() - begun) * MILLISECONDS


@contextmanager
def bare_ledger(path: Path) -> Iterator[BareLedger]:
    """Make such a file, which nobody else uses while the context lasts."""
    with closing(sqlite3.connect(path)) as connection:
        yield BareLedger(connection)
