# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of a crash test: the intent in the ledger, matched with what is found afterwards."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from kdumpd.model.boots.record import ended_boots, find_ended
from kdumpd.model.captures.capture import Capture, Layout
from kdumpd.model.crash_test import KERNEL_RUNS_ON, MAX_KEPT_TESTS, CrashTest
from kdumpd.model.events import Event, outcome_event
from kdumpd.model.readiness.verdict import Verdict
from kdumpd.model.state import Delays, Observation, State
from kdumpd.model.text import MIB
from kdumpd.model.vocabulary import CaptureState, CrashClass, CrashTestVerdict

# The intent is on disk a moment before the crash; what syncing takes lies between.
MIN_CRASH_AFTER_TEST_SPAN, MAX_CRASH_AFTER_TEST_SPAN = timedelta(seconds=-30), timedelta(minutes=5)
MIN_RUN_AFTER_TEST_SPAN = timedelta(minutes=1)  # a kernel that runs on for so long was not crashed
MAX_CAPTURE_SPAN = timedelta(days=1)  # beyond that a clock was wrong
MAX_LATE_CAPTURE_SPAN = timedelta(days=7)  # a capture that is found later fixes the verdict
MIN_FREE_BYTES = 4 * MIB  # a disk with less was filled by the dump that did not fit


def with_tests(state: State, seen: Observation, delays: Delays) -> tuple[State, tuple[Event, ...]]:
    """Return the state with what is known now of each test, and the verdicts that are new."""
    known = {test.id: test for test in state.tests}
    judged: list[CrashTest] = []
    taken: set[str] = set()  # a capture is of the last test that was recorded before the crash
    for test in state.tests:
        judged.append(_judged(test, state, seen, delays, taken))
        taken.add(judged[-1].capture)
    judged += _of_others(state.captures.values(), judged)
    tests = tuple(sorted(judged, key=lambda test: test.at, reverse=True))[:MAX_KEPT_TESTS]
    if tests == state.tests:
        return state, ()
    events = tuple(
        outcome_event(test, seen.at)
        for test in reversed(tests)
        if test.verdict is not CrashTestVerdict.PENDING and test != known.get(test.id)
    )
    return replace(state, tests=tests, captures=_marked(state.captures, tests)), events


def _judged(
    test: CrashTest,
    state: State,
    seen: Observation,
    delays: Delays,
    taken: Collection[str],
) -> CrashTest:
    """Return the test with what came of it; what has failed may still be fixed.

    Captures that are taken are of other tests.
    """
    settled = test.verdict is CrashTestVerdict.PASSED or test.crashed_nothing
    if settled or seen.at - test.at > MAX_LATE_CAPTURE_SPAN:
        return test
    found = _found(test, (one for one in state.captures.values() if one.id not in taken))
    if found is not None and found.state is CaptureState.COMPLETE:
        return _passed(test, found, seen.at)
    if test.verdict is CrashTestVerdict.FAILED:
        return test
    if state.verdict is None or test.boot_id == seen.machine.kernel.boot_id:
        still = seen.at - test.at > MIN_RUN_AFTER_TEST_SPAN
        return _failed(test, None, KERNEL_RUNS_ON, seen.at) if still else test
    if seen.is_starting(delays) or state.is_being_written or _is_awaited(state):
        return test
    if found is None or found.layout is Layout.PSTORE:
        reason = _nothing_saved(test, found, started=_started(test, state, seen))
    else:
        reason = _not_complete(found, state.verdict)
    return _failed(test, found, reason, seen.at)


def _is_awaited(state: State) -> bool:
    return state.job is not None or any(one.log_awaited for one in state.captures.values())


def _found(test: CrashTest, captures: Iterable[Capture]) -> Capture | None:
    """Return what was captured of the test's crash, the most complete."""
    found = [one for one in captures if _is_of(one, test)]
    return max(found, key=_worth, default=None)


def _is_of(capture: Capture, test: CrashTest) -> bool:
    if not capture.was_believed:
        return False
    if capture.crash.class_ not in {CrashClass.SYSRQ, CrashClass.UNKNOWN}:
        return False
    if test.kernel and capture.kernel_release not in {"", test.kernel}:
        return False
    if capture.layout is Layout.PSTORE:  # archived at the next boot, under the time of that
        return capture.crash.class_ is CrashClass.SYSRQ and capture.found_at > test.at
    return (
        capture.crashed_at is not None
        and MIN_CRASH_AFTER_TEST_SPAN < capture.crashed_at - test.at < MAX_CRASH_AFTER_TEST_SPAN
    )


