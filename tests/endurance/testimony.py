# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon has said to others, held against what its ledger remembers."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from tests.services.dbus_next import DbusNextClient
from tests.services.process import Message

COMPLETE = "6bc3f018b40343559c7bccda6fc737c6"
INCOMPLETE = "a6a8bcf7df1243a49434241c1eae3353"
OF_ALL = f"MESSAGE_ID={COMPLETE}", f"MESSAGE_ID={INCOMPLETE}"


def announced(client: DbusNextClient) -> dict[str, bytes]:
    """Return the ids of all captures that a client was told of, and their folders."""
    told = {}
    for signal in client.seen("InterfacesAdded"):
        path, interfaces = signal.body
        told[path.rpartition("/")[2]] = bytes(interfaces["org.kdumpd1.Capture"]["Directory"].value)
    return told


def remembered(ledger: Path) -> set[str]:
    """Return the ids of the captures in a ledger, read beside whoever has it."""
    return {id_ for (id_,) in _rows(ledger, "SELECT id FROM capture")}


def recorded(ledger: Path) -> set[str]:
    """Return the ids of the events in a ledger."""
    return {id_ for (id_,) in _rows(ledger, "SELECT id FROM outbox")}


def event_ids(entries: Iterable[Message]) -> dict[tuple[str, str], set[str]]:
    """Return the event ids of each thing that was told of a capture: one each, or it is wrong."""
    told = defaultdict(set)
    for entry in entries:
        told[entry["KDUMPD_CAPTURE"], entry["MESSAGE_ID"]].add(entry["KDUMPD_EVENT"])
    return told


def _rows(ledger: Path, query: str) -> Sequence[tuple[str]]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()
