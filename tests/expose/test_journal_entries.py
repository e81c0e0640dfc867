# SPDX-License-Identifier: GPL-2.0-or-later
from datetime import UTC, datetime

import pytest

from kdumpd.expose.journal_entries import entry_of
from kdumpd.model.events import Event, EventKind

AT = datetime(2026, 11, 23, 1, 20, tzinfo=UTC)
CRASH = {
    "capture": "170fcc1f40175c28",
    "core": "/var/crash/202611230113/dump.202611230113",
    "directory": "/var/crash/202611230113",
    "state": "complete",
    "kernel": "6.1.0-56-amd64",
    "crashed_at": "1795396414000000",
    "size": "17311006",
}
READY = {"readiness": "ready", "crashkernel": "256M", "reserved": "268435456", "loaded": "1"}
UNREADY = {"readiness": "not-ready", "findings": "a b", "because": "it is so; and so"}

COMPLETE = (
    "Kernel 6.1.0-56-amd64 crashed at 2026-11-23 01:13:34 UTC: a complete dump of 16.5 MiB is in "
    "/var/crash/202611230113/dump.202611230113"
)
CHANGED = (
    "Readiness changed from ready to not-ready. The next kernel panic would leave no usable dump. "
    "Cause: it is so; and so."
)
ANNOUNCED = (
    "The kernel of wing will be crashed on purpose in 10 s, as a test for the user root (uid 0), "
    "overriding: not-ready just-booted. To stop it: kdumpdctl test --cancel"
)
WHOSE = {"uid": "0", "user": "root", "host": "wing", "test": "f" * 32}
OVER = (
    "The crash test of wing, for the user root (uid 0), is over without a crash: uid 5 has "
    "cancelled it"
)
REHEARSED = (
    "This is a rehearsal of a crash test of wing, for the user root (uid 0): in 3 s the kernel "
    "only prints its SysRq help, and does not crash. To stop it: kdumpdctl test --cancel"
)


CROWD = {"uid": "1000", "uids": "1000", "more": "899", "again_at": "1795400000000000"}
CROWDED = (
    "/c may hold a capture, but users other than root could have put it there (and 899 more of {}):"
    " {}."
    " kdumpd reports more of {} only after 2026-11-23 02:13 UTC"
)


@pytest.mark.parametrize(
    ("kind", "facts", "priority", "message"),
    [
        (
            EventKind.CAPTURE_COMPLETE,
            CRASH,
            2,
            COMPLETE,
        ),
        (
            EventKind.CAPTURE_INCOMPLETE,
            {"core": "/c/dump.1", "directory": "/c", "state": "incomplete", "problem": "is empty"},
            2,
            "A kernel crashed: the dump /c/dump.1 is incomplete: it is empty",
        ),
        (
            EventKind.CAPTURE_INCOMPLETE,
            {"directory": "/c", "state": "incomplete", "problem": "holds nothing of the crash"},
            2,
            "A kernel crashed: the capture in /c holds nothing of the crash",
        ),
        (
            EventKind.CAPTURE_INCOMPLETE,
            {"directory": "/c", "state": "dmesg-only", "kernel": "6.1"},
            2,
            "Kernel 6.1 crashed: only the kernel log was saved, in /c",
        ),
        (
            EventKind.CAPTURE_INCOMPLETE,
            {"core": "/c\x1b[31m", "directory": "/", "state": "unreadable", "problem": "is none"},
            2,
            r"A kernel crashed: the dump /c\x1b[31m cannot be checked: it is none",
        ),
        (
            EventKind.CAPTURE_UNTRUSTED,
            {"directory": "/c", "state": "unreadable", "problem": "it's not"},
            4,
            "/c may hold a capture, but users other than root could have put it there: it's not",
        ),
        (
            EventKind.CAPTURE_UNTRUSTED,
            {"directory": "/c", "problem": "it's not", **CROWD},
            4,
            CROWDED.format("uid 1000", "it's not", "uid 1000"),
        ),
        (
            EventKind.CAPTURE_UNTRUSTED,
            {"directory": "/c", **CROWD, "uids": "1 2", "other_uids": "7"},
            4,
            CROWDED.format(
                "uids 1, 2 and 7 others", "its contents were not read", "uids 1, 2 and 7 others"
            ),
        ),
        (
            EventKind.CAPTURE_GONE,
            {"directory": "/c", "state": "gone"},
            5,
            "A kernel crashed: its capture is gone from /c",
        ),
        (EventKind.BOOT_VALIDATED, READY, 6, "The next kernel panic would leave a dump."),
        (
            EventKind.READINESS_CHANGED,
            {"before": "ready", **UNREADY},
            4,
            CHANGED,
        ),
        (
            EventKind.TEST_REFUSED,
            {"uid": "1000", "because": "a shutdown is inhibited", "objections": "inhibited"},
            4,
            "The user with uid 1000 was refused a crash test: a shutdown is inhibited",
        ),
        (
            EventKind.TEST_ANNOUNCED,
            {**WHOSE, "seconds": "10", "overridden": "not-ready just-booted"},
            0,
            ANNOUNCED,
        ),
        (
            EventKind.TEST_CANCELLED,
            {**WHOSE, "because": "uid 5 has cancelled it"},
            0,
            OVER,
        ),
        (EventKind.TEST_ANNOUNCED, {**WHOSE, "seconds": "3", "rehearsal": "yes"}, 0, REHEARSED),
        (
            EventKind.TEST_CANCELLED,
            {"uid": "5", "test": "f" * 32, "because": "so", "rehearsal": "yes"},
            0,
            "The rehearsal of a crash test, for the user with uid 5, is over without a crash: so",
        ),
    ],
)
def test_sentence_and_priority(
    kind: EventKind, facts: dict[str, str], priority: int, message: str
) -> None:
    entry = entry_of(Event(id="e" * 32, kind=kind, at=AT, facts=facts))
    assert entry.message == message
    assert entry.fields["PRIORITY"] == str(priority).encode()
    assert entry.fields["KDUMPD_EVENT"] == b"e" * 32


def test_fields_keep_bytes_that_are_not_utf8() -> None:
    facts = CRASH | {"core": "/c/\udcff\n"}
    entry = entry_of(Event(id="e", kind=EventKind.CAPTURE_COMPLETE, at=AT, facts=facts))
    assert entry.fields["KDUMPD_CORE"] == b"/c/\xff\n"
    assert entry.fields["KDUMPD_CRASHED_AT"] == b"1795396414000000"
    assert "\n" not in entry.message


def test_every_field_has_a_name_that_journald_keeps() -> None:
    for facts in (CRASH, READY | UNREADY):
        event = Event(id="e", kind=EventKind.CAPTURE_GONE, at=AT, facts={**CRASH, **facts})
        for name in entry_of(event).fields:
            assert name.replace("_", "").isalnum()
            assert name.isupper()
            assert not name.startswith("_")
