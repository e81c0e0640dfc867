# SPDX-License-Identifier: GPL-2.0-or-later
"""What a crash test has proven, by what is found at the boots after it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kdumpd.model.boots.journal import PastBoot, PastBoots
from kdumpd.model.captures.capture import Layout, Sighting
from kdumpd.model.captures.core import CoreFacts
from kdumpd.model.crash_test import CrashTest
from kdumpd.model.events import Event, EventKind
from kdumpd.model.state import Delays, State
from kdumpd.model.vocabulary import Crash, CrashClass, CrashTestVerdict
from tests.support.looks import BOOT, CUT, FACTS, KERNEL, START, Watched, capture, distrusted

DIED = datetime(2026, 11, 23, 1, 13, 34, tzinfo=UTC)  # as FACTS has it
BEFORE = "7c1e5a90-2d4b-4f6a-8e3c-1b5d7f9a0c2e"  # the boot that the test ended
ASKED = DIED - timedelta(seconds=2)
TEST = CrashTest(id="a-test", at=ASKED, boot_id=BEFORE, kernel=KERNEL.release, armed=True)
SYSRQ = Crash(class_=CrashClass.SYSRQ, reason="sysrq triggered crash")
OVER = Delays().boot  # seconds after which a boot is over


def of_sysrq(sighting: Sighting, crash: Crash = SYSRQ) -> Sighting:
    return replace(sighting, crash=crash)


def written(sighting: Sighting, at: datetime) -> Sighting:
    assert sighting.core is not None
    core = replace(sighting.core, modified_ns=int(at.timestamp()) * 1_000_000_000)
    return replace(sighting, core=core, files=(core, *sighting.files[1:]))


def booted(test: CrashTest = TEST) -> Watched:
    """Return the machine just after the boot that follows on the test."""
    watched = Watched(State(tests=(test,)))
    watched.clock = 1000.0
    return watched


def verdicts(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [
        (event.facts["verdict"], event.facts.get("because", ""))
        for event in events
        if event.kind is EventKind.TEST_VERDICT
    ]


def test_a_complete_capture_of_the_moment_is_a_pass_at_once() -> None:
    watched = booted()
    whole = written(of_sysrq(capture()), DIED + timedelta(seconds=49))
    told = watched.look(whole)
    (test,) = watched.state.tests
    assert (test.verdict, test.seconds, test.size) == (CrashTestVerdict.PASSED, 49, 1000)
    assert test.capture == watched.only.id
    assert test.kernel == FACTS.kernel_release
    assert watched.only.is_test
    assert verdicts(told) == [("passed", "")]
    assert verdicts(watched.look(whole, after=600)) == []
    assert watched.only.is_test


@pytest.mark.parametrize(
    "other",
    [
        of_sysrq(capture(), Crash(class_=CrashClass.NULL_DEREFERENCE)),
        of_sysrq(capture(replace(FACTS, crashed_at=DIED - timedelta(minutes=1)))),
        of_sysrq(capture(replace(FACTS, crashed_at=DIED + timedelta(minutes=6)))),
        of_sysrq(capture(replace(FACTS, crashed_at=None))),
        of_sysrq(capture(replace(FACTS, kernel_release="6.1.0-55-amd64"))),
        replace(of_sysrq(capture()), trusted=False, problem="belongs to uid 1000"),
    ],
    ids=["another class", "before", "long after", "no time", "another kernel", "a stranger's"],
)
def test_other_captures_prove_nothing(other: Sighting) -> None:
    watched = booted()
    watched.look(other)
    watched.look(other, after=OVER)
    (test,) = watched.state.tests
    assert test.verdict is CrashTestVerdict.FAILED
    assert test.capture == ""
    assert not watched.only.is_test


def test_nothing_is_said_before_the_boot_is_over() -> None:
    watched = Watched(State(tests=(TEST,)))
    watched.clock = 10.0
    assert verdicts(watched.look()) == []
    assert watched.state.tests == (TEST,)
    assert verdicts(watched.look(after=OVER)) != []


def test_what_still_grows_is_awaited() -> None:
    watched = booted()
    growing = of_sysrq(capture(CUT, name=b"dump-incomplete"))
    assert verdicts(watched.look(growing)) == []
    assert watched.state.settling
    assert verdicts(watched.look(of_sysrq(capture()), after=1)) == [("passed", "")]


def test_what_a_stranger_writes_is_not_awaited() -> None:
    watched = booted()
    ((verdict, _),) = verdicts(watched.look(distrusted(capture(CUT))))
    assert watched.state.settling
    assert verdict == "failed"


@pytest.mark.parametrize(
    ("saved", "reason"),
    [
        (
            capture(CUT),
            "The crash kernel started, but the dump is incomplete: it has no end record",
        ),
        (
            capture(None),
            "The crash kernel started and saved the kernel log, but no dump",
        ),
    ],
    ids=["cut", "log alone"],
)
def test_what_is_not_complete_is_a_fail_with_the_reason(saved: Sighting, reason: str) -> None:
    watched = booted()
    saved = replace(of_sysrq(saved), logged_at=DIED + timedelta(seconds=5))
    watched.look(saved)
    told = watched.look(saved, after=30)
    assert verdicts(told) == [("failed", f"{reason}.")]
    (test,) = watched.state.tests
    assert test.capture == watched.only.id


@pytest.mark.parametrize(
    ("crash", "reason"),
    [
        (
            replace(SYSRQ, armed=True),
            "A crash kernel was loaded when the kernel died, but it saved nothing.",
        ),
        (
            replace(SYSRQ, armed=False),
            "No crash kernel was loaded when the kernel died, so nothing could be captured.",
        ),
        (
            SYSRQ,
            "The machine came back without a capture: the crash kernel did not start, or could",
        ),
    ],
)
def test_a_log_that_outlived_the_crash_tells_whether_something_was_armed(
    crash: Crash, reason: str
) -> None:
    watched = booted()
    log = replace(
        capture(None, directory=b"/var/lib/systemd/pstore/7654321"),
        layout=Layout.PSTORE,
        crash=crash,
        logged_at=START,
    )
    watched.look(log)
    ((verdict, because),) = verdicts(watched.look(log, after=30))
    assert verdict == "failed"
    assert because.startswith(reason)


def test_nothing_at_all_is_a_fail() -> None:
    watched = booted()
    ((verdict, because),) = verdicts(watched.look())
    assert verdict == "failed"
    assert because.startswith("The machine came back without a capture")


def test_nothing_armed_is_said_where_it_was_known_before() -> None:
    watched = booted(replace(TEST, armed=False))
    ((_, because),) = verdicts(watched.look())
    assert because == "No crash kernel was loaded when the test was asked for."


def test_a_kernel_that_runs_on_was_not_crashed() -> None:
    watched = booted(replace(TEST, boot_id=BOOT, at=START))
    assert verdicts(watched.look()) == []
    assert verdicts(watched.look(after=30)) == []
    assert verdicts(watched.look(after=60)) == [("failed", "The kernel did not crash: it runs on.")]


def test_a_capture_that_is_found_later_mends_the_verdict() -> None:
    watched = booted()
    assert verdicts(watched.look())[0][0] == "failed"
    assert verdicts(watched.look(of_sysrq(capture()), after=3600)) == [("passed", "")]
    assert verdicts(watched.look(after=3600)) == []  # gone, but proven
    assert watched.state.tests[0].verdict is CrashTestVerdict.PASSED


def test_a_clock_that_was_wrong_tells_no_seconds() -> None:
    watched = booted()
    watched.look(written(of_sysrq(capture()), DIED - timedelta(hours=1)))
    assert watched.state.tests[0].seconds is None


@pytest.mark.parametrize(
    ("facts", "verdict"), [(FACTS, CrashTestVerdict.PASSED), (CUT, CrashTestVerdict.FAILED)]
)
def test_a_test_of_another_tool_counts(facts: CoreFacts, verdict: CrashTestVerdict) -> None:
    watched = Watched(State(validated_boot=BOOT))
    theirs = replace(
        capture(facts, name=b"vmcore", directory=b"/var/crash/kdump-test-1795396414-1"),
        layout=Layout.KDUMP_UTILS,
        is_test=True,
    )
    watched.look(theirs)
    watched.look(theirs, after=30)
    (test,) = watched.state.tests
    assert (test.verdict, test.capture, test.at) == (verdict, watched.only.id, DIED)
    watched.look(theirs, after=30)
    assert watched.state.tests == (test,)
    assert [one for one, _ in verdicts(watched.told)] == [verdict]


def test_of_two_tests_each_has_its_own_capture() -> None:
    second = replace(TEST, id="another", at=ASKED + timedelta(hours=1), boot_id="b" * 36)
    watched = Watched(State(tests=(second, TEST)))
    late = replace(FACTS, crashed_at=DIED + timedelta(hours=1), identity=b"another")
    watched.look(
        of_sysrq(capture()),
        of_sysrq(capture(late, directory=b"/var/crash/202611230213", dmesg=b"others")),
    )
    by_id = {capture.id: capture.crashed_at for capture in watched.listed}
    assert [(test.verdict, by_id[test.capture]) for test in watched.state.tests] == [
        (CrashTestVerdict.PASSED, late.crashed_at),
        (CrashTestVerdict.PASSED, DIED),
    ]


def test_the_boot_of_a_crash_kernel_tells_that_it_started() -> None:
    minute = timedelta(minutes=1)
    of_capture = PastBoot(
        id="c" * 36,
        began=DIED + timedelta(seconds=5),
        ended=DIED + minute,
        uptime=50.0,
        is_crash_kernel=True,
    )
    died = PastBoot(id=BEFORE, began=DIED - 60 * minute, ended=DIED, uptime=3600.0)
    watched = booted()
    watched.past = PastBoots(boots=(of_capture, died), began=DIED + 2 * minute)
    ((_, because),) = verdicts(watched.look())
    assert because.startswith("The crash kernel started, but saved nothing")


def test_one_capture_proves_one_test_the_last_before_it() -> None:
    lost = replace(TEST, id="lost", at=ASKED - timedelta(minutes=3), boot_id="b" * 36)
    watched = Watched(
        State(tests=(TEST, replace(lost, verdict=CrashTestVerdict.FAILED, reason="none")))
    )
    told = watched.look(of_sysrq(capture()))
    watched.look(of_sysrq(capture()), after=60)
    assert [test.verdict for test in watched.state.tests] == [
        CrashTestVerdict.PASSED,
        CrashTestVerdict.FAILED,
    ]
    assert verdicts(told) == [("passed", "")]


def test_a_test_that_crashed_nothing_is_not_mended_by_a_later_crash() -> None:
    watched = booted(replace(TEST, boot_id=BOOT))
    watched.look(after=60)
    assert watched.state.tests[0].crashed_nothing
    watched.look(of_sysrq(capture(), Crash()), after=1, kernel=replace(KERNEL, boot_id="next"))
    assert watched.state.tests[0].verdict is CrashTestVerdict.FAILED
    assert not watched.only.is_test
