# SPDX-License-Identifier: GPL-2.0-or-later
"""Which captures the machine's own jobs will remove, and when."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from kdumpd.model.capture import Sighting
from kdumpd.model.time import EPOCH

APPORT_FOLDER = b"/var/crash"
DEBIAN_FOLDER = b"/var/crash"  # kdump-tools' KDUMP_COREDIR unless configured
SUSE_NAME = re.compile(rb"\d{4}-[01]\d-[0-3]\d-[0-2]\d[-:][0-5]\d")
MINUTES = re.compile(rb"\d{12}")

Removal = tuple[datetime | None, str]  # when, and by what; no time with words: with the next one
NEVER: Removal = (None, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What the machine's own jobs remove; None where a job does not."""

    apport_days: int | None = None  # days that apport's daily job leaves folders of 12 digits
    apport_file_days: int | None = None  # and files
    most_dumps: int | None = None  # KDUMP_NUM_DUMPS of kdump-tools
    dump_folder: bytes = DEBIAN_FOLDER
    suse_keeps: int | None = None  # KDUMP_KEEP_OLD_DUMPS of SUSE's kdump
    ages: tuple[tuple[bytes, timedelta], ...] = ()  # tmpfiles.d(5): what lies below, and its age


def removal_of(sighting: Sighting, retention: Retention, directories: Collection[bytes]) -> Removal:
    """Return when a capture will be removed and by what; `directories` are those of all captures.

    The time is the earliest: daily jobs come up to a day later.
    """
    found = (
        _by_apport(sighting, retention),
        _by_age(sighting, retention),
        _by_kdump_tools(sighting, retention, directories),
        _by_suse(sighting, retention, directories),
    )
    dated = [(at, words) for at, words in found if at is not None]
    undated = [(at, words) for at, words in found if at is None and words]
    return min(dated, key=lambda one: one[0], default=next(iter(undated), NEVER))


def _by_apport(sighting: Sighting, retention: Retention) -> Removal:
    """Return what /etc/cron.daily/apport does (apport 2.28): find -mtime +7 counts whole days."""
    folder, _, name = sighting.directory.rpartition(b"/")
    days = None
    if sighting.directory == APPORT_FOLDER:
        days = retention.apport_file_days
    elif folder == APPORT_FOLDER and MINUTES.fullmatch(name) and not sighting.member:
        days = retention.apport_days
    if days is None or sighting.made_at is None:
        return NEVER
    words = f"apport's daily job removes what has not changed for more than {days} days"
    return _after(sighting.made_at, timedelta(days=days + 1)), words


def _by_age(sighting: Sighting, retention: Retention) -> Removal:
    """Return what systemd-tmpfiles does, which looks at every time that a file has."""
    newest = max((max(file.modified_ns, file.changed_ns) for file in sighting.files), default=0)
    due = [
        (_after(EPOCH, age + timedelta(microseconds=newest // 1000)), folder)
        for folder, age in retention.ages
        if sighting.place.startswith(folder + b"/")
    ]
    if not due:
        return NEVER
    at, folder = min(due, key=lambda one: (one[0] is None, one[0] or EPOCH))
    path = folder.decode("utf-8", "backslashreplace")
    return at, f"systemd-tmpfiles removes what is old in '{path}'" if at else ""


def _by_kdump_tools(
    sighting: Sighting, retention: Retention, directories: Collection[bytes]
) -> Removal:
    """Return what kdump-config 1.8 does when it has saved: the first by `sort -V` of 2* go."""
    if not retention.most_dumps:
        return NEVER
    inside = retention.dump_folder.rstrip(b"/") + b"/"
    names = {_first(path, inside) for path in directories if path.startswith(inside + b"2")}
    going = len(names) + 1 - retention.most_dumps
    if going <= 0 or _first(sighting.directory, inside) not in sorted(names, key=_version)[:going]:
        return NEVER
    kept = f"KDUMP_NUM_DUMPS={retention.most_dumps}"
    return None, f"kdump-tools removes the oldest when it saves the next ({kept})"


def _by_suse(sighting: Sighting, retention: Retention, directories: Collection[bytes]) -> Removal:
    """Return what SUSE's kdump-save does before it saves: all but the last by name go."""
    if retention.suse_keeps is None:
        return NEVER
    folder, _, name = sighting.directory.rpartition(b"/")
    parted = (path.rpartition(b"/") for path in directories)
    names = sorted(
        {one for where, _, one in parted if where == folder and SUSE_NAME.fullmatch(one)}
    )
    if name not in names[: len(names) - retention.suse_keeps]:
        return NEVER
    kept = f"KDUMP_KEEP_OLD_DUMPS={retention.suse_keeps}"
    return None, f"kdump removes the oldest before it saves the next ({kept})"


def _first(path: bytes, inside: bytes) -> bytes:
    return path.removeprefix(inside).partition(b"/")[0] if path.startswith(inside) else b""


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
