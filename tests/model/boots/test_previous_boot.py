# SPDX-License-Identifier: GPL-2.0-or-later
"""How the boot before ended: each of the eight words, and which evidence is believed first."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kdumpd.model.boot_history import with_stop
from kdumpd.model.boots.journal import PastBoot, PastBoots, Shutdown
from kdumpd.model.boots.record import BootRecord
from kdumpd.model.captures.capture import UNKNOWN_CRASH, Layout, Sighting, capture_id
from kdumpd.model.captures.core import CoreFacts
from kdumpd.model.crash_test import CrashTest
from kdumpd.model.events import Event, EventKind, new_crashes
from kdumpd.model.readiness.facts import KernelFacts, LastReservation, ServiceFacts
from kdumpd.model.state import State
from kdumpd.model.vocabulary import BootEnd, Crash, CrashTestVerdict
from tests.support.looks import (
    BOOT,
    CUT,
    DELAYS,
    FACTS,
    KERNEL,
    START,
    Watched,
    capture,
    distrusted,
)

BEFORE, EARLIER, CAPTURING = ("11111111", "22222222", "cccccccc")
RELEASE = KERNEL.release
DIED = FACTS.crashed_at or START  # 01:13:34
BEGAN = DIED + timedelta(seconds=80)  # of the boot that runs; START is 01:15
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
STARTING = ServiceFacts(starting=True)


def boot(  # noqa: PLR0913  # a boot has as many sides
    id_: str = BEFORE,
    *,
    ended: datetime = DIED - timedelta(seconds=5),
    lasted: timedelta = HOUR,
    shutdown: Shutdown = Shutdown.NONE,
    panic: str = "",
    release: str = RELEASE,
    is_crash_kernel: bool = False,
) -> PastBoot:
    return PastBoot(
        id=id_,
        began=ended - lasted,
        ended=ended,
        uptime=lasted.total_seconds(),
        release=release,
        is_crash_kernel=is_crash_kernel,
        shutdown=shutdown,
        panic=panic,
    )


CAPTURE_BOOT = boot(
    CAPTURING,
    ended=DIED + timedelta(seconds=40),
    lasted=timedelta(seconds=30),
    is_crash_kernel=True,
)


def machine(*boots: PastBoot, state: State | None = None) -> Watched:
    """Return a machine whose journal has these boots, the newest first."""
    watched = Watched(replace(state or State(), validated_boot=BOOT))
    watched.past = PastBoots(boots=boots, began=BEGAN)
    return watched


def dump(
    at: datetime = DIED, *, facts: CoreFacts = FACTS, name: str = "a", crash: Crash = UNKNOWN_CRASH
) -> Sighting:
    """Return a dump of a crash at this time."""
    facts = replace(facts, crashed_at=at, identity=name.encode())
    sighting = capture(facts, directory=f"/var/crash/{name}".encode())
    return replace(sighting, crash=crash, id=capture_id(name.encode()))


def archived(name: str = "17", crash: Crash = UNKNOWN_CRASH) -> Sighting:
    """Return a kernel log that systemd-pstore archived at this boot in this directory."""
    sighting = capture(None, directory=f"/var/crash/{name}".encode())
    return replace(
        sighting,
        layout=Layout.PSTORE,
        logged_at=BEGAN + timedelta(seconds=9),
        crash=replace(crash, reason="BUG: x"),
        id=capture_id(name.encode()),
    )


def after_seconds(seconds: int) -> Crash:
    """Return a crash so long after the boot of its kernel."""
    return Crash(moment=seconds * 1_000_000)


def settle(watched: Watched, *sightings: Sighting, kernel: KernelFacts = KERNEL) -> list[Event]:
    """Look until what is there has settled, and return all events."""
    watched.look(*sightings, kernel=kernel)
    watched.look(*sightings, kernel=kernel, after=DELAYS.settle)
    return watched.told


def word(watched: Watched) -> str:
    assert watched.state.previous is not None
    return str(watched.state.previous.end)


def reason(watched: Watched) -> str:
    assert watched.state.previous is not None
    return watched.state.previous.reason


def of(events: Sequence[Event], kind: EventKind) -> list[Event]:
    return [event for event in events if event.kind is kind]


# The eight words


@pytest.mark.parametrize("shutdown", [Shutdown.DONE, Shutdown.BEGUN])
def test_clean_by_the_journal(shutdown: Shutdown) -> None:
    watched = machine(boot(shutdown=shutdown))
    assert settle(watched) == []
    assert word(watched) == "clean"


def test_clean_by_the_ledger() -> None:
    """The journal is not kept on disk; kdumpd was ended with the machine."""
    last = machine()
    settle(last)
    stopped = with_stop(last.state, START)
    next_boot = Watched(stopped)
    next_boot.past = PastBoots(began=START + HOUR)
    settle(next_boot, kernel=replace(KERNEL, boot_id="next"))
    assert word(next_boot) == "clean"


def test_the_ledger_alone_without_a_stop_is_unclean() -> None:
    last = machine()
    settle(last)
    next_boot = Watched(last.state)
    next_boot.past = PastBoots(began=START + HOUR)
    settle(next_boot, kernel=replace(KERNEL, boot_id="next"))
    assert word(next_boot) == "unclean"
    (event,) = of(next_boot.told, EventKind.BOOT_UNCLEAN)
    assert event.facts["boot"] == BOOT


UNREAD = "the journal does not answer: no answer within 5 s"


@pytest.mark.parametrize("ever", [False, True], ids=["never", "before"])
def test_a_journal_that_cannot_be_read_proves_no_end(*, ever: bool) -> None:
    """Whether kdumpd ran in that boot, or never; and what is read late is believed."""
    last = machine()
    if ever:
        settle(last)
    next_boot = Watched(replace(last.state, validated_boot="next"))
    next_boot.past = PastBoots(began=START + HOUR, problem=UNREAD)
    settle(next_boot, kernel=replace(KERNEL, boot_id="next"))
    assert word(next_boot) == "unknown"
    assert reason(next_boot) == f"kdumpd does not know how the previous boot ended: {UNREAD}."
    assert of(next_boot.told, EventKind.BOOT_UNCLEAN) == []
    next_boot.past = PastBoots(boots=(boot(BOOT, shutdown=Shutdown.DONE),), began=START + HOUR)
    next_boot.look(kernel=replace(KERNEL, boot_id="next"))
    assert word(next_boot) == "clean"


def test_what_is_known_without_the_journal_is_said_also_where_it_cannot_be_read() -> None:
    last = machine()
    settle(last)
    next_boot = Watched(with_stop(last.state, START))
    next_boot.past = PastBoots(began=START + HOUR, problem=UNREAD)
    settle(next_boot, kernel=replace(KERNEL, boot_id="next"))
    assert word(next_boot) == "clean"


def test_a_boot_that_one_of_two_journals_has() -> None:
    watched = machine(boot())
    watched.past = replace(watched.past, problem="'/run/log/journal' cannot be read: x")
    settle(watched)
    assert word(watched) == "unclean"


def test_a_daemon_that_is_started_again_was_not_ended_with_the_machine() -> None:
    watched = machine(boot(shutdown=Shutdown.DONE))
    settle(watched)
    watched.state = with_stop(watched.state, START)
    watched.look()
    assert watched.state.history[0].stopped_at is None


def test_crash_captured() -> None:
    watched = machine(boot())
    watched.look(dump())
    assert word(watched) == "crash-captured"
    assert "/var/crash/a" in reason(watched)
    assert watched.state.previous is not None
    assert watched.state.previous.capture == capture_id(b"a")


@pytest.mark.parametrize("facts", [CUT, replace(CUT, problem="is no core")])
def test_crash_incomplete(facts: CoreFacts) -> None:
    watched = machine(boot())
    settle(watched, dump(facts=facts))
    assert word(watched) == "crash-incomplete"
    assert facts.problem in reason(watched)


def test_crash_incomplete_by_the_log_beside_no_core() -> None:
    watched = machine(boot())
    settle(watched, replace(capture(None), logged_at=DIED + MINUTE))
    assert word(watched) == "crash-incomplete"
    assert "only the kernel log" in reason(watched)


@pytest.mark.parametrize(
    ("armed", "words"), [(True, "a crash kernel was loaded"), (False, "no crash kernel was loaded")]
)
def test_crash_not_captured_by_an_archived_log(armed: bool, words: str) -> None:  # noqa: FBT001
    watched = machine(boot())
    settle(watched, archived(crash=Crash(armed=armed)))
    assert word(watched) == "crash-not-captured"
    assert words in reason(watched)
    (event,) = of(watched.told, EventKind.CRASH_NOT_CAPTURED)
    assert event.facts["boot"] == BEFORE
    assert event.facts["reason"] == "BUG: x"


@pytest.mark.parametrize(
    ("armed", "words"), [(True, "a crash kernel was loaded"), (False, "no crash kernel was loaded")]
)
def test_what_was_armed_is_known_from_the_ledger(armed: bool, words: str) -> None:  # noqa: FBT001
    record = BootRecord(id=BEFORE, seen_at=DIED - HOUR, began=DIED - HOUR, armed=armed)
    watched = machine(boot(panic="Fatal exception"), state=State(history=(record,)))
    settle(watched)
    assert word(watched) == "crash-not-captured"
    assert words in reason(watched)


def test_what_was_ever_armed_is_known_from_an_older_ledger() -> None:
    had = LastReservation(boot_id=BEFORE, crashkernel="256M", reserved=1, ram=None, armed=True)
    watched = machine(boot(panic="Fatal exception"), state=State(boots=(had,)))
    settle(watched)
    assert "a crash kernel was loaded" in reason(watched)


def test_crash_not_captured_by_the_boot_of_the_crash_kernel() -> None:
    watched = machine(CAPTURE_BOOT, boot())
    settle(watched)
    assert word(watched) == "crash-not-captured"
    assert "the crash kernel started" in reason(watched)
    assert watched.state.previous is not None
    assert watched.state.previous.id == BEFORE


def test_a_crash_kernel_of_an_earlier_crash_says_nothing_of_the_last_boot() -> None:
    later = boot(ended=BEGAN - timedelta(seconds=9), lasted=timedelta(seconds=20))
    earlier = boot(EARLIER, ended=DIED - 2 * MINUTE)
    capturing = boot(CAPTURING, ended=DIED, lasted=timedelta(seconds=20), is_crash_kernel=True)
    watched = machine(later, capturing, earlier)
    settle(watched)
    assert word(watched) == "unclean"


def test_crash_not_captured_by_the_last_words() -> None:
    watched = machine(boot(panic="Fatal exception"))
    settle(watched)
    assert word(watched) == "crash-not-captured"
    (event,) = of(watched.told, EventKind.CRASH_NOT_CAPTURED)
    assert event.facts["reason"] == "Fatal exception"


A_TEST = CrashTest(id="t", at=DIED, boot_id=BEFORE)


def with_test(test: CrashTest = A_TEST) -> State:
    return State(tests=(test,))


def test_test_captured() -> None:
    watched = machine(boot(), state=with_test())
    watched.look(dump())
    assert word(watched) == "test-captured"


def test_test_of_another_tool_captured() -> None:
    watched = machine(boot())
    watched.look(replace(dump(), is_test=True))
    assert word(watched) == "test-captured"


@pytest.mark.parametrize("sightings", [(), (dump(facts=CUT),)], ids=["nothing", "incomplete"])
def test_test_not_captured(sightings: tuple[Sighting, ...]) -> None:
    watched = machine(boot(), state=with_test(replace(A_TEST, armed=True)))
    settle(watched, *sightings)
    assert word(watched) == "test-not-captured"
    assert not of(watched.told, EventKind.CRASH_NOT_CAPTURED)


def test_a_test_that_was_judged_to_have_failed() -> None:
    failed = replace(A_TEST, verdict=CrashTestVerdict.FAILED, reason="the disk was full.")
    watched = machine(boot(), state=with_test(failed))
    settle(watched)
    assert (word(watched), "the disk was full" in reason(watched)) == ("test-not-captured", True)


def test_a_test_that_did_not_end_the_boot() -> None:
    watched = machine(boot(), state=with_test(replace(A_TEST, at=DIED - 50 * MINUTE)))
    watched.look(dump())
    assert word(watched) == "crash-captured"


def test_a_test_that_was_recorded_and_never_made() -> None:
    watched = machine(boot(shutdown=Shutdown.DONE), state=with_test())
    settle(watched)
    assert word(watched) == "clean"


def test_unclean() -> None:
    watched = machine(boot())
    events = settle(watched)
    assert word(watched) == "unclean"
    (event,) = of(events, EventKind.BOOT_UNCLEAN)
    assert event.facts["boot"] == BEFORE
    assert settle(watched) == events


def test_unknown() -> None:
    watched = machine()
    settle(watched)
    assert word(watched) == "unknown"
    assert "Nothing is known" in reason(watched)
    assert watched.told == []


# When


def test_nothing_is_said_before_this_boot_is_over() -> None:
    watched = machine(boot(panic="Fatal exception"))
    watched.look(service=STARTING, after=-990)
    assert word(watched) == "unknown"
    assert "does not know yet" in reason(watched)
    assert watched.told == []
    watched.look(service=replace(STARTING, starting=False))
    assert word(watched) == "crash-not-captured"


def test_what_was_found_is_believed_at_once() -> None:
    watched = machine(boot())
    watched.look(dump(), service=STARTING, after=-990)
    assert word(watched) == "crash-captured"


def test_nothing_is_said_while_a_capture_is_written() -> None:
    watched = machine(boot())
    watched.look(dump(facts=CUT))
    assert word(watched) == "unknown"
    watched.look(dump(facts=CUT), after=DELAYS.settle)
    assert word(watched) == "crash-incomplete"


def test_what_a_stranger_writes_holds_up_nothing() -> None:
    """He could write for ever; and his capture tells of no boot."""
    watched = machine(boot())
    watched.look(distrusted(dump(facts=CUT)))
    assert watched.state.settling
    assert word(watched) == "unclean"


def test_a_late_mount_mends_the_word() -> None:
    watched = machine(boot())
    settle(watched)
    assert word(watched) == "unclean"
    watched.look(dump(facts=CUT))
    watched.look(dump(facts=CUT), after=DELAYS.settle)
    assert word(watched) == "crash-incomplete"
    watched.look(dump())
    assert word(watched) == "crash-captured"


def test_a_word_is_not_taken_back_when_its_capture_is_removed() -> None:
    watched = machine(boot())
    watched.look(dump())
    watched.look()
    watched.look(after=DELAYS.settle)
    assert word(watched) == "crash-captured"


# Which crash is whose


@pytest.mark.parametrize("late", [timedelta(0), 4 * MINUTE])
def test_a_clock_that_is_a_little_wrong(late: timedelta) -> None:
    watched = machine(boot())
    watched.look(dump(BEGAN + late))
    assert word(watched) == "crash-captured"


@pytest.mark.parametrize(
    "sighting",
    [
        dump(DIED - 30 * MINUTE),
        dump(BEGAN + HOUR),
        dump(facts=replace(FACTS, host="other")),
        dump(facts=replace(FACTS, kernel_release="5.10.0-1-amd64")),
        dump(crash=after_seconds(600)),  # the boot lived for an hour
        distrusted(dump()),
    ],
    ids=["before", "after", "host", "release", "outlived", "strangers"],
)
def test_what_is_not_the_crash_that_ended_it(sighting: Sighting) -> None:
    watched = machine(boot(shutdown=Shutdown.DONE))
    settle(watched, sighting, kernel=replace(KERNEL, host="crashed.example"))
    assert word(watched) == "clean"


def test_what_was_known_before_the_next_boot_began() -> None:
    last = machine()
    last.look(dump())
    next_boot = Watched(last.state)
    next_boot.clock += 3600
    next_boot.past = PastBoots(boots=(boot(BOOT, ended=DIED + MINUTE, shutdown=Shutdown.DONE),))
    settle(next_boot, dump(), kernel=replace(KERNEL, boot_id="next"))
    assert word(next_boot) == "clean"


def test_an_oops_that_the_boot_outlived() -> None:
    watched = machine(boot(shutdown=Shutdown.DONE))
    settle(watched, archived(crash=after_seconds(60)))
    assert word(watched) == "clean"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{int(DIED.timestamp())}", "crash-not-captured"),
        (f"{int(DIED.timestamp())}/001", "crash-not-captured"),
        (f"{int(DIED.timestamp() - 7200)}", "clean"),
        (f"{int(DIED.timestamp() - 1800) << 32}", "crash-not-captured"),
        (f"{int(DIED.timestamp() - 7200) << 32}", "clean"),
    ],
    ids=["efi", "efi-count", "efi-older", "erst", "erst-older"],
)
def test_the_time_in_the_name_of_an_archive(name: str, expected: str) -> None:
    watched = machine(boot(shutdown=Shutdown.DONE))
    settle(watched, archived(name))
    assert word(watched) == expected


def test_a_boot_that_no_record_has_is_known_by_its_crash() -> None:
    """It died before its journal was on disk, and before kdumpd was started."""
    watched = machine(boot(ended=DIED - MINUTE, shutdown=Shutdown.DONE))
    watched.look(dump(crash=after_seconds(20)))
    assert word(watched) == "crash-captured"
    settle(watched, dump(crash=after_seconds(20)))
    words = {one.id: str(one.end) for one in watched.state.history if one.decided}
    assert words == {f"before {BOOT}": "crash-captured"}


def test_a_crash_is_enough_where_nothing_else_is_kept() -> None:
    watched = machine()
    watched.look(dump())
    assert word(watched) == "crash-captured"


def test_a_crash_of_long_ago_is_not_where_nothing_else_is_kept() -> None:
    watched = machine()
    watched.look(dump(DIED - 24 * HOUR))
    settle(watched, dump(DIED - 24 * HOUR))
    assert word(watched) == "unknown"


# Several boots


def crashed_in_a_row(number: int = 4) -> tuple[PastBoot, ...]:
    """Return boots that crashed five minutes after one another, the newest first."""
    return tuple(
        boot(
            f"boot-{number - back}",
            ended=BEGAN - timedelta(seconds=30) - back * 5 * MINUTE,
            lasted=2 * MINUTE,
            panic="Fatal exception",
        )
        for back in range(number)
    )


def test_several_crashed_boots_are_told_in_order_each_once() -> None:
    watched = machine(
        *crashed_in_a_row(), boot(EARLIER, ended=DIED - 5 * HOUR, shutdown=Shutdown.DONE)
    )
    settle(watched)
    events = of(watched.told, EventKind.CRASH_NOT_CAPTURED)
    assert [event.facts["boot"] for event in events] == ["boot-1", "boot-2", "boot-3", "boot-4"]
    settle(watched)
    assert of(watched.told, EventKind.CRASH_NOT_CAPTURED) == events


def test_the_same_ids_after_the_ledger_was_lost() -> None:
    first, second = machine(*crashed_in_a_row()), machine(*crashed_in_a_row())
    settle(first)
    second.clock += 60
    settle(second)
    assert [event.id for event in first.told] == [event.id for event in second.told]


def test_a_loop_is_told_once() -> None:
    watched = machine(*crashed_in_a_row(3))
    settle(watched)
    (event,) = of(watched.told, EventKind.CRASH_LOOP)
    assert event.facts["crashes"] == "3"
    later = Watched(watched.state)
    later.past = PastBoots(
        boots=(
            boot(BOOT, ended=BEGAN + 2 * MINUTE, lasted=2 * MINUTE, panic="Fatal exception"),
            *crashed_in_a_row(3),
        ),
        began=BEGAN + 3 * MINUTE,
    )
    settle(later, kernel=replace(KERNEL, boot_id="next"))
    assert of(later.told, EventKind.CRASH_NOT_CAPTURED)
    assert not of(later.told, EventKind.CRASH_LOOP)


def test_captured_crashes_make_a_loop_as_well() -> None:
    watched = machine()
    dumps = [dump(DIED - number * 5 * MINUTE, name=f"{number}") for number in range(3)]
    watched.look(*dumps)
    assert len(of(watched.told, EventKind.CRASH_LOOP)) == 1


def test_tests_and_distant_crashes_make_none() -> None:
    watched = machine()
    dumps = [dump(DIED - number * 16 * MINUTE, name=f"{number}") for number in range(3)]
    tests = [
        replace(dump(DIED - number * MINUTE, name=f"t{number}"), is_test=True)
        for number in range(3)
    ]
    settle(watched, *dumps, *tests)
    assert not of(watched.told, EventKind.CRASH_LOOP)


def test_an_unclean_end_is_told_of_the_last_boot_alone() -> None:
    watched = machine(boot(), boot(EARLIER, ended=DIED - 2 * HOUR))
    settle(watched)
    assert [event.facts["boot"] for event in of(watched.told, EventKind.BOOT_UNCLEAN)] == [BEFORE]


# Reports


def reports(watched: Watched, *looks: Sequence[Sighting], after: float = 0.0) -> list[str]:
    found = []
    for sightings in looks:
        before = watched.state
        watched.look(*sightings, after=after)
        found += [report.capture for report in new_crashes(before, watched.state)]
    return found


def test_each_crash_is_reported_once() -> None:
    watched = machine(boot())
    assert reports(watched, [dump()], [dump()], [], [dump()]) == [capture_id(b"a")]


def test_a_crash_without_a_capture_is_reported_without_one() -> None:
    watched = machine(boot(panic="Fatal exception"))
    assert reports(watched, [], []) == [""]
    # What turns up later is the same crash.
    assert reports(watched, [dump()], [dump()]) == []
    assert word(watched) == "crash-captured"


def test_two_records_of_one_crash_are_one_crash() -> None:
    watched = machine(boot())
    both = [archived("1"), archived("2")]
    assert len(reports(watched, both, both, both, after=DELAYS.settle)) == 1


def test_strangers_report_nothing() -> None:
    watched = machine(boot())
    looks = [[distrusted(dump())]] * 3
    assert reports(watched, *looks, after=DELAYS.settle) == []


def test_every_word_is_one_of_eight() -> None:
    assert len(BootEnd) == 8
