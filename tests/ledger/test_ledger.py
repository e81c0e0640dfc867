# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import json
import logging
import sqlite3
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdumpd.ledger.database import (
    SCHEMA_VERSION,
    SEALED_COLUMNS,
    ForeignLedgerError,
    LedgerError,
)
from kdumpd.ledger.ledger import CHECKPOINT_PAGES, URGENT_CHECKPOINT_PAGES, Ledger, opened_ledger
from kdumpd.ledger.tables import MAX_TOLD_EVENTS
from kdumpd.model.boots.record import BootRecord, CrashLoop
from kdumpd.model.captures.capture import Capture
from kdumpd.model.events import Event, EventKind, capture_event
from kdumpd.model.readiness.facts import LastReservation
from kdumpd.model.readiness.verdict import Verdict
from kdumpd.model.state import NO_WAITS, KeptWaits, PendingReadiness, State, UnchangedFiles
from kdumpd.model.vocabulary import BootEnd, CaptureState, Readiness
from tests.model.test_codec import RECORD
from tests.support.looks import (
    BOOT,
    CUT,
    DELAYS,
    KERNEL,
    START,
    Watched,
    as_listed,
    capture,
    of_another_crash,
)
from tests.support.process import BOUND, end
from tests.support.rights import WITHOUT_RIGHTS

ALL = 1 << 20
PAGE = 24 + 4096  # of the write-ahead log, with its header (sqlite.org/fileformat2.html#walformat)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state/ledger.sqlite"


def crash(number: int, state: CaptureState = CaptureState.COMPLETE) -> Capture:
    """Return a capture of its own, for each number."""
    directory = b"/var/crash/%d" % number
    sighting = of_another_crash(capture(directory=directory), b"crash %d" % number)
    return replace(as_listed(sighting), state=state)


def state_of(*captures: Capture) -> State:
    return State(captures={one.id: one for one in captures})


def events_of(*captures: Capture) -> tuple[Event, ...]:
    return tuple(capture_event(one, START) for one in captures)


async def keep(path: Path, *captures: Capture) -> None:
    """Make a ledger that holds these captures, and their events untold."""
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), state_of(*captures), events_of(*captures))


def aside(path: Path) -> list[Path]:
    """Return the ledgers that were moved aside."""
    return [
        found
        for found in path.parent.glob(f"{path.name}.damaged-*")
        if not found.name.endswith(("-wal", "-shm"))
    ]


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def pages(path: Path) -> bytes:
    """Return what is in a ledger, without the header, in which every opening is counted."""
    return content_of(path)[100:]


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    """Give a file or directory another mode for a while."""
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


# What is kept


async def test_a_new_ledger(path: Path) -> None:
    async with opened_ledger(path) as ledger:
        state = await ledger.load()
        assert state == State()
        assert await ledger.untold(ALL) == []
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_captures_come_back(path: Path) -> None:
    captures = [
        crash(1),
        crash(2, CaptureState.GONE),
        as_listed(capture(CUT, directory=b"/var/crash/\xff\n")),
        as_listed(of_another_crash(capture(None), b"unknown")),
    ]
    await keep(path, *captures)
    async with opened_ledger(path) as ledger:
        assert await ledger.load() == state_of(*captures)


async def test_events_come_back(path: Path) -> None:
    watched = Watched()
    odd = of_another_crash(capture(directory=b"/var/crash/\xff\x1b\n"), b"odd")
    events = watched.look(capture(), odd)
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), watched.state, tuple(events))
    async with opened_ledger(path) as ledger:
        assert await ledger.untold(ALL) == events
    assert len(events) == 3


async def test_boot_comes_back(path: Path) -> None:
    watched = Watched()
    events = watched.look()
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), watched.state, tuple(events))
    async with opened_ledger(path) as ledger:
        state = await ledger.load()
    assert state.validated_boot == BOOT
    assert Watched(state).look() == []


