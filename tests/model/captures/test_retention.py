# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kdumpd.model.captures.capture import Sighting
from kdumpd.model.captures.retention import (
    NO_REMOVAL,
    Removal,
    Retention,
    removal_of,
    with_the_next,
)
from tests.support.looks import capture

MADE = datetime(2026, 11, 23, 1, 14, tzinfo=UTC)
APPORT = Retention(apport_days=7, apport_file_days=7)
ARCHIVE = b"/var/lib/systemd/pstore"


def made(directory: bytes = b"/var/crash/202611230113", member: bytes = b"") -> Sighting:
    return replace(capture(directory=directory), made_at=MADE, member=member)


def directories(*names: str) -> list[bytes]:
    return [f"/var/crash/{name}".encode() for name in names]


def removal(sighting: Sighting, retention: Retention, known: Collection[bytes]) -> Removal:
    return removal_of(sighting, retention, with_the_next(retention, known))


def test_nothing_is_removed() -> None:
    assert removal(made(), Retention(), directories("202611230113")) == NO_REMOVAL


def test_apport_counts_whole_days() -> None:
    """Its find -mtime +7 takes what is eight days old, and not before."""
    at, words = removal(made(), APPORT, ())
    assert at == MADE + timedelta(days=8)
    assert "apport" in words


@pytest.mark.parametrize(
    "directory",
    [
        b"/var/crash/10.0.2.15-202611230113",
        b"/var/crash/127.0.0.1-2026-11-23-01:13:34",
        b"/var/crash/2026112301134",
        b"/var/crash/saved/202611230113",
        b"/srv/crash/202611230113",
    ],
)
def test_apport_leaves_other_names_and_directories(directory: bytes) -> None:
    assert removal(made(directory), APPORT, ()) == NO_REMOVAL


def test_apport_removes_files_at_the_top() -> None:
    report = made(b"/var/crash", b"linux-image-x-202611230113.crash")
    assert removal(report, APPORT, ())[0] == MADE + timedelta(days=8)
    assert removal(report, Retention(apport_days=7), ()) == NO_REMOVAL


def test_kdump_tools_remove_the_oldest() -> None:
    known = directories("202611230113", "202611240113", "202611250113")
    keeps_3 = Retention(most_dumps=3)
    at, words = removal(made(known[0]), keeps_3, known)
    assert at is None
    assert "KDUMP_NUM_DUMPS=3" in words
    assert removal(made(known[1]), keeps_3, known) == NO_REMOVAL
    assert removal(made(known[1]), Retention(most_dumps=2), known)[1]
    assert removal(made(known[2]), Retention(most_dumps=1), known)[1]
    assert removal(made(known[0]), Retention(most_dumps=4), known) == NO_REMOVAL


def test_kdump_tools_count_what_begins_with_a_2() -> None:
    known = directories("202611230113", "10.0.2.15-202611220113", "saved", "2026-11-20-01:13")
    keeps_1 = Retention(most_dumps=1)
    assert removal(made(known[0]), keeps_1, known)[1]
    assert removal(made(known[3]), Retention(most_dumps=2), known)[1]
    assert removal(made(known[1]), keeps_1, known) == NO_REMOVAL
    assert removal(made(b"/mnt/202611230113"), keeps_1, known) == NO_REMOVAL


def test_kdump_tools_that_save_elsewhere() -> None:
    elsewhere = Retention(most_dumps=1, dump_directory=b"/srv/crash/")
    known = [b"/srv/crash/202611230113"]
    assert removal(made(known[0]), elsewhere, known)[1]
    assert removal(made(), elsewhere, [*known, *directories("202611230113")]) == NO_REMOVAL


def test_suse_keeps_the_last_and_then_saves() -> None:
    known = directories("2026-11-23-01-13", "2026-11-24-01:13", "2026-11-25-01-13", "saved")
    assert removal(made(known[0]), Retention(suse_keeps=2), known)[1]
    assert removal(made(known[1]), Retention(suse_keeps=2), known) == NO_REMOVAL
    assert removal(made(known[2]), Retention(suse_keeps=0), known)[1]
    assert removal(made(known[3]), Retention(suse_keeps=0), known) == NO_REMOVAL
    assert removal(made(known[0]), Retention(), known) == NO_REMOVAL


def test_what_is_old_is_cleaned() -> None:
    sighting = made(ARCHIVE + b"/1795396414/001")
    fortnight = Retention(ages=((b"/var/crash2", timedelta(days=1)), (ARCHIVE, timedelta(14))))
    written = replace(sighting.files[0], modified_ns=int(MADE.timestamp()) * 10**9)
    at, words = removal(replace(sighting, files=(written,)), fortnight, ())
    assert at == MADE + timedelta(days=14)
    assert "systemd-tmpfiles" in words
    assert removal(made(), fortnight, ()) == NO_REMOVAL


def test_the_earliest_counts() -> None:
    known = directories("202611230113")
    both = replace(APPORT, most_dumps=1)
    assert removal(made(), both, known)[0] == MADE + timedelta(days=8)


def test_times_beyond_all() -> None:
    late = replace(made(), made_at=datetime.max.replace(tzinfo=UTC))
    assert removal(late, APPORT, ())[0] is None
    assert removal(replace(late, made_at=None), APPORT, ()) == NO_REMOVAL
