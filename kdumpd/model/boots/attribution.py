# SPDX-License-Identifier: GPL-2.0-or-later
"""Which boot was ended by the crash that a capture tells of.

Clocks are not trusted far: that of a crash kernel is the hardware's, and the first minutes of a
boot may have it too. So the kernel's release and its own seconds since its boot count as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from kdumpd.model.boots.record import LONG_AGO, EndedBoot
from kdumpd.model.captures.capture import LOG_ONLY_LAYOUTS, Capture, Layout
from kdumpd.model.captures.layouts import RecordTime, parse_record_time
from kdumpd.model.text import USEC_PER_SEC

# journald writes to the disk every 5 minutes; and clocks differ
CLOCK_TOLERANCE = timedelta(minutes=5)
NO_TOLERANCE = timedelta(0)
# from a crash to the next boot, where nothing is known of the boot
MAX_CRASH_BEFORE_BOOT_SPAN = timedelta(hours=1)
# seconds, and a part of the uptime: printk's clock is not adjusted
CLOCK_SLACK_S, CLOCK_DRIFT_RATIO = 120.0, 0.001
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


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
            if may_have_ended(boot, capture, tolerance):
                return boot
    return None


def may_have_ended(boot: EndedBoot, capture: Capture, tolerance: timedelta) -> bool:
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
