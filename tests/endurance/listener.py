# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon has said to others, held against what it knows in the end."""

import asyncio
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.endurance.stream import Stream
from tests.support.daemon import READY, Setup, started
from tests.support.dbus_next import DbusNextClient
from tests.support.journal import Journal
from tests.support.process import Message

COMPLETE = "6bc3f018b40343559c7bccda6fc737c6"
INCOMPLETE = "a6a8bcf7df1243a49434241c1eae3353"
LEDGER = "ledger.sqlite"
PATIENCE = 120.0  # seconds for what must happen at some time


@dataclass(slots=True)
class Listener:
    """Hears the signals, reads the journal, and knows which captures there are."""

    client: DbusNextClient
    journal: Journal
    stream: Stream
    told: dict[str, bytes] = field(default_factory=dict)  # ids of captures, and their directories

    def listen(self) -> frozenset[str]:
        """Return the ids of all captures that were announced so far."""
        for signal in self.client.seen("InterfacesAdded"):
            path, interfaces = signal.body
            directory = interfaces["org.kdumpd1.Capture"]["Directory"].value
            self.told[path.rpartition("/")[2]] = bytes(directory)
        self.client.signals.clear()
        return frozenset(self.told)

    def remove_one(self) -> None:
        """Remove one that was announced and is whole by now: only the ledger has it then."""
        there = sorted(set(self.told.values()) - self.stream.removed - self.stream.growing)
        if there:
            self.stream.remove(self.stream.random.choice(there))

    async def check(self, setup: Setup, find: Callable[[], Path]) -> int:
        """Run the daemon, compare all that it knows, and return how much was told again.

        `find` returns a ledger that can be read, once the daemon has ended.
        """
        async with started(setup) as kdumpd:
            await kdumpd.wait_until_told(READY, seconds=PATIENCE)
            await self._until_all_is_known()
            captures = list((await self.client.captures()).values())
            by_directory = {bytes(one["Directory"]): one for one in captures}
            whole = {by_directory[one]["Id"] for one in self.stream.whole - self.stream.removed}
            cut = {by_directory[one]["Id"] for one in self.stream.cut - self.stream.removed}
            entries = await self._all_entries(whole, cut)
        ledger = find()
        names = _event_ids(entries)
        assert all(len(ids) == 1 for ids in names.values()), "repeated by another id"
        assert {entry["KDUMPD_EVENT"] for entry in entries} <= recorded_events(ledger)
        assert {entry["KDUMPD_CAPTURE"] for entry in entries} <= remembered_captures(ledger)
        return len(entries) - len(names)

    async def _until_all_is_known(self) -> None:
        gone, there = self.stream.removed, self.stream.written - self.stream.removed
        async with asyncio.timeout(PATIENCE):
            while True:
                await self.client.call("org.kdumpd1.Manager", "Rescan")
                captures = list((await self.client.captures()).values())
                states = {bytes(one["Directory"]): one["State"] for one in captures}
                assert gone <= states.keys(), "forgotten after it was gone"
                known = {one: states.get(one) for one in there}
                if known == {
                    one: "complete" if one in self.stream.whole else "incomplete" for one in there
                } and all(states[one] == "gone" for one in gone):
                    assert len(captures) == len(self.stream.written)
                    return
                await asyncio.sleep(0.1)

    async def _all_entries(self, whole: set[str], cut: set[str]) -> list[Message]:
        """Return what the journal has of captures, once it has what it must."""
        expected = {(id_, COMPLETE) for id_ in whole} | {(id_, INCOMPLETE) for id_ in cut}
        async with asyncio.timeout(PATIENCE):
            while True:
                entries = await self.entries()
                if expected <= _event_ids(entries).keys():
                    return entries
                await asyncio.sleep(0.1)

    async def entries(self) -> list[Message]:
        """Return what the journal has of captures."""
        entries = await self.journal.entries("SYSLOG_IDENTIFIER=kdumpd")
        return [entry for entry in entries if "KDUMPD_CAPTURE" in entry]


def outcome(stream: Stream, told: int, repeated: int) -> str:
    """Return the words for an ordeal that the listener found nothing wrong with."""
    return (
        f"{stream.count} captures, {told} told of before the last, "
        f"{len(stream.removed)} removed: 0 lost, 0 forgotten, {repeated} repeated by the same id"
    )


def copied(state: Path, prefix: Sequence[str], work: Path) -> Path:
    """Return a copy of the ledger in a directory that only commands with the prefix see."""
    copy = work / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    inside = Path(f"/proc/{prefix[-1]}/root{state}")
    for name in (LEDGER, f"{LEDGER}-wal"):
        with suppress(FileNotFoundError):
            shutil.copyfile(inside / name, copy / name)
    return copy / LEDGER


def remembered_captures(ledger: Path) -> set[str]:
    """Return the ids of the captures in a ledger, read beside whoever has it."""
    return {id_ for (id_,) in _rows(ledger, "SELECT id FROM capture")}


def recorded_events(ledger: Path) -> set[str]:
    """Return the ids of the events in a ledger."""
    return {id_ for (id_,) in _rows(ledger, "SELECT id FROM outbox")}


def _event_ids(entries: Iterable[Message]) -> dict[tuple[str, str], set[str]]:
    """Return the event ids of each thing that was told of a capture: one each, or it is wrong."""
    told = defaultdict(set)
    for entry in entries:
        told[entry["KDUMPD_CAPTURE"], entry["MESSAGE_ID"]].add(entry["KDUMPD_EVENT"])
    return told


def _rows(ledger: Path, query: str) -> Sequence[tuple[str]]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()