async def test_readiness_comes_back(path: Path) -> None:
    """So that a change while the daemon was away is told, against what was told last."""
    watched = Watched()
    unloaded = replace(KERNEL, crash_loaded=False)
    before, after = State(), State()
    async with opened_ledger(path) as ledger:
        for kernel in (KERNEL, unloaded, unloaded):
            events = watched.look(kernel=kernel, after=DELAYS.steady)
            before, after = after, watched.state
            await ledger.record(before, after, tuple(events))
            assert (await ledger.load()).told == after.told
    async with opened_ledger(path) as ledger:
        state = await ledger.load()
    assert state.told is Readiness.NOT_READY
    still = Watched(state)
    assert still.look(kernel=unloaded) == still.look(kernel=unloaded, after=60) == []
    back = Watched(state)
    assert len([*back.look(), *back.look(after=DELAYS.steady)]) == 1


async def test_a_ledger_from_before_rows_were_sealed(path: Path) -> None:
    await keep(path, crash(1), crash(2))
    with sqlite3.connect(path) as connection:
        for table in SEALED_COLUMNS:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN seal")
        connection.execute("PRAGMA user_version = 4")
    for _ in range(2):
        async with opened_ledger(path) as ledger:
            assert await ledger.load() == state_of(crash(1), crash(2))
    change("UPDATE capture SET seal = seal + 1")(path)
    async with opened_ledger(path) as ledger:
        assert await ledger.load() == State()


async def test_the_last_boot_counts(path: Path) -> None:
    before = State()
    async with opened_ledger(path) as ledger:
        for number in range(3):
            after = State(
                validated_boot=f"boot {number}",
                verdict=verdict(hours=number),
                told=Readiness.READY,
                boots=(boot(number), boot(number - 1)),
            )
            await ledger.record(before, after, ())
            before = after
        loaded = await ledger.load()
    assert loaded.validated_boot == "boot 2"
    assert loaded.boots == (boot(2), boot(1))


async def test_a_boot_whose_clock_was_in_the_future_is_not_the_last_for_ever(path: Path) -> None:
    before = State()
    async with opened_ledger(path) as ledger:
        for number, hours in ((1, 1), (2, 100_000), (3, 2), (4, 3)):
            after = validated(number, hours)
            await ledger.record(before, after, ())
            before = after
            loaded = await ledger.load()
            assert loaded.validated_boot == f"boot {number}"
            assert loaded.boots[0] == boot(number)
        assert (await ledger.load()).boots == (boot(4), boot(3))


async def test_only_the_boots_that_are_compared_are_kept(path: Path) -> None:
    """Those that an earlier kdumpd kept for ever go once another is written."""
    await keep(path, crash(1))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO boot (id, validated_at, readiness) VALUES (?, ?, 'ready')",
            [(f"boot {number}", str(2040 - number)) for number in range(1, 6)],
        )
        connection.execute("PRAGMA user_version = 4")
    async with opened_ledger(path) as ledger:
        loaded = await ledger.load()
        assert loaded.validated_boot == "boot 5"
        await ledger.record(loaded, validated(6, 1), ())
    with closing(sqlite3.connect(path)) as connection:
        assert [*connection.execute("SELECT id FROM boot ORDER BY rowid")] == [
            ("boot 5",),
            ("boot 6",),
        ]


async def test_a_ledger_from_before_boots_were_compared(path: Path) -> None:
    await keep(path, crash(1))
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE boot DROP COLUMN reservation")
        connection.execute(
            "INSERT INTO boot (id, validated_at, readiness) VALUES ('old', '2026', 'ready')"
        )
        connection.execute("PRAGMA user_version = 2")
    async with opened_ledger(path) as ledger:
        loaded = await ledger.load()
        assert (loaded.validated_boot, loaded.boots) == ("old", ())
        assert list(loaded.captures) == [crash(1).id]
        watched = Watched(loaded)
        events = watched.look()
        await ledger.record(loaded, watched.state, tuple(events))
        assert (await ledger.load()).boots == watched.state.boots


