# SPDX-License-Identifier: GPL-2.0-or-later
"""Which captures the machine's own jobs will remove, and when."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kdumpd.model.captures.capture import Sighting
from kdumpd.model.text import EPOCH

APPORT_DIRECTORY = b"/var/crash"
KDUMP_TOOLS_CRASH_DIRECTORY = b"/var/crash"  # kdump-tools' KDUMP_COREDIR unless configured
SUSE_NAME_PATTERN = rb"\d{4}-[01]\d-[0-3]\d-[0-2]\d[-:][0-5]\d"
KDUMP_TOOLS_NAME_PATTERN = rb"\d{12}"

Removal = tuple[datetime | None, str]  # when, and by what; no time with words: with the next one
NO_REMOVAL: Removal = (None, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What the machine's own jobs remove; None where a job does not."""

    apport_days: int | None = None  # days that apport's daily job leaves directories of 12 digits
    apport_file_days: int | None = None  # and files
    most_dumps: int | None = None  # KDUMP_NUM_DUMPS of kdump-tools
    dump_directory: bytes = KDUMP_TOOLS_CRASH_DIRECTORY
    suse_keeps: int | None = None  # KDUMP_KEEP_OLD_DUMPS of SUSE's kdump
    ages: tuple[tuple[bytes, timedelta], ...] = ()  # tmpfiles.d(5): what lies below, and its age


NO_RETENTION = Retention()


def with_the_next(retention: Retention, directories: Collection[bytes]) -> Mapping[bytes, str]:
    """Return which directories go when the next capture is saved, and by what in words.

    `directories` are those of all captures.
    """
    return {**_of_suse(retention, directories), **_of_kdump_tools(retention, directories)}


def removal_of(sighting: Sighting, retention: Retention, next_: Mapping[bytes, str]) -> Removal:
    """Return when a capture will be removed and by what; `next_` is what with_the_next returned.

    The time is the earliest: daily jobs come up to a day later.
    """
    dated = [
        (at, words)
        for at, words in (_by_apport(sighting, retention), _by_age(sighting, retention))
        if at is not None
    ]
    if dated:
        return min(dated, key=lambda one: one[0])
    path = sighting.directory
    while path and path not in next_:
        path = path.rpartition(b"/")[0]
    return None, next_.get(path, "")


def _by_apport(sighting: Sighting, retention: Retention) -> Removal:
    """Return what /etc/cron.daily/apport does (apport 2.28): find -mtime +7 counts whole days."""
    directory, _, name = sighting.directory.rpartition(b"/")
    days = None
    if sighting.directory == APPORT_DIRECTORY:
        days = retention.apport_file_days
    elif (
        directory == APPORT_DIRECTORY
        and re.fullmatch(KDUMP_TOOLS_NAME_PATTERN, name)
        and not sighting.member
    ):
        days = retention.apport_days
    if days is None or sighting.made_at is None:
        return NO_REMOVAL
    words = f"apport's daily job removes what has not changed for more than {days} days"
    return _after(sighting.made_at, timedelta(days=days + 1)), words


def _by_age(sighting: Sighting, retention: Retention) -> Removal:
    """Return what systemd-tmpfiles does, which looks at every time that a file has."""
    newest = max((max(file.modified_ns, file.changed_ns) for file in sighting.files), default=0)
    due = [
        (_after(EPOCH, age + timedelta(microseconds=newest // 1000)), directory)
        for directory, age in retention.ages
        if sighting.place.startswith(directory + b"/")
    ]
    if not due:
        return NO_REMOVAL
    at, directory = min(due, key=lambda one: (one[0] is None, one[0] or EPOCH))
    path = directory.decode("utf-8", "backslashreplace")
    return at, f"systemd-tmpfiles removes what is old in '{path}'" if at else ""


def _of_kdump_tools(retention: Retention, directories: Collection[bytes]) -> Mapping[bytes, str]:
    """Return what kdump-config 1.8 does when it has saved: the first by `sort -V` of 2* go."""
    if not retention.most_dumps:
        return {}
    inside = retention.dump_directory.rstrip(b"/") + b"/"
    names = {_first(path, inside) for path in directories if path.startswith(inside + b"2")}
    going = max(0, len(names) + 1 - retention.most_dumps)
    kept = f"KDUMP_NUM_DUMPS={retention.most_dumps}"
    words = f"kdump-tools removes the oldest when it saves the next ({kept})"
    return dict.fromkeys((inside + name for name in sorted(names, key=_version)[:going]), words)


def _of_suse(retention: Retention, directories: Collection[bytes]) -> Mapping[bytes, str]:
    """Return what SUSE's kdump-save does before it saves: all but the last by name go."""
    if retention.suse_keeps is None:
        return {}
    names_in: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for directory, _, name in (path.rpartition(b"/") for path in directories):
        if re.fullmatch(SUSE_NAME_PATTERN, name):
            names_in[directory].add(name)
    kept = f"KDUMP_KEEP_OLD_DUMPS={retention.suse_keeps}"
    words = f"kdump removes the oldest before it saves the next ({kept})"
    return {
        directory + b"/" + name: words
        for directory, names in names_in.items()
        for name in sorted(names)[: max(0, len(names) - retention.suse_keeps)]
    }


def _first(path: bytes, inside: bytes) -> bytes:
    return path.removeprefix(inside).partition(b"/")[0]


def _after(start: datetime, span: timedelta) -> datetime | None:
    try:
        return start + span
    except OverflowError:
        return None


def _version(name: bytes) -> list[tuple[int, bytes]]:
    """Return what sorts names as `sort -V` does those of dumps: numbers by their value."""
    return [
        (int(piece[:20]), b"") if piece.isdigit() else (-1, piece)
        for piece in re.split(rb"(\d+)", name)
    ]
