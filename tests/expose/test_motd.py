# SPDX-License-Identifier: GPL-2.0-or-later
"""A person who logs in is told what matters, and nothing while all is well."""

from dataclasses import replace
from pathlib import Path

import pytest

from kdumpd.expose.motd import lines, motd_path
from kdumpd.model.readiness.verdict import verdict_of
from kdumpd.model.state import PendingReadiness, State
from kdumpd.model.vocabulary import CaptureState, Crash, CrashClass, Readiness
from tests.support.looks import CUT, KERNEL, START, as_listed, capture, of_another_crash
from tests.support.machine_facts import HEALTHY

READY = State(verdict=verdict_of(HEALTHY, START))
UNLOADED = replace(HEALTHY, kernel=replace(KERNEL, crash_loaded=False))
NOT_READY = State(verdict=verdict_of(UNLOADED, START))
OOPS = replace(
    as_listed(capture(size=17311006)),
    crash=Crash(class_=CrashClass.NULL_DEREFERENCE, function="crasher_null"),
)
OLDER = replace(as_listed(of_another_crash(capture(CUT), b"older")), crashed_at=None)
OLDER = replace(OLDER, found_at=START.replace(year=2025))

CRASHED = (
    "Kernel 6.1.0-56-amd64 crashed at 2026-11-23 01:13:34 UTC (null-dereference in crasher_null): "
    "a complete dump of 16.5 MiB is in /var/crash/202611230113/dump.202611230113"
)
WOULD_LEAVE_NONE = "The next kernel panic would leave no usable dump. See kdumpdctl check"


def test_nothing_while_all_is_well() -> None:
    assert list(lines(State())) == []
    assert list(lines(READY)) == []
    known = replace(OOPS, acknowledged=True)
    assert list(lines(replace(READY, captures={known.id: known}))) == []


def test_a_crash_and_how_many_more() -> None:
    one = replace(READY, captures={OOPS.id: OOPS})
    assert list(lines(one)) == [
        CRASHED,
        "Nobody has acknowledged this crash yet: see kdumpdctl list, and kdumpdctl acknowledge",
    ]
    two = replace(READY, captures={OOPS.id: OOPS, OLDER.id: OLDER})
    assert list(lines(two)) == [
        CRASHED,
        (
            "Nobody has acknowledged this crash and 1 more: see kdumpdctl list, and kdumpdctl"
            " acknowledge"
        ),
    ]


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (CaptureState.COMPLETE, "a complete dump of 16.5 MiB was saved"),
        (CaptureState.DMESG_ONLY, "only the kernel log was saved"),
        (CaptureState.INCOMPLETE, "no complete dump was saved"),
        (CaptureState.UNREADABLE, "no complete dump was saved"),
        (CaptureState.GONE, "its capture is gone"),
    ],
)
@pytest.mark.parametrize("hidden", ["the log", "the directory"])
def test_what_is_hidden_is_not_told_at_the_login(
    state: CaptureState, what: str, hidden: str
) -> None:
    policy = replace(HEALTHY.policy, dmesg_restrict=1 if hidden == "the log" else 0)
    told = replace(READY, verdict=verdict_of(replace(HEALTHY, policy=policy), START))
    capture = replace(
        OOPS,
        state=state,
        listable=hidden == "the log",
        problem="ends in 'opensesame'",
        crash=Crash(class_=CrashClass.UNKNOWN, reason="opensesame"),
    )
    first, _ = lines(replace(told, captures={capture.id: capture}))
    assert first == f"Kernel 6.1.0-56-amd64 crashed at 2026-11-23 01:13:34 UTC: {what}"


def test_not_ready() -> None:
    assert list(lines(NOT_READY)) == [WOULD_LEAVE_NONE]
    both = replace(NOT_READY, captures={OOPS.id: OOPS})
    assert list(lines(both))[-1] == WOULD_LEAVE_NONE


def test_what_may_not_last_is_not_told() -> None:
    starting = replace(NOT_READY, change=PendingReadiness(to=Readiness.NOT_READY, since=1.0))
    assert list(lines(starting)) == []


def test_names_cannot_write_on_the_terminal() -> None:
    evil = replace(OOPS, core_file=b"/var/crash/1/\x1b[2Jdump\n.1")
    said = "".join(lines(replace(READY, captures={evil.id: evil})))
    assert said.isprintable()
    assert r"\x1b[2Jdump\n.1" in said


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({}, None),
        ({"RUNTIME_DIRECTORY": ""}, None),
        ({"RUNTIME_DIRECTORY": "/run/kdumpd"}, Path("/run/kdumpd/motd")),
        ({"RUNTIME_DIRECTORY": "/run/kdumpd:/run/other"}, Path("/run/kdumpd/motd")),
        ({"RUNTIME_DIRECTORY": "here"}, None),
    ],
)
def test_where_it_lies(environment: dict[str, str], path: Path | None) -> None:
    assert motd_path(environment) == path