def validated(number: int, hours: int) -> State:
    """Return the state once this boot was validated, so many hours after the start."""
    return State(
        validated_boot=f"boot {number}",
        verdict=verdict(hours=hours),
        told=Readiness.READY,
        boots=(boot(number), boot(number - 1)),
    )


def boot(number: int) -> LastReservation:
    return LastReservation(boot_id=f"boot {number}", reserved=number, ram=7, crashkernel="256M")


def verdict(hours: int) -> Verdict:
    watched = Watched()
    watched.look()
    assert watched.state.verdict is not None
    return replace(watched.state.verdict, at=START + timedelta(hours=hours))


async def test_changes(path: Path) -> None:
    first, second, third = crash(1), crash(2), crash(3)
    gone = replace(second, state=CaptureState.GONE)
    async with opened_ledger(path) as ledger:
        before = state_of(first, second)
        await ledger.record(State(), before, ())
        await ledger.record(before, state_of(first, gone, third), ())
        assert await ledger.load() == state_of(first, gone, third)
        await ledger.record(state_of(first, gone, third), state_of(third), ())  # outgrown
        assert await ledger.load() == state_of(third)


async def test_nothing_new_is_not_written(path: Path) -> None:
    """A look each minute must not write to the disk each minute."""
    state = state_of(crash(1))
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), state, ())
        log = log_of(path)
        before = log.stat().st_mtime_ns, log.stat().st_size
        await ledger.record(state, replace(state, settling={}), ())
        assert (log.stat().st_mtime_ns, log.stat().st_size) == before
        await ledger.record(state, state, events_of(crash(2)))
        assert (log.stat().st_mtime_ns, log.stat().st_size) != before


# The outbox


async def test_events_in_order(path: Path) -> None:
    captures = [crash(number) for number in (5, 3, 9, 1)]
    async with opened_ledger(path) as ledger:
        for one in captures:
            await ledger.record(State(), State(), events_of(one))
        events = list(events_of(*captures))
        assert await ledger.untold(ALL) == events
        assert await ledger.untold(2) == events[:2]


async def test_told(path: Path) -> None:
    events = events_of(*(crash(number) for number in range(4)))
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), State(), events)
        await ledger.mark_told([events[0], events[2]])
        assert await ledger.untold(ALL) == [events[1], events[3]]
        assert await ledger.untold(1) == [events[1]]
        await ledger.mark_told([])
        await ledger.mark_told(events)
        assert await ledger.untold(ALL) == []
    async with opened_ledger(path) as ledger:
        assert await ledger.untold(ALL) == []


async def test_the_same_event_twice(path: Path) -> None:
    """Once it is told, it is never told again: not in this run, and not after a restart."""
    (event,) = events_of(crash(1))
    later = replace(event, at=START + timedelta(days=1), facts={"state": "changed"})
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), State(), (event,))
        await ledger.record(State(), State(), (later, later))
        assert await ledger.untold(ALL) == [event]
        await ledger.mark_told([event])
        await ledger.record(State(), State(), (later,))
        assert await ledger.untold(ALL) == []
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), State(), (event,))
        assert await ledger.untold(ALL) == []


async def test_all_or_nothing(path: Path) -> None:
    """An event that cannot be written takes its capture with it."""
    broken = replace(events_of(crash(1))[0], facts={"what": object()})  # type: ignore[dict-item]  # that is the point
    async with opened_ledger(path) as ledger:
        with pytest.raises(TypeError):
            await ledger.record(State(), state_of(crash(1)), (*events_of(crash(2)), broken))
        assert await ledger.load() == State()
        assert await ledger.untold(ALL) == []


# Damage


def overwrite(at: int, content: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(content)

    return damage


def cut(size: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.truncate(size)

    return damage


def replaced(old: bytes, new: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))

    return damage


def change(statement: str, *values: object) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement, values)

    return damage


def record_with(name: str, value: object) -> str:
    return json.dumps({**RECORD, name: value})


