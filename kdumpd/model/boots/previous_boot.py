# SPDX-License-Identifier: GPL-2.0-or-later
"""How a boot ended: by which crash, what is believed, in order, and a word for it.

Clocks are not trusted far: that of a crash kernel is the hardware's, and the first minutes of a
boot may have it too. So the kernel's release and its own seconds since its boot count as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from kdumpd.model.boots.journal import Shutdown
from kdumpd.model.boots.record import LONG_AGO, EndedBoot
from kdumpd.model.captures.capture import LOG_ONLY_LAYOUTS, Capture, Layout
from kdumpd.model.captures.layouts import RecordTime, parse_record_time
from kdumpd.model.crash_test import CrashTest
from kdumpd.model.text import USEC_PER_SEC, shown
from kdumpd.model.vocabulary import BootEnd, CaptureState, CrashTestVerdict

# journald writes to the disk every 5 minutes; and clocks differ
CLOCK_TOLERANCE = timedelta(minutes=5)
NO_TOLERANCE = timedelta(0)
# from a crash to the next boot, where nothing is known of the boot
MAX_CRASH_BEFORE_BOOT_SPAN = timedelta(hours=1)
# seconds, and a part of the uptime: printk's clock is not adjusted
CLOCK_SLACK_S, CLOCK_DRIFT_RATIO = 120.0, 0.001
END_OF_TIME = datetime.max.replace(tzinfo=UTC)

# What is learned later is believed only if it says more.
BOOT_END_RANKS = {
    BootEnd.UNKNOWN: 0,
    BootEnd.CLEAN: 1,
    BootEnd.UNCLEAN: 1,
    BootEnd.CRASH_NOT_CAPTURED: 2,
    BootEnd.CRASH_INCOMPLETE: 3,
    BootEnd.CRASH_CAPTURED: 4,
    BootEnd.TEST_NOT_CAPTURED: 5,
    BootEnd.TEST_CAPTURED: 6,
}
# These stand on what was found; the others on what was not, which may still come.
FINAL_BOOT_ENDS = frozenset(
    {BootEnd.CRASH_CAPTURED, BootEnd.CRASH_INCOMPLETE, BootEnd.TEST_CAPTURED}
)

STILL_LOOKED_FOR = (
    "kdumpd does not know yet how the previous boot ended: this boot is still starting, or a"
    " capture is still being written."
)
NO_RECORD = (
    "Nothing is known of the previous boot: no journal on disk has it, and kdumpd did not run in"
    " it. To keep the journal on disk, set Storage=persistent in journald.conf."
)
JOURNAL_UNREAD = "kdumpd does not know how the previous boot ended: {problem}."
CLEAN_SHUTDOWN = "The previous boot ended normally: the machine was shut down or restarted."
SHUTDOWN_BEGUN = (
    "The previous boot was shutting down or restarting when its journal ends; the journal does not"
    " show whether it finished."
)
NO_SHUTDOWN = (
    "The previous boot ended without a shutdown: the machine lost power, was reset, or"
    " hung. A crash that left no trace looks the same."
)
NO_CRASH_KERNEL_LOADED = "no crash kernel was loaded that could have saved a dump."
CRASH_KERNEL_FAILED = (
    "a crash kernel was loaded, but left no dump: it did not start, did not find the disk, or"
    " could not write."
)
CRASH_KERNEL_STARTED = (
    "the journal shows that the crash kernel started, but it left no dump: it did not find the"
    " place for it, or could not write."
)
CRASH_KERNEL_UNKNOWN = "kdumpd does not know whether a crash kernel was loaded."


def attribute(
    boots: Sequence[EndedBoot],
    captures: Iterable[Capture],
    host: str,
    taken: Mapping[str, str],
) -> dict[str, str]:
    """Return, by capture id, the id of the boot that its crash has ended.

    The boots are the newest first; `taken` has what was found out before, in the same form.
    """
    found: dict[str, str] = {}
    earliest = min(map(_earliest, boots), default=END_OF_TIME)
    for capture in captures:
        if not tells_of_us(capture, host):
            continue
        if capture.id in taken:
            found[capture.id] = taken[capture.id]
            continue
        if capture.layout not in LOG_ONLY_LAYOUTS and (capture.crashed_at or LONG_AGO) < earliest:
            continue  # as most are where there are many
        boot = _boot_of(capture, boots)
        if boot is not None:
            found[capture.id] = boot.id
    return found


def tells_of_us(capture: Capture, host: str) -> bool:
    """Return whether a capture is to be believed, and is not of another host than this one."""
    return capture.was_believed and not (capture.host and host and capture.host != host)


def _earliest(boot: EndedBoot) -> datetime:
    """Return a time before which no crash can have been that ended the boot."""
    if boot.ended is not None:
        return boot.ended - CLOCK_TOLERANCE
    if boot.began is not None:
        return boot.began
    return END_OF_TIME if boot.next_began is None else boot.next_began - MAX_CRASH_BEFORE_BOOT_SPAN


def _boot_of(capture: Capture, boots: Sequence[EndedBoot]) -> EndedBoot | None:
    """Return the newest boot that the crash may have ended; one that fits exactly comes first."""
    for tolerance in (NO_TOLERANCE, CLOCK_TOLERANCE):
        for boot in boots:
            if _crash_may_have_ended(boot, capture, tolerance):
                return boot
    return None


def _crash_may_have_ended(boot: EndedBoot, capture: Capture, tolerance: timedelta) -> bool:
    """Return whether the crash that a capture tells of may be what has ended the boot."""
    if boot.release and capture.kernel_release and boot.release != capture.kernel_release:
        return False
    if boot.next_seen is not None and capture.found_at < boot.next_seen:
        return False  # it was known before the next boot began
    return _is_in_time(boot, capture, tolerance) and not _was_outlived(boot, capture)


def _is_in_time(boot: EndedBoot, capture: Capture, tolerance: timedelta) -> bool:
    if capture.layout not in LOG_ONLY_LAYOUTS:
        return _is_at_the_end(boot, capture.crashed_at, tolerance)
    record = _record_time(capture)
    if record is None:
        return _was_archived_after(boot, capture.happened_at, tolerance)
    is_in_time = _is_at_the_end if record.exact else _is_within
    return is_in_time(boot, record.at, tolerance)


def crashed_at(capture: Capture) -> datetime | None:
    """Return when the kernel died, None where it is not known: logs are kept at the next boot."""
    if capture.layout not in LOG_ONLY_LAYOUTS:
        return capture.crashed_at
    record = _record_time(capture)
    return record.at if record and record.exact else None


def _record_time(capture: Capture) -> RecordTime | None:
    return parse_record_time(capture.directory) if capture.layout is Layout.PSTORE else None


def _was_outlived(boot: EndedBoot, capture: Capture) -> bool:
    """Return whether the boot went on for long after what the log tells of, as after an oops."""
    moment = capture.crash.moment
    if moment is None or boot.uptime is None:
        return False
    return moment / USEC_PER_SEC + CLOCK_SLACK_S + boot.uptime * CLOCK_DRIFT_RATIO < boot.uptime


def _is_at_the_end(boot: EndedBoot, at: datetime | None, tolerance: timedelta) -> bool:
    """Return whether a time lies between the last that was heard of a boot and the next one."""
    if at is None:
        return False
    if boot.next_began is not None and at > boot.next_began + tolerance:
        return False
    if boot.ended is not None:
        floor = boot.ended - tolerance
        return at >= (floor if boot.began is None else max(floor, boot.began))
    if boot.began is not None:
        return at >= boot.began
    return boot.next_began is not None and at >= boot.next_began - MAX_CRASH_BEFORE_BOOT_SPAN


def _is_within(boot: EndedBoot, at: datetime, tolerance: timedelta) -> bool:
    """Return whether a time lies in the life of a boot."""
    if boot.next_began is not None and at > boot.next_began + tolerance:
        return False
    return boot.began is not None and at >= boot.began - tolerance


def _was_archived_after(boot: EndedBoot, at: datetime, tolerance: timedelta) -> bool:
    """Return whether a log that was archived then can be of the boot: the next one archives it."""
    return boot.next_began is None or at >= boot.next_began - tolerance


class Judgement(NamedTuple):
    """How a boot ended."""

    end: BootEnd
    reason: str
    capture: Capture | None = None  # that tells of its crash
    at: datetime | None = None  # of the crash, as far as it is known

    @property
    def at_once(self) -> bool:
        """Whether it need not be waited for what may still come."""
        return self.end in FINAL_BOOT_ENDS


def judge(boot: EndedBoot, captures: Iterable[Capture], tests: Sequence[CrashTest]) -> Judgement:
    """Return how the boot ended, by the captures of its crash and the tests that were recorded."""
    found = sorted(captures, key=_worth)
    best = found[-1] if found else None
    dump = best if best is not None and best.layout not in LOG_ONLY_LAYOUTS else None
    test = next((one for one in tests if _test_may_have_ended(boot, one)), None)
    if test is not None and not (boot.in_order and best is None):
        return _of_a_test(boot, test, dump)
    if dump is not None:
        return _of_a_dump(dump)
    if best is not None:
        armed = boot.armed if best.crash.armed is None else best.crash.armed
        place = shown(best.directory)
        what = f"The last messages of the kernel are in '{place}', but there is no dump: "
        return Judgement(
            end=BootEnd.CRASH_NOT_CAPTURED,
            reason=what + _why_not(boot, armed=armed),
            capture=best,
            at=crashed_at(best) or boot.ended,
        )
    return _without_capture(boot)


def fixes(new: BootEnd, old: BootEnd) -> bool:
    """Return whether a word that is found later says more than the one that stands."""
    return BOOT_END_RANKS[new] > BOOT_END_RANKS[old]


def _of_a_test(boot: EndedBoot, test: CrashTest, dump: Capture | None) -> Judgement:
    if test.verdict is CrashTestVerdict.PASSED or _is_whole(dump):
        return Judgement(
            end=BootEnd.TEST_CAPTURED,
            reason="A crash test ended the previous boot, and its dump is complete.",
            capture=dump,
            at=test.at,
        )
    what = "A crash test ended the previous boot, and "
    if test.reason:
        why = f"it failed: {test.reason}"
    elif dump is not None:
        why = f"its dump is not complete: {_problem(dump)}"
    else:
        why = f"no dump was found; {_why_not(boot, armed=_first(test.armed, boot.armed))}"
    return Judgement(end=BootEnd.TEST_NOT_CAPTURED, reason=what + why, capture=dump, at=test.at)


def _of_a_dump(dump: Capture) -> Judgement:
    whole = _is_whole(dump)
    if dump.is_test:
        end = BootEnd.TEST_CAPTURED if whole else BootEnd.TEST_NOT_CAPTURED
        what = "A crash test ended the previous boot"
    else:
        end = BootEnd.CRASH_CAPTURED if whole else BootEnd.CRASH_INCOMPLETE
        what = "The kernel crashed"
    place = shown(dump.directory)
    if whole:
        reason = f"{what}, and a complete dump is in '{place}'."
    else:
        reason = f"{what}, but the dump in '{place}' is not complete: {_problem(dump)}"
    return Judgement(end=end, reason=reason, capture=dump, at=dump.crashed_at)


def _without_capture(boot: EndedBoot) -> Judgement:
    if boot.crash_kernel_started:
        reason = f"The kernel crashed, but kdumpd found no dump: {CRASH_KERNEL_STARTED}"
        return Judgement(end=BootEnd.CRASH_NOT_CAPTURED, reason=reason, at=boot.ended)
    if boot.panic:
        reason = "The kernel crashed, as the journal shows, but nothing was captured: "
        reason += _why_not(boot, armed=boot.armed)
        return Judgement(end=BootEnd.CRASH_NOT_CAPTURED, reason=reason, at=boot.ended)
    if boot.stopped or boot.shutdown is Shutdown.DONE:
        return Judgement(end=BootEnd.CLEAN, reason=CLEAN_SHUTDOWN)
    if boot.shutdown is Shutdown.BEGUN:
        return Judgement(end=BootEnd.CLEAN, reason=SHUTDOWN_BEGUN)
    if boot.problem or not boot.known:
        reason = JOURNAL_UNREAD.format(problem=boot.problem) if boot.problem else NO_RECORD
        return Judgement(end=BootEnd.UNKNOWN, reason=reason)
    and_unarmed = " No crash kernel was loaded, so a crash could leave no dump."
    return Judgement(
        end=BootEnd.UNCLEAN, reason=NO_SHUTDOWN + (and_unarmed if boot.armed is False else "")
    )


def _test_may_have_ended(boot: EndedBoot, test: CrashTest) -> bool:
    """Return whether a test of this boot can be what ended it: it did not go on for long after."""
    if not test.boot_id or test.boot_id != boot.id or test.crashed_nothing:
        return False
    return boot.ended is None or test.at >= boot.ended - 2 * CLOCK_TOLERANCE


def _why_not(boot: EndedBoot, *, armed: bool | None) -> str:
    if boot.crash_kernel_started:
        return CRASH_KERNEL_STARTED
    if armed is None:
        return CRASH_KERNEL_UNKNOWN
    return CRASH_KERNEL_FAILED if armed else NO_CRASH_KERNEL_LOADED


def _first(first: bool | None, second: bool | None) -> bool | None:  # noqa: FBT001  # two answers to one question
    return second if first is None else first


def _is_whole(dump: Capture | None) -> bool:
    return dump is not None and dump.state is CaptureState.COMPLETE


def _problem(dump: Capture) -> str:
    if dump.state is CaptureState.GONE:
        return "it is gone."
    if dump.state is CaptureState.DMESG_ONLY:
        return "it is only the kernel log."
    return f"it {dump.problem or 'is cut off'}."


def _worth(capture: Capture) -> tuple[bool, bool, bool, bool, str]:
    """Return what sorts the captures of one crash, the one that tells most last."""
    return (
        capture.layout not in LOG_ONLY_LAYOUTS,
        _is_whole(capture),
        bool(capture.core_file),
        capture.state is not CaptureState.GONE,
        capture.id,
    )
