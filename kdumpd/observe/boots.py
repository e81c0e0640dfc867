# SPDX-License-Identifier: GPL-2.0-or-later
"""Read which boots there were before this one, and how they ended, from the journal.

Any program may log any words and any MESSAGE_ID. What counts is a field that journald writes
itself, which begins with an underscore (systemd.journal-fields(7)): which process it was, of
which unit, by which way.

No more than one field is ever asked for at a time, and each boot with a journal opened anew:
libsystemd 252 finds nothing any more once it was asked for four and there was no such entry.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from systemd import journal

from kdumpd.model.boots.journal import (
    BootEntries,
    Moment,
    PastBoot,
    PastBoots,
    early_messages,
    parse_boot,
)
from kdumpd.observe.files import BOOT_ID, Files
from kdumpd.observe.readiness.boot_messages import JOURNAL_DIRECTORIES, read_boot_time
from kdumpd.observe.threads import PatientThread, Start, StuckError, start

MAX_PAST_BOOTS = 16
MAX_BOOT_SEARCH_STEPS = 64  # from boot to boot, those of containers among them
MAX_FIRST_ENTRIES = 1500  # of a boot, from its first on
MAX_LAST_ENTRIES = 1000  # of a boot, back from its last
# sd-messages.h
JOURNAL_START_MESSAGE_ID = "f77379a8490b408bbe5f6940505a777b"
JOURNAL_STOP_MESSAGE_ID = "d93fb3c9c24d451a97cea615ce59c00b"
SHUTDOWN_MESSAGE_ID = "98268866d1d54a499c4e98921d93bc40"
LOGIND_UNIT = "systemd-logind.service"
JournalFields = Mapping[str, Any]
# Times as journald has them; python-systemd's own conversion fails on what no calendar has.
JOURNAL_CONVERTERS = {"__REALTIME_TIMESTAMP": int, "__MONOTONIC_TIMESTAMP": lambda value: value[0]}
JOURNAL_TIMEOUT_S = 5.0  # for which a look waits for the journal
MAX_JOURNAL_READING_S = 20.0  # after which what was found must do
JOURNAL_RETRY_PAUSE_S = 10.0  # from one reading to the next


def read_boots(
    directory: Path, machine_id: str, running: str, go_on: Callable[[], bool]
) -> Iterator[BootEntries]:
    """Yield the boots that the journals of a directory have, the newest first.

    Ids have 32 hexadecimal digits; without a machine's id, the boots of all machines count. It
    ends when `go_on` says so. Nothing comes from a directory that is not there or whose files are
    no journals; OSError and ValueError may come from a damaged one.
    """
    seen = {running}
    found = 0
    with _opened(directory) as reader:
        entry = _newest(reader)
    for _ in range(MAX_BOOT_SEARCH_STEPS):
        if not entry or found >= MAX_PAST_BOOTS or not go_on():
            return
        boot_id = _digits(entry, "_BOOT_ID")
        with _opened(directory) as reader:
            if boot_id not in seen and machine_id in {"", _digits(entry, "_MACHINE_ID")}:
                boot = _read(reader, boot_id)
                found += boot is not None
                yield from [boot] if boot else []
            seen.add(boot_id)
            entry = _before(reader, boot_id)


def _opened(directory: Path) -> closing[journal.Reader]:
    return closing(journal.Reader(path=str(directory), converters=JOURNAL_CONVERTERS))


def _newest(reader: journal.Reader) -> JournalFields:
    """Return the last entry of all, empty without one."""
    reader.seek_tail()
    entry: JournalFields = reader.get_previous()
    return entry


def _before(reader: journal.Reader, boot_id: str) -> JournalFields:
    """Return the last entry before the first one of a boot, empty without one."""
    first = next(_forward(reader, boot_id), None)
    if first is None:
        return {}
    reader.flush_matches()
    reader.seek_cursor(first["__CURSOR"])
    back = iter(reader.get_previous, {})
    return next((entry for entry in islice(back, 2) if _digits(entry, "_BOOT_ID") != boot_id), {})


def _read(reader: journal.Reader, boot_id: str) -> BootEntries | None:
    """Return the entries that matter of one boot, None where none is found."""
    closing_ = tuple(islice(_backward(reader, boot_id), MAX_LAST_ENTRIES))  # the last one first
    if not closing_:
        return None
    opening = islice(_forward(reader, boot_id), MAX_FIRST_ENTRIES)
    return BootEntries(
        boot_id=boot_id,
        last=_moment(closing_[0]),
        opening=tuple(early_messages(_of_kernel(opening))),
        closing=tuple(_of_kernel(closing_)),
        started=_first(closing_, lambda entry: _is_journald(entry, JOURNAL_START_MESSAGE_ID)),
        stopped=_first(closing_, lambda entry: _is_journald(entry, JOURNAL_STOP_MESSAGE_ID)),
        shutdown=_first(closing_, _is_shutdown),
    )


def _forward(reader: journal.Reader, boot_id: str) -> Iterator[JournalFields]:
    reader.flush_matches()
    reader.add_match(_BOOT_ID=boot_id)
    reader.seek_head()
    yield from iter(reader.get_next, {})


def _backward(reader: journal.Reader, boot_id: str) -> Iterator[JournalFields]:
    reader.flush_matches()
    reader.add_match(_BOOT_ID=boot_id)
    reader.seek_tail()
    yield from iter(reader.get_previous, {})


def _first(
    entries: Sequence[JournalFields], wanted: Callable[[JournalFields], bool]
) -> Moment | None:
    return next((_moment(entry) for entry in entries if wanted(entry)), None)


def _moment(entry: JournalFields) -> Moment:
    return Moment(entry["__REALTIME_TIMESTAMP"], entry["__MONOTONIC_TIMESTAMP"])


def _is_journald(entry: JournalFields, message_id: str) -> bool:
    return entry.get("_TRANSPORT") == "driver" and _digits(entry, "MESSAGE_ID") == message_id


def _is_shutdown(entry: JournalFields) -> bool:
    by_logind = entry.get("_UID") == 0 and entry.get("_SYSTEMD_UNIT") == LOGIND_UNIT
    return (by_logind or entry.get("_PID") == 1) and _digits(
        entry, "MESSAGE_ID"
    ) == SHUTDOWN_MESSAGE_ID


def _of_kernel(entries: Iterable[JournalFields]) -> Iterator[str]:
    """Yield the messages of the kernel itself.

    What programs of root write to /dev/kmsg comes the same way, but never under the facility 0
    (kernel/printk/printk.c, devkmsg_write()).
    """
    for entry in entries:
        message = entry.get("MESSAGE")
        if (
            isinstance(message, str)
            and entry.get("_TRANSPORT") == "kernel"
            and entry.get("SYSLOG_FACILITY", 0) == 0
        ):
            yield message


def _digits(entry: JournalFields, field: str) -> str:
    """Return an id as 32 hexadecimal digits, empty where the entry has none, or several."""
    return str(getattr(entry.get(field), "hex", ""))


class BootsObserver:
    """Reads the journal of earlier boots once, and again only when asked to."""

    def __init__(
        self,
        root: Path,
        on_late: Callable[[], object],
        timeout: float = JOURNAL_TIMEOUT_S,
        pause: float = JOURNAL_RETRY_PAUSE_S,
        start: Start = start,
    ) -> None:
        self._files = Files(root)
        self._thread = PatientThread[PastBoots](timeout, self._late, start)
        self._on_late = on_late
        self._pause = pause
        self._known: PastBoots | None = None
        self._read_at = 0.0
        self._stuck = False

    async def ask(self, *, again: bool) -> PastBoots:
        """Return the boots; read anew, if that is wanted and the last time is a while ago.

        A journal that does not answer says so as its problem, and is waited for once.
        """
        rested = time.monotonic() - self._read_at >= self._pause
        if self._known is not None and not (again and rested):
            return self._known
        if self._stuck:
            return self._known or PastBoots(problem="the journal does not answer")
        try:
            self._known = await self._thread.run(lambda: read_past_boots(self._files))
            self._read_at = time.monotonic()
        except StuckError as error:
            self._stuck = True
            return self._known or PastBoots(problem=f"the journal does not answer: {error}")
        return self._known

    def _late(self) -> None:
        self._stuck = False
        self._known, self._read_at = None, 0.0
        self._on_late()


def read_past_boots(files: Files) -> PastBoots:
    """Return the last boots before the one that runs."""
    running = files.id_digits(BOOT_ID)
    machine_id = files.id_digits("etc/machine-id")
    deadline = time.monotonic() + MAX_JOURNAL_READING_S
    boots: dict[str, PastBoot] = {}
    problems = []
    for directory in JOURNAL_DIRECTORIES:
        path = files.resolve(directory)
        if not path.is_dir():
            continue
        try:
            found = read_boots(path, machine_id, running, lambda: time.monotonic() < deadline)
            _add(boots, (parse_boot(entries) for entries in found))
        except (OSError, ValueError) as error:
            problems.append(f"'{files.shown(directory)}' cannot be read: {error}")
    return PastBoots(
        boots=tuple(boots.values())[:MAX_PAST_BOOTS],
        began=read_boot_time(files),
        problem="; ".join(problems),
    )


def _add(boots: dict[str, PastBoot], found: Iterable[PastBoot | None]) -> None:
    """Add what is found; what was found before an error stays."""
    for boot in found:
        if boot is not None:
            boots.setdefault(boot.id, boot)