CAPTURE_ROW = "UPDATE capture SET facts = ?"
EVENT_ROW = "UPDATE outbox SET facts = ?"
DAMAGES: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("what is this\n" * 1000),
    "zeros": lambda path: path.write_bytes(bytes(1 << 15)),
    "zeros at the start": overwrite(0, bytes(100)),
    "zeros in the schema": overwrite(100, bytes(3996)),
    "zeros in the second page": overwrite(4096, bytes(4096)),
    "noise in all pages": lambda path: path.write_bytes(
        path.read_bytes()[:100] + b"\xa5" * (path.stat().st_size - 100)
    ),
    "cut in the header": cut(50),
    "cut in the schema": cut(2000),
    "cut after a page": cut(4096),
    "cut at the end": lambda path: cut(path.stat().st_size - 1)(path),
    "a bit in a text": replaced(b"crashed.example", b"cras\xe8ed.example"),
    "a bit in the schema's text": replaced(b"CREATE TABLE capture", b"CREATE TAB\xccE capture"),
    "a column of another name": replaced(b"validated_at", b"validaded_at"),
    "a table of another name": replaced(b"CREATE TABLE boot", b"CREATE TABLE b00t"),
    "no JSON": change(CAPTURE_ROW, "{"),
    "JSON of nothing": change(CAPTURE_ROW, "null"),
    "JSON of a list": change(CAPTURE_ROW, "[]"),
    "JSON of a number": change(CAPTURE_ROW, "3"),
    "JSON of a text": change(CAPTURE_ROW, '"x"'),
    "JSON of too few": change(CAPTURE_ROW, "{}"),
    "a wrong state": change(CAPTURE_ROW, record_with("state", "perfect")),
    "a wrong time": change(CAPTURE_ROW, record_with("found_at", "yesterday")),
    "a time in no zone": change(CAPTURE_ROW, record_with("found_at", "2026-11-23T01:13:34")),
    "a wrong size": change(CAPTURE_ROW, record_with("size", [])),
    "a bit in a text that is as good": replaced(b"crashed.example", b"crasied.example"),
    "a row that no one sealed": change("UPDATE capture SET seal = NULL"),
    "a row of another id": change("UPDATE capture SET id = 'b' || id"),
    "an event that seems told": change("UPDATE outbox SET journaled_at = at"),
    "an event of no JSON": change(EVENT_ROW, "{"),
    "an event of a list": change(EVENT_ROW, "[]"),
    "an event of nothing": change(EVENT_ROW, "null"),
    "an event of a number": change(EVENT_ROW, "3"),
    "an event of other values": change(EVENT_ROW, '{"state": 3}'),
    "an event of another kind": change("UPDATE outbox SET kind = 'party'"),
    "an event at no time": change("UPDATE outbox SET at = 'soon'"),
    "an event at a time in no zone": change("UPDATE outbox SET at = '2026-11-23T01:13:34'"),
    "a table dropped and another made": lambda path: (
        change("DROP TABLE capture")(path),
        change("CREATE TABLE capture (x)")(path),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is moved aside, that is said, and a new one takes its place."""
    await keep(path, crash(1), crash(2))
    DAMAGES[damage](path)
    damaged = pages(path)
    async with opened_ledger(path) as ledger:
        assert await ledger.load() == State()
        assert await ledger.untold(ALL) == []
        await ledger.record(State(), state_of(crash(3)), events_of(crash(3)))
    (moved,) = aside(path)
    assert pages(moved)[:2000] == damaged[:2000]
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert said.message.startswith(f"'{path}' is damaged")
    assert str(moved) in said.message
    assert said.message.isprintable()
    async with opened_ledger(path) as ledger:
        assert await ledger.load() == state_of(crash(3))


async def test_damaged_again(path: Path) -> None:
    """The first one that was moved aside stays."""
    for number in range(1, 4):
        await keep(path, crash(number))
        write(path, b"damage %d" % number * 1000)
    async with opened_ledger(path):
        pass
    assert len(aside(path)) == 3


async def test_an_empty_file(path: Path) -> None:
    """It is what a crash leaves of a file that was just made: no damage."""
    write(path, b"")
    await keep(path, crash(1))
    assert aside(path) == []


async def test_a_table_that_is_missing(path: Path) -> None:
    await keep(path, crash(1))
    change("DROP TABLE boot")(path)
    async with opened_ledger(path) as ledger:
        assert await ledger.load() == state_of(crash(1))
    assert aside(path) == []


async def test_the_log_of_another_file(path: Path) -> None:
    """Whatever lies beside it, the ledger opens."""
    await keep(path, crash(1))
    path.with_name(f"{path.name}-wal").write_bytes(b"noise" * 10000)
    path.with_name(f"{path.name}-shm").write_bytes(b"noise" * 10000)
    async with opened_ledger(path) as ledger:
        assert await ledger.load() == state_of(crash(1))


# In the header of the file: who may write it, and our own version, which may be a newer one's.
REFUSED = {18, *range(60, 64)}


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), in_schema=st.booleans())
@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_a_flipped_bit(path: Path, at: float, bit: int, *, in_schema: bool) -> None:
    """The ledger opens as it was, or as a new one; it never stops the daemon for good."""
    for old in path.parent.glob("*"):
        old.unlink()
    await keep(path, crash(1), crash(2))
    content = bytearray(content_of(path))
    place = int(at * (4096 if in_schema else len(content)))
    content[place] ^= 1 << bit
    write(path, bytes(content))
    if place in REFUSED:
        return
    async with opened_ledger(path) as ledger:
        state = await ledger.load()
        await ledger.untold(ALL)
        await ledger.record(state, state_of(crash(3)), events_of(crash(3)))


# What is refused


async def test_a_newer_version(path: Path) -> None:
    """Nobody's data is thrown away because the daemon was downgraded."""
    await keep(path, crash(1))
    change(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")(path)
    content = content_of(path)
    newer = rf"ledger\.sqlite' is from a newer kdumpd .* {SCHEMA_VERSION}"
    with pytest.raises(ForeignLedgerError, match=newer):
        async with opened_ledger(path):
            pass
    assert content_of(path) == content
    assert aside(path) == []


async def test_a_ledger_in_use(path: Path) -> None:
    """It is another daemon's: neither is moved aside, nor does a second one tell all again."""
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), state_of(crash(1)), events_of(crash(1)))
        with pytest.raises(ForeignLedgerError, match=r"ledger\.sqlite' is in use"):
            async with opened_ledger(path):
                pass
        await ledger.record(state_of(crash(1)), state_of(crash(1), crash(2)), ())
        assert await ledger.load() == state_of(crash(1), crash(2))
    assert aside(path) == []
    async with opened_ledger(path) as ledger:
        assert await ledger.load() == state_of(crash(1), crash(2))


