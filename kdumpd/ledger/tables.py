# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger's tables, and what is kept in their rows: captures, boots, and events to tell."""

import json
import sqlite3
from collections.abc import Iterable
from types import MappingProxyType
from typing import NamedTuple

from kdumpd.model.boots.record import BootRecord, CrashLoop
from kdumpd.model.captures.capture import Capture
from kdumpd.model.captures.core import CoreFacts, FileStamp
from kdumpd.model.captures.reading import Reading, Readings
from kdumpd.model.codec import RecordError, from_record, time_from_text, to_record
from kdumpd.model.crash_test import MAX_KEPT_TESTS, CrashTest
from kdumpd.model.events import MAX_CROWDS, MIXED, Event, EventKind
from kdumpd.model.readiness.facts import MAX_RESERVATIONS, LastReservation
from kdumpd.model.state import (
    KeptWaits,
    PendingReadiness,
    State,
    ToldCrowd,
    UnchangedFiles,
)
from kdumpd.model.vocabulary import Crash, Readiness

MAX_TOLD_EVENTS = 20_000  # events that are kept after they were told

SCHEMA = """
CREATE TABLE IF NOT EXISTS capture (id TEXT PRIMARY KEY, facts TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS boot (
    id TEXT PRIMARY KEY,
    validated_at TEXT NOT NULL,
    readiness TEXT NOT NULL,
    reservation TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS test (id TEXT PRIMARY KEY, at TEXT NOT NULL, facts TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS history (id TEXT PRIMARY KEY, facts TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS loop (id TEXT PRIMARY KEY, facts TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    facts TEXT NOT NULL,
    journaled_at TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS reading (
    key TEXT PRIMARY KEY,
    attempts INTEGER NOT NULL,
    done INTEGER NOT NULL,
    facts TEXT,
    crash TEXT,
    problem TEXT NOT NULL,
    tools TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS wait (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    boot TEXT NOT NULL,
    clock TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT;
CREATE INDEX IF NOT EXISTS untold ON outbox (number) WHERE journaled_at IS NULL;
"""


