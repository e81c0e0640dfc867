# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the entries that tell of earlier boots from the journal's files.

Any program may log any words and any MESSAGE_ID. What counts is a field that journald writes
itself, which begins with an underscore (systemd.journal-fields(7)): which process it was, of
which unit, by which way.

No more than one field is ever asked for at a time, and each boot with a journal opened anew:
libsystemd 252 finds nothing any more once it was asked for four and there was no such entry.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from systemd import journal

from kdumpd.model.boots.journal import BootEntries, Moment, is_early

MOST_BOOTS = 16
MOST_STEPS = 64  # from boot to boot, those of containers among them
MOST_OPENING = 1500  # entries of a boot, from its first on
MOST_CLOSING = 1000  # entries of a boot, back from its last
# sd-messages.h
JOURNAL_START = "f77379a8490b408bbe5f6940505a777b"
JOURNAL_STOP = "d93fb3c9c24d451a97cea615ce59c00b"
SHUTDOWN = "98268866d1d54a499c4e98921d93bc40"
LOGIND = "systemd-logind.service"
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
    seen = {running}
    found = 0
    with _opened(folder) as reader:
        entry = _newest(reader)
    for _ in range(MOST_STEPS):
        if not entry or found >= MOST_BOOTS or not go_on():
            return
        boot_id = _digits(entry, "_BOOT_ID")
        with _opened(folder) as reader:
            if boot_id not in seen and machine_id in {"", _digits(entry, "_MACHINE_ID")}:
                boot = _read(reader, boot_id)
                found += boot is not None
                yield from [boot] if boot else []
            seen.add(boot_id)
            entry = _before(reader, boot_id)


def _opened(folder: Path) -> closing[journal.Reader]:
    return closing(journal.Reader(path=str(folder), converters=CONVERTERS))


def _newest(reader: journal.Reader) -> Entry:
    """Return the last entry of all, empty without one."""
    reader.seek_tail()
    entry: Entry = reader.get_previous()
    return entry


def _before(reader: journal.Reader, boot_id: str) -> Entry:
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
    closing_ = tuple(islice(_backward(reader, boot_id), MOST_CLOSING))  # the last one first
    if not closing_:
        return None
    opening = islice(_forward(reader, boot_id), MOST_OPENING)
    return BootEntries(
        boot_id=boot_id,
        last=_moment(closing_[0]),
        opening=tuple(_until_late(_of_kernel(opening))),
        closing=tuple(_of_kernel(closing_)),
        started=_first(closing_, lambda entry: _is_journald(entry, JOURNAL_START)),
        stopped=_first(closing_, lambda entry: _is_journald(entry, JOURNAL_STOP)),
        shutdown=_first(closing_, _is_shutdown),
    )


def _forward(reader: journal.Reader, boot_id: str) -> Iterator[Entry]:
    reader.flush_matches()
    reader.add_match(_BOOT_ID=boot_id)
    reader.seek_head()
    yield from iter(reader.get_next, {})


def _backward(reader: journal.Reader, boot_id: str) -> Iterator[Entry]:
    reader.flush_matches()
    reader.add_match(_BOOT_ID=boot_id)
    reader.seek_tail()
    yield from iter(reader.get_previous, {})


def _first(entries: Sequence[Entry], wanted: Callable[[Entry], bool]) -> Moment | None:
    return next((_moment(entry) for entry in entries if wanted(entry)), None)


def _moment(entry: Entry) -> Moment:
    return Moment(entry["__REALTIME_TIMESTAMP"], entry["__MONOTONIC_TIMESTAMP"])


def _is_journald(entry: Entry, message_id: str) -> bool:
    return entry.get("_TRANSPORT") == "driver" and _digits(entry, "MESSAGE_ID") == message_id


def _is_shutdown(entry: Entry) -> bool:
    by_logind = entry.get("_UID") == 0 and entry.get("_SYSTEMD_UNIT") == LOGIND
    return (by_logind or entry.get("_PID") == 1) and _digits(entry, "MESSAGE_ID") == SHUTDOWN


def _of_kernel(entries: Iterable[Entry]) -> Iterator[str]:
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


def _until_late(messages: Iterable[str]) -> Iterator[str]:
    for message in messages:
        yield message
        if not is_early(message):
            return


def _digits(entry: Entry, field: str) -> str:
    """Return an id as 32 hexadecimal digits, empty where the entry has none, or several."""
    return str(getattr(entry.get(field), "hex", ""))