async def test_a_directory_in_its_place(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path / "something", b"")
    await in_memory(path)
    assert f"'{path}' cannot be opened" in caplog.text
    assert content_of(path / "something") == b""


async def test_a_file_in_place_of_its_directory(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(path.parent, b"")
    await in_memory(path)
    assert f"'{path.parent}' cannot be made" in caplog.text


async def in_memory(path: Path) -> None:
    """Use a ledger that has no file: it works, and forgets."""
    for _ in range(2):
        async with opened_ledger(path) as ledger:
            assert await ledger.load() == State()
            await ledger.record(State(), state_of(crash(1)), events_of(crash(1)))
            assert await ledger.load() == state_of(crash(1))
            assert await ledger.untold(ALL) == list(events_of(crash(1)))


async def test_not_open(path: Path) -> None:
    with pytest.raises(LedgerError, match="is not open"):
        await Ledger(path).load()
    await Ledger(path).close()


OPEN = """
import asyncio, logging, sys
from pathlib import Path
from kdumpd.ledger.ledger import opened_ledger

async def main() -> None:
    async with opened_ledger(Path(sys.argv[1])) as ledger:
        print(len((await ledger.load()).captures))

logging.basicConfig(stream=sys.stdout, format="%(message)s")
asyncio.run(main())
"""


async def without_rights(path: Path) -> tuple[str, int]:
    """Return what is said to one who is denied what modes deny, and how many captures he finds."""
    process = await start(OPEN, str(path), prefix=WITHOUT_RIGHTS)
    printed, _ = await process.communicate()
    *said, number = printed.decode().splitlines()
    return "".join(said), int(number)


@pytest.mark.parametrize("damage", [None, b"damage" * 1000])
async def test_a_directory_that_is_read_only(path: Path, damage: bytes | None) -> None:
    await keep(path, crash(1))
    if damage:
        write(path, damage)
    content = content_of(path)
    with mode(path.parent, 0o500):
        said, captures = await without_rights(path)
    assert f"'{path}' " in said
    assert captures == 0
    assert content_of(path) == content
    assert aside(path) == []


async def test_a_directory_that_cannot_be_made(path: Path) -> None:
    with mode(path.parent.parent, 0o500):
        said, captures = await without_rights(path)
    assert f"'{path.parent}' cannot be made: Permission denied" in said
    assert captures == 0


async def test_a_file_that_cannot_be_read(path: Path) -> None:
    await keep(path, crash(1))
    with mode(path, 0):
        said, captures = await without_rights(path)
    assert f"'{path}' cannot be opened" in said
    assert captures == 0
    assert await without_rights(path) == ("", 1)


async def test_a_disk_that_is_full(path: Path) -> None:
    """Nothing is said to be kept that is not; when there is room again, it goes on."""
    async with opened_ledger(path) as ledger:
        await ledger._transact(lambda connection: connection.execute("PRAGMA max_page_count = 9"))
        large = replace(events_of(crash(1))[0], facts={"because": "x" * (1 << 20)})
        with pytest.raises(LedgerError, match="full"):
            await ledger.record(State(), state_of(crash(1)), (large,))
        assert await ledger.load() == State()
        await ledger._transact(lambda connection: connection.execute("PRAGMA max_page_count = 999"))
        await ledger.record(State(), state_of(crash(1)), (large,))
        assert await ledger.load() == state_of(crash(1))


# Sudden ends

WRITE = """
import asyncio, itertools, os, sys
from pathlib import Path
from kdumpd.ledger.ledger import Ledger
from kdumpd.model.state import NO_WAITS, KeptWaits, PendingReadiness, State, UnchangedFiles
from tests.ledger.test_ledger import crash, events_of, state_of

async def main() -> None:
    ledger = Ledger(Path(sys.argv[1]))
    await ledger.open()
    before = await ledger.load()
    for number in itertools.count(int(sys.argv[2])):
        one = crash(number)
        after = State(captures={**before.captures, one.id: one})
        await ledger.record(before, after, events_of(one))
        print(number, flush=True)
        before = after

asyncio.run(main())
"""
DIE = """
import asyncio, os, signal, sys
from pathlib import Path
from kdumpd.ledger.ledger import Ledger
from kdumpd.model.state import NO_WAITS, KeptWaits, PendingReadiness, State, UnchangedFiles
from kdumpd.ledger.tables import write_captures, write_events
from tests.ledger.test_ledger import crash, events_of, state_of

async def main() -> None:
    ledger = Ledger(Path(sys.argv[1]))
    await ledger.open()
    await ledger.record(State(), state_of(crash(1)), events_of(crash(1)))

    def write(connection):
        write_captures(connection, [crash(2)], [crash(1).id])
        write_events(connection, events_of(crash(2)))
        os.kill(os.getpid(), signal.SIGKILL)

    await ledger._transact(write)

asyncio.run(main())
"""


async def start(program: str, *arguments: str, prefix: Sequence[str] = ()) -> Process:
    return await asyncio.create_subprocess_exec(
        *(*BOUND, *prefix, sys.executable, "-c", program, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


async def test_killed_while_it_writes(path: Path) -> None:
    kept = 0
    for _ in range(3):
        process = await start(WRITE, str(path), str(kept))
        assert process.stdout is not None
        for _ in range(20):
            kept = int(await process.stdout.readline()) + 1
        assert await end(process, SIGKILL) == -SIGKILL
        async with opened_ledger(path) as ledger:
            captures = (await ledger.load()).captures
            told = [event.facts["capture"] for event in await ledger.untold(ALL)]
        # What was printed is there; what was being written is there whole, or not at all.
        kept = max(kept, len(captures))
        assert captures == state_of(*(crash(number) for number in range(kept))).captures
        assert told == [crash(number).id for number in range(kept)]
    assert aside(path) == []


async def test_killed_within_a_transaction(path: Path) -> None:
    process = await start(DIE, str(path))
    assert await process.wait() == -SIGKILL
    async with opened_ledger(path) as ledger:
        assert await ledger.load() == state_of(crash(1))
        assert await ledger.untold(ALL) == list(events_of(crash(1)))
    assert aside(path) == []


async def test_what_it_promises(path: Path) -> None:
    """Thirty power cuts lost nothing this way, and thousands of rows with less."""
    async with opened_ledger(path) as ledger:
        assert await pragma(ledger, "journal_mode") == "wal"
        assert await pragma(ledger, "synchronous") == 2  # FULL


async def test_nobody_waits_while_the_log_is_copied(path: Path) -> None:
    """Whoever is told of a crash waits for what is recorded, and not for what is told before."""
    async with opened_ledger(path) as ledger:
        written = written_at(path)
        state = State()
        while size_of_log(path) <= CHECKPOINT_PAGES * PAGE:
            state = await with_a_hundred_more(ledger, state)
        assert written_at(path) == written
        await ledger.mark_told(await ledger.untold(1))
        assert written_at(path) != written


async def test_the_log_does_not_grow_for_ever(path: Path) -> None:
    """Also where journald takes nothing."""
    async with opened_ledger(path) as ledger:
        written = written_at(path)
        state = State()
        while written_at(path) == written:
            assert size_of_log(path) <= URGENT_CHECKPOINT_PAGES * PAGE
            state = await with_a_hundred_more(ledger, state)


async def with_a_hundred_more(ledger: Ledger, state: State) -> State:
    known = len(state.captures)
    new = [crash(number) for number in range(known, known + 100)]
    after = state_of(*state.captures.values(), *new)
    await ledger.record(state, after, events_of(*new))
    return after


def written_at(path: Path) -> int:
    return path.stat().st_mtime_ns


def size_of_log(path: Path) -> int:
    return log_of(path).stat().st_size


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


async def pragma(ledger: Ledger, name: str) -> object:
    (value,) = await ledger._transact(
        lambda connection: connection.execute(f"PRAGMA {name}").fetchone()
    )
    return value


async def test_what_was_told_long_ago_is_not_kept_for_ever(path: Path) -> None:
    """A stranger can make and remove directories without end, and each is told of."""
    async with opened_ledger(path) as ledger:
        for round_ in range(5):
            events = [
                Event(id=f"{round_}-{n}", kind=EventKind.CAPTURE_INCOMPLETE, at=START, facts={})
                for n in range(MAX_TOLD_EVENTS // 2)
            ]
            await ledger.record(State(), State(), tuple(events))
            await ledger.mark_told(events)
        fresh = Event(id="fresh", kind=EventKind.CAPTURE_GONE, at=START, facts={})
        await ledger.record(State(), State(), (fresh,))
        assert await ledger.untold(ALL) == [fresh]
    with closing(sqlite3.connect(path)) as connection:
        (kept,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    assert kept == MAX_TOLD_EVENTS


async def test_how_boots_ended_is_kept(path: Path) -> None:
    record = BootRecord(id=BOOT, seen_at=START, began=START, armed=True)
    ended = BootRecord(
        id="before",
        seen_at=START,
        began=START - timedelta(hours=1),
        end=BootEnd.CRASH_NOT_CAPTURED,
        reason="Nothing was armed.",
        crashed_at=START,
        decided_at=START,
        told=True,
        reported=True,
    )
    loop = CrashLoop(id="before", first=START - timedelta(minutes=9), last=START)
    state = State(history=(record, ended), loops=(loop,))
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), state, ())
        assert (await ledger.load()).history == (record, ended)
        assert (await ledger.load()).loops == (loop,)
        disarmed = replace(record, armed=False)
        await ledger.record(state, replace(state, history=(disarmed,)), ())
        assert (await ledger.load()).history == (disarmed,)


STRANGE_PLACE = b"/var/crash/\xff \x1b[31m"


def waiting() -> KeptWaits:
    """Return one wait of each kind."""
    files = capture(CUT, directory=STRANGE_PLACE).files
    return KeptWaits(
        unchanged={STRANGE_PLACE: UnchangedFiles(files=files, since=1000.1)},
        missing={crash(1).id: 4600.3},
        change=PendingReadiness(to=Readiness.NOT_READY, since=1000.7),
        boot_id=BOOT,
    )


async def test_what_is_waited_for_is_kept(path: Path) -> None:
    waits = waiting()
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), State(waits=waits), ())
        for after in (
            waits,
            replace(waits, change=None),
            replace(waits, unchanged={b"/other": UnchangedFiles(files=(), since=7.0)}, missing={}),
            NO_WAITS,
        ):
            await ledger.record(State(waits=(await ledger.load()).waits), State(waits=after), ())
            loaded = (await ledger.load()).waits
            assert loaded == after
            assert loaded.boot_id == (BOOT if after != NO_WAITS else "")


async def test_what_another_boot_has_waited_for_goes(path: Path) -> None:
    later = replace(waiting(), boot_id="later")
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), State(waits=waiting()), ())
        await ledger.record(State(), State(waits=replace(later, unchanged={}, missing={})), ())
        loaded = (await ledger.load()).waits
        assert (loaded.boot_id, loaded.change) == ("later", later.change)
        assert loaded.unchanged == {}
        assert loaded.missing == {}


