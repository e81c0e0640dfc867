# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the entries that tell of earlier boots from the journal's files.

Any program may log any words and any MESSAGE_ID. What counts is a field that journald writes
itself, which begins with an underscore (systemd.journal-fields(7)): which process it was, of
which unit, by which way. It is asked for together with the id, so that others' entries are not
even read.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from systemd import journal

from kdumpd.model.boot_journal import BootEntries, Moment

MOST_BOOTS = 16
MOST_OPENING = 1500  # entries of the kernel, from its first on
MOST_CLOSING = 200  # entries of the kernel, back from its last
MOST_BETWEEN = 1000  # entries of boots that were read, where their order is mixed up
# sd-messages.h
JOURNAL_START = "f77379a8490b408bbe5f6940505a777b"
JOURNAL_STOP = "d93fb3c9c24d451a97cea615ce59c00b"
SHUTDOWN = "98268866d1d54a499c4e98921d93bc40"
KERNEL = {"_TRANSPORT": "kernel"}
DRIVER = {"_TRANSPORT": "driver"}  # journald's own words
SYSTEMD = {"_PID": "1"}
LOGIND = {"_UID": "0", "_SYSTEMD_UNIT": "systemd-logind.service"}
Entry = Mapping[str, Any]
# Times as journald has them; python-systemd's own conversion fails on what no calendar has.
CONVERTERS = {"__REALTIME_TIMESTAMP": int, "__MONOTONIC_TIMESTAMP": lambda value: value[0]}


def read_boots(
    folder: Path, machine_id: str, running: str, go_on: Callable[[], bool]
) -> Iterator[BootEntries]:
    """Yield the boots that the journals of a folder have, the newest first.

    Ids have 32 hexadecimal digits; without a machine's id, the boots of all machines count. It
    ends when `go_on` says so. Nothing comes from a folder that is not there or whose files are no
    journals; OSError and ValueError may come from a damaged one.
    """
    with closing(journal.Reader(path=str(folder), converters=CONVERTERS)) as reader:
        boots = BootReader(reader, {"_MACHINE_ID": machine_id} if machine_id else {})
        seen = {running}
        entry = boots.newest()
        while entry and len(seen) <= MOST_BOOTS and go_on():
            boot_id = _boot_of(entry)
            if boot_id not in seen:
                yield boots.read(boot_id)
                seen.add(boot_id)
            entry = boots.before(boot_id, seen)


class BootReader:
    """Finds the entries of one boot after another, without going through all between."""

    def __init__(self, reader: journal.Reader, machine: Mapping[str, str]) -> None:
        self._reader = reader
        self._machine = machine

    def newest(self) -> Entry:
        """Return the last entry of all, empty without one."""
        return self._last()

    def before(self, boot_id: str, seen: set[str]) -> Entry:
        """Return the last entry before the first one of a boot that is of none that was seen."""
        first = self._first(_BOOT_ID=boot_id)
        if not first:
            return {}
        self._match()
        self._reader.seek_cursor(first["__CURSOR"])
        for _ in range(MOST_BETWEEN):
            entry: Entry = self._reader.get_previous()
            if not entry or _boot_of(entry) not in seen:
                return entry
        return {}

    def read(self, boot_id: str) -> BootEntries:
        """Return the entries that matter of one boot."""
        of_boot = {"_BOOT_ID": boot_id}
        words = (
            self._moment(**of_boot, **SYSTEMD, MESSAGE_ID=SHUTDOWN),
            self._moment(**of_boot, **LOGIND, MESSAGE_ID=SHUTDOWN),
        )
        return BootEntries(
            boot_id=boot_id,
            last=self._moment(**of_boot) or Moment(0, 0),
            opening=tuple(self._opening(boot_id)),
            closing=tuple(self._closing(boot_id)),
            started=self._moment(**of_boot, **DRIVER, MESSAGE_ID=JOURNAL_START),
            stopped=self._moment(**of_boot, **DRIVER, MESSAGE_ID=JOURNAL_STOP),
            shutdown=max(
                (word for word in words if word), key=lambda word: word.monotonic, default=None
            ),
        )

    def _opening(self, boot_id: str) -> Iterator[str]:
        entry = self._first(_BOOT_ID=boot_id, **KERNEL)
        for _ in range(MOST_OPENING):
            if not entry:
                return
            yield from _kernel_message(entry)
            entry = self._reader.get_next()

    def _closing(self, boot_id: str) -> Iterator[str]:
        entry = self._last(_BOOT_ID=boot_id, **KERNEL)
        for _ in range(MOST_CLOSING):
            if not entry:
                return
            yield from _kernel_message(entry)
            entry = self._reader.get_previous()

    def _moment(self, **fields: str) -> Moment | None:
        entry = self._last(**fields)
        if not entry:
            return None
        return Moment(entry["__REALTIME_TIMESTAMP"], entry["__MONOTONIC_TIMESTAMP"])

    def _first(self, **fields: str) -> Entry:
        self._match(**fields)
        self._reader.seek_head()
        entry: Entry = self._reader.get_next()
        return entry

    def _last(self, **fields: str) -> Entry:
        self._match(**fields)
        self._reader.seek_tail()
        entry: Entry = self._reader.get_previous()
        return entry

    def _match(self, **fields: str) -> None:
        """Have only those entries found that have all of these fields."""
        self._reader.flush_matches()
        self._reader.add_match(**self._machine, **fields)


def _boot_of(entry: Entry) -> str:
    """Return the boot's id as 32 hexadecimal digits, empty where there is none."""
    return str(getattr(entry.get("_BOOT_ID"), "hex", ""))


def _kernel_message(entry: Entry) -> Iterator[str]:
    """Yield the message, if the kernel itself said it.

    What programs of root write to /dev/kmsg comes the same way, but never under the facility 0
    (kernel/printk/printk.c, devkmsg_write()).
    """
    message = entry.get("MESSAGE")
    if isinstance(message, str) and entry.get("SYSLOG_FACILITY", 0) == 0:
        yield message