def make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables that are missing, and the columns that an older kdumpd did not have."""
    connection.executescript(SCHEMA)
    columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(boot)")]
    if "reservation" not in columns:
        connection.execute("ALTER TABLE boot ADD COLUMN reservation TEXT")


def load_state(connection: sqlite3.Connection) -> State:
    """Return what the rows say was known when the daemon last ran."""
    captures = [
        from_record(Capture, json.loads(facts))
        for (facts,) in connection.execute("SELECT facts FROM capture ORDER BY id")
    ]
    # By the order in which they were kept: a clock may have been in the future during one of them.
    boots = connection.execute(
        "SELECT id, readiness, reservation FROM boot ORDER BY rowid DESC LIMIT ?",
        (MAX_RESERVATIONS,),
    ).fetchall()
    return State(
        captures=MappingProxyType({capture.id: capture for capture in captures}),
        readings=MappingProxyType(_load_readings(connection)),
        validated_boot=boots[0][0] if boots else "",
        told=Readiness(boots[0][1]) if boots else None,
        boots=tuple(
            from_record(LastReservation, json.loads(reservation))
            for _, _, reservation in boots
            if reservation
        ),
        tests=_load_tests(connection),
        history=_load_history(connection),
        loops=_load_loops(connection),
        crowds=_load_crowds(connection),
        waits=_load_waits(connection),
    )


def write_captures(
    connection: sqlite3.Connection, changed: Iterable[Capture], outgrown: Iterable[str]
) -> None:
    """Keep the captures that changed, and no more those that were outgrown."""
    connection.executemany("DELETE FROM capture WHERE id = ?", [(id_,) for id_ in outgrown])
    connection.executemany(
        "INSERT OR REPLACE INTO capture (id, facts) VALUES (?, ?)",
        [(capture.id, json.dumps(to_record(capture))) for capture in changed],
    )


def write_tests(connection: sqlite3.Connection, tests: Iterable[CrashTest]) -> None:
    """Keep the tests that there have been, and what came of each."""
    connection.executemany(
        "INSERT OR REPLACE INTO test (id, at, facts) VALUES (?, ?, ?)",
        [(test.id, test.at.isoformat(), json.dumps(to_record(test))) for test in tests],
    )
    connection.execute(
        "DELETE FROM test WHERE id NOT IN (SELECT id FROM test ORDER BY at DESC LIMIT ?)",
        (MAX_KEPT_TESTS,),
    )


def write_readings(connection: sqlite3.Connection, before: Readings, after: Readings) -> None:
    """Keep how often each core was read, and what came of it."""
    forgotten = [(key,) for key in before.keys() - after.keys()]
    connection.executemany("DELETE FROM reading WHERE key = ?", forgotten)
    connection.executemany(
        "INSERT OR REPLACE INTO reading (key, attempts, done, facts, crash, problem, tools)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                key,
                reading.attempts,
                int(reading.done),
                json.dumps(to_record(reading.facts)) if reading.facts else None,
                json.dumps(to_record(reading.crash)) if reading.crash else None,
                reading.problem,
                reading.tools,
            )
            for key, reading in after.items()
            if before.get(key) is not reading
        ],
    )


def write_boot(connection: sqlite3.Connection, state: State) -> None:
    """Keep which boot was validated, what it came to, and what was told of its readiness."""
    if state.validated_boot and state.verdict is not None and state.told is not None:
        outcomes = [one for one in state.boots if one.boot_id == state.validated_boot]
        connection.execute(
            "INSERT INTO boot (id, validated_at, readiness, reservation) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE"
            " SET readiness = excluded.readiness, reservation = excluded.reservation",
            (
                state.validated_boot,
                state.verdict.at.isoformat(),
                state.told,
                json.dumps(to_record(outcomes[0])) if outcomes else None,
            ),
        )
        connection.execute(
            "DELETE FROM boot WHERE rowid NOT IN"
            " (SELECT rowid FROM boot ORDER BY rowid DESC LIMIT ?)",
            (MAX_RESERVATIONS,),
        )


def write_history(connection: sqlite3.Connection, before: State, after: State) -> None:
    """Keep what changed of the boots and how they ended, and of the loops of crashes."""
    for table, old, new in (
        ("history", before.history, after.history),
        ("loop", before.loops, after.loops),
    ):
        forgotten = {one.id for one in old} - {one.id for one in new}
        connection.executemany(
            f"DELETE FROM {table} WHERE id = ?",  # noqa: S608  # one of two names
            [(id_,) for id_ in forgotten],
        )
        connection.executemany(
            f"INSERT OR REPLACE INTO {table} (id, facts) VALUES (?, ?)",  # noqa: S608  # the same
            [(one.id, json.dumps(to_record(one))) for one in new if one not in old],
        )


class WaitRow(NamedTuple):
    """What is waited for: since when, or until when, by the clock of a boot."""

    kind: str
    subject: str
    boot: str
    clock: str  # seconds; as text, of which no other SQLite makes another checksum
    facts: str


# The kinds, and what each is of: a place, a capture's id, a readiness.
UNCHANGED, MISSING, CHANGE = "unchanged", "missing", "change"


def write_waits(connection: sqlite3.Connection, before: KeptWaits, after: KeptWaits) -> None:
    """Keep what is waited for, and no more what is over."""
    if before == after:
        return
    old, new = _wait_rows(before), _wait_rows(after)
    connection.execute("DELETE FROM wait WHERE boot != ?", (after.boot_id,))
    connection.executemany(
        "DELETE FROM wait WHERE kind = ? AND subject = ?",
        {(row.kind, row.subject) for row in old - new},
    )
    connection.executemany(
        "INSERT OR REPLACE INTO wait (kind, subject, boot, clock, facts) VALUES (?, ?, ?, ?, ?)",
        new - old,
    )


def _wait_rows(waits: KeptWaits) -> set[WaitRow]:
    boot = waits.boot_id
    rows = {
        WaitRow(UNCHANGED, _json_of(place), boot, repr(one.since), _json_of_files(one.files))
        for place, one in waits.unchanged.items()
    }
    rows |= {WaitRow(MISSING, id_, boot, repr(due), "") for id_, due in waits.missing.items()}
    if waits.change is not None:
        rows.add(WaitRow(CHANGE, waits.change.to, boot, repr(waits.change.since), ""))
    return rows


def _json_of(path: bytes) -> str:
    return json.dumps(path.decode("utf-8", "surrogateescape"))


def _json_of_files(files: Iterable[FileStamp]) -> str:
    return json.dumps([to_record(file) for file in files])


def write_events(connection: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Keep events to tell; one that was kept before is not kept again."""
    connection.executemany(
        "INSERT OR IGNORE INTO outbox (id, kind, at, facts) VALUES (?, ?, ?, ?)",
        [
            (event.id, event.kind, event.at.isoformat(), json.dumps(dict(event.facts)))
            for event in events
        ],
    )
    # What was told long ago is not told again: its capture is known, or was a stranger's.
    connection.execute(
        "DELETE FROM outbox WHERE journaled_at IS NOT NULL"
        " AND number <= (SELECT max(number) FROM outbox) - ?",
        (MAX_TOLD_EVENTS,),
    )