def _worth(capture: Capture) -> tuple[bool, bool, datetime]:
    complete = capture.state is CaptureState.COMPLETE
    return complete, bool(capture.core_file), capture.found_at


def _passed(test: CrashTest, capture: Capture, at: datetime) -> CrashTest:
    return replace(
        test,
        verdict=CrashTestVerdict.PASSED,
        reason="",
        kernel=capture.kernel_release or test.kernel,
        capture=capture.id,
        size=capture.size,
        seconds=seconds_to_capture(capture),
        decided_at=at,
    )


def _failed(test: CrashTest, capture: Capture | None, reason: str, at: datetime) -> CrashTest:
    return replace(
        test,
        verdict=CrashTestVerdict.FAILED,
        reason=reason,
        capture=capture.id if capture else "",
        size=capture.size if capture else 0,
        decided_at=at,
    )


def seconds_to_capture(capture: Capture) -> int | None:
    """Return how long after the crash the core was complete, None where no clock tells."""
    if capture.crashed_at is None or capture.written_at is None:
        return None
    took = capture.written_at - capture.crashed_at
    return round(took.total_seconds()) if timedelta(0) <= took < MAX_CAPTURE_SPAN else None


def _started(test: CrashTest, state: State, seen: Observation) -> bool:
    """Return whether the journal has the crash kernel's boot."""
    past, running = seen.past or state.past, seen.machine.kernel.boot_id
    if past is None:
        return False
    boot = find_ended(ended_boots(past, state.history, state.boots, running), test.boot_id)
    return boot is not None and boot.crash_kernel_started


def _not_complete(found: Capture, verdict: Verdict) -> str:
    what = f"it {found.problem}" if found.problem and found.core_file else found.problem
    because = f": {what}" if what else ""
    full = ", and its disk is full" if _is_full(verdict) else ""
    if found.state is CaptureState.DMESG_ONLY:
        return f"The crash kernel started and saved the kernel log, but no dump{because}{full}."
    return f"The crash kernel started, but the dump is {found.state}{because}{full}."


def _nothing_saved(test: CrashTest, log: Capture | None, *, started: bool) -> str:
    armed = log.crash.armed if log else None
    if started:
        return (
            "The crash kernel started, but saved nothing: it did not find the place for the dump,"
            " or could not write there."
        )
    if armed is False:
        return "No crash kernel was loaded when the kernel died, so nothing could be captured."
    if armed is None and test.armed is False:
        return "No crash kernel was loaded when the test was asked for."
    if armed:
        return "A crash kernel was loaded when the kernel died, but it saved nothing."
    return (
        "The machine came back without a capture: the crash kernel did not start, or could not save"
        " the dump. Its console shows which."
    )


def _is_full(verdict: Verdict) -> bool:
    rooms = [directory.free for directory in verdict.machine.storage.directories]
    return any(isinstance(free, int) and free < MIN_FREE_BYTES for free in rooms)


def _of_others(captures: Iterable[Capture], known: Iterable[CrashTest]) -> Iterator[CrashTest]:
    """Yield the tests that another tool made: `kdumpctl test` of kdump-utils."""
    taken = {test.capture for test in known} | {test.id for test in known}
    for capture in captures:
        told = capture.is_test and capture.trusted and not capture.log_awaited
        if not told or capture.id in taken or capture.state is CaptureState.GONE:
            continue
        test = CrashTest(
            id=capture.id,
            at=capture.happened_at,
            kernel=capture.kernel_release,
        )
        if capture.state is CaptureState.COMPLETE:
            yield _passed(test, capture, capture.found_at)
        else:
            why = f": {capture.problem}" if capture.problem else ""
            reason = f"The test left a capture that is {capture.state}{why}."
            yield _failed(test, capture, reason, capture.found_at)


def _marked(
    captures: Mapping[str, Capture], tests: Iterable[CrashTest]
) -> MappingProxyType[str, Capture]:
    """Return the captures, with those of tests known as such."""
    of_tests = {test.capture for test in tests}
    return MappingProxyType(
        {
            id_: replace(capture, is_test=True)
            if id_ in of_tests and not capture.is_test
            else capture
            for id_, capture in captures.items()
        }
    )