async def test_a_ledger_from_before_waits_were_kept(path: Path) -> None:
    await keep(path, crash(1))
    change("DROP TABLE wait")(path)
    change("PRAGMA user_version = 5")(path)
    async with opened_ledger(path) as ledger:
        loaded = await ledger.load()
        assert loaded == state_of(crash(1))
        await ledger.record(loaded, replace(loaded, waits=waiting()), ())
    async with opened_ledger(path) as ledger:
        assert await ledger.load() == replace(state_of(crash(1)), waits=waiting())
    assert aside(path) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [("clock", "soon"), ("facts", "{"), ("facts", "3"), ("facts", "[{}]"), ("subject", "7")],
)
async def test_a_wait_that_makes_no_sense_begins_anew(path: Path, column: str, value: str) -> None:
    """It is no damage: the next one takes its place."""
    waits = replace(waiting(), missing={}, change=None)
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), State(waits=waits), ())
        await ledger._transact(
            lambda connection: connection.execute(f"UPDATE wait SET {column} = ?", (value,))  # noqa: S608  # one of three names
        )
    async with opened_ledger(path) as ledger:
        assert (await ledger.load()).waits == NO_WAITS
        await ledger.record(State(), State(waits=waits), ())
        assert (await ledger.load()).waits == waits
    assert aside(path) == []


async def test_what_is_waited_for_is_sealed(path: Path) -> None:
    async with opened_ledger(path) as ledger:
        await ledger.record(State(), replace(state_of(crash(1)), waits=waiting()), ())
    change("UPDATE wait SET clock = '1' WHERE kind = 'change'")(path)
    async with opened_ledger(path) as ledger:
        assert await ledger.load() == State()