def read_untold(connection: sqlite3.Connection, most: int) -> list[Event]:
    """Return the oldest events, at most so many, that were not told yet."""
    rows = connection.execute(
        "SELECT id, kind, at, facts FROM outbox WHERE journaled_at IS NULL ORDER BY number LIMIT ?",
        (most,),
    )
    return [_event(*row) for row in rows]


def _load_tests(connection: sqlite3.Connection) -> tuple[CrashTest, ...]:
    rows = connection.execute("SELECT facts FROM test ORDER BY at DESC LIMIT ?", (MAX_KEPT_TESTS,))
    return tuple(from_record(CrashTest, json.loads(facts)) for (facts,) in rows)


def _load_history(connection: sqlite3.Connection) -> tuple[BootRecord, ...]:
    rows = connection.execute("SELECT facts FROM history")
    records = [from_record(BootRecord, json.loads(facts)) for (facts,) in rows]
    return tuple(sorted(records, key=lambda one: one.began or one.seen_at, reverse=True))


def _load_loops(connection: sqlite3.Connection) -> tuple[CrashLoop, ...]:
    rows = connection.execute("SELECT facts FROM loop")
    loops = [from_record(CrashLoop, json.loads(facts)) for (facts,) in rows]
    return tuple(sorted(loops, key=lambda one: one.last, reverse=True))


def _load_crowds(connection: sqlite3.Connection) -> tuple[ToldCrowd, ...]:
    rows = connection.execute(
        "SELECT at, facts FROM outbox WHERE kind = ? ORDER BY number DESC LIMIT ?",
        (EventKind.CAPTURE_UNTRUSTED, MAX_CROWDS),
    )
    told = [(time_from_text(at), json.loads(facts)) for at, facts in rows]
    return tuple(
        ToldCrowd(
            at,
            frozenset({MIXED} if "mixed" in facts else map(int, facts.get("uids", "").split())),
        )
        for at, facts in told
    )


def _load_readings(connection: sqlite3.Connection) -> dict[str, Reading]:
    """Return what is known of readings; a row that makes no sense costs a reading, no more."""
    rows = connection.execute(
        "SELECT key, attempts, done, facts, crash, problem, tools FROM reading"
    )
    readings = {}
    for key, attempts, done, facts, crash, problem, tools in rows:
        try:
            readings[key] = Reading(
                attempts=attempts,
                done=bool(done),
                facts=from_record(CoreFacts, json.loads(facts)) if facts else None,
                crash=from_record(Crash, json.loads(crash)) if crash else None,
                problem=problem,
                tools=tools,
            )
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue
    return readings


def _load_waits(connection: sqlite3.Connection) -> KeptWaits:
    """Return what was waited for; a row that makes no sense has it begin anew, no more."""
    unchanged: dict[bytes, UnchangedFiles] = {}
    missing: dict[str, float] = {}
    change, boot_id = None, ""
    for columns in connection.execute("SELECT kind, subject, boot, clock, facts FROM wait"):
        row = WaitRow(*columns)
        try:
            clock = float(row.clock)
            if row.kind == UNCHANGED:
                files = tuple(from_record(FileStamp, one) for one in json.loads(row.facts))
                place = json.loads(row.subject).encode("utf-8", "surrogateescape")
                unchanged[place] = UnchangedFiles(files=files, since=clock)
            elif row.kind == MISSING:
                missing[row.subject] = clock
            elif row.kind == CHANGE:
                change = PendingReadiness(to=Readiness(row.subject), since=clock)
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue
        boot_id = row.boot
    return KeptWaits(unchanged=unchanged, missing=missing, change=change, boot_id=boot_id)


def _event(id_: str, kind: str, at: str, facts: str) -> Event:
    content = json.loads(facts)
    if not isinstance(content, dict) or not all(isinstance(one, str) for one in content.values()):
        raise RecordError(f"'{facts}' are no facts of an event")
    return Event(
        id=id_, kind=EventKind(kind), at=time_from_text(at), facts=MappingProxyType(content)
    )
