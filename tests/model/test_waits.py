# SPDX-License-Identifier: GPL-2.0-or-later
"""What is waited for goes on after a restart, and what is kept of it stays small."""

from dataclasses import replace

import pytest

from kdumpd.model.captures.capture import Sighting
from kdumpd.model.captures.reading import Answer
from kdumpd.model.events import Event, EventKind
from kdumpd.model.readiness.facts import DirectoryFacts, KernelFacts, ServiceFacts
from kdumpd.model.state import NO_WAITS, CrashDirectory, KeptWaits, State
from kdumpd.model.vocabulary import CaptureState, Crash, CrashClass, Readiness
from kdumpd.model.waits import MAX_KEPT_WAITS, WRITE_BURST_S, WRITE_INTERVAL_S, next_writing
from tests.support.looks import (
    BOOT,
    CRASH,
    CUT,
    DELAYS,
    DIRECTORY,
    FACTS,
    KERNEL,
    UNSEEN,
    Watched,
    capture,
    distrusted,
    of_another_crash,
)

UNLOADED = replace(KERNEL, crash_loaded=False)
LOG_ALONE = capture(None)
LIFE = 5.0  # seconds from one restart to the next
AT_ONCE = int(WRITE_BURST_S / WRITE_INTERVAL_S) + 1  # so often is written without a pause


@pytest.fixture
def watched() -> Watched:
    """A machine whose boot is validated already."""
    return Watched(State(validated_boot=BOOT, told=Readiness.READY))


def restarted(watched: Watched, boot_id: str | None = None) -> Watched:
    """Return the machine after a restart of the daemon: no more is known than the ledger keeps."""
    known = watched.state
    waits = KeptWaits(
        unchanged=known.waits.unchanged,
        missing=known.waits.missing,
        change=known.waits.change,
        boot_id=known.waits.boot_id if boot_id is None else boot_id,
    )
    again = Watched(
        State(
            captures=known.captures,
            readings={
                key: replace(one, under_way=False, not_before=0.0)
                for key, one in known.readings.items()
            },
            validated_boot=known.validated_boot,
            told=known.told,
            boots=known.boots,
            waits=waits,
        )
    )
    again.clock = watched.clock
    return again


def told_after(
    watched: Watched,
    *sightings: Sighting,
    kernel: KernelFacts = KERNEL,
    service: ServiceFacts = UNSEEN,
) -> tuple[float, Event]:
    """Return in how many seconds of restarts the first event comes, and that."""
    began = watched.clock
    events = watched.look(*sightings, kernel=kernel, service=service)
    while not events:
        watched = restarted(watched)
        events = watched.look(*sightings, after=LIFE, kernel=kernel, service=service)
        assert watched.clock - began < 2 * DELAYS.mount
    return watched.clock - began, events[0]


# What goes on


def test_a_capture_settles_over_restarts(watched: Watched) -> None:
    took, event = told_after(watched, LOG_ALONE)
    assert took == DELAYS.settle
    assert event.facts["state"] == CaptureState.DMESG_ONLY


def test_what_is_gone_is_told_over_restarts(watched: Watched) -> None:
    watched.look(capture())
    took, event = told_after(watched)
    assert took == DELAYS.settle
    assert event.kind is EventKind.CAPTURE_GONE


def test_what_was_on_another_file_system_is_gone_at_last_over_restarts(watched: Watched) -> None:
    watched.look(replace(capture(), filesystem=2))
    took, event = told_after(watched)
    assert took == DELAYS.mount
    assert event.kind is EventKind.CAPTURE_GONE


@pytest.mark.parametrize(
    ("service", "seconds"),
    [
        (UNSEEN, DELAYS.steady),
        (ServiceFacts(starting=False, active_state="activating"), DELAYS.unit),
    ],
    ids=["at rest", "a unit at work"],
)
def test_a_change_of_readiness_stands_over_restarts(
    watched: Watched, service: ServiceFacts, seconds: float
) -> None:
    took, event = told_after(watched, kernel=UNLOADED, service=service)
    assert took == seconds
    assert (event.facts["before"], event.facts["readiness"]) == ("ready", "not-ready")


def test_what_has_settled_does_not_settle_again_for_what_is_read_of_it(watched: Watched) -> None:
    """The log in a core that was cut off: the daemon is restarted while it is read."""
    cut = capture(CUT, dmesg=b"")
    watched.look(cut)
    assert watched.look(cut, after=DELAYS.settle) == []
    assert watched.only.log_awaited
    watched = restarted(watched)
    watched.look(cut, after=LIFE)
    assert watched.state.job is not None
    crash = Crash(class_=CrashClass.NMI)
    answer = Answer(key=watched.state.job.key, done=True, crash=crash)
    (event,) = watched.look(cut, after=LIFE, answers=[answer])
    assert event.facts["class"] == "nmi"
    assert watched.state.waits == NO_WAITS


def test_a_directory_that_does_not_answer_at_the_start(watched: Watched) -> None:
    watched.look(LOG_ALONE)
    for _ in range(3):
        watched = restarted(watched)
        watched.look(after=LIFE, problem="'/var/crash' does not answer")
        assert watched.state.settling == {}
        assert watched.listed == ()
    watched.look(LOG_ALONE, after=DELAYS.settle - 3 * LIFE)
    assert watched.only.state is CaptureState.DMESG_ONLY


def test_a_directory_inside_that_could_not_be_read_at_the_start(watched: Watched) -> None:
    watched.look(LOG_ALONE)
    watched = restarted(watched)
    facts = DirectoryFacts(path=CRASH, present=True)
    watched.look_at(CrashDirectory(facts=facts, unread=frozenset({DIRECTORY})), after=LIFE)
    (event,) = watched.look(LOG_ALONE, after=DELAYS.settle - LIFE)
    assert event.facts["state"] == CaptureState.DMESG_ONLY


# What begins anew


def test_what_has_changed_meanwhile_settles_anew(watched: Watched) -> None:
    watched.look(capture(CUT))
    watched = restarted(watched)
    took, _ = told_after(watched, capture(CUT, size=2000))
    assert took == DELAYS.settle


def test_readiness_that_has_changed_meanwhile_stands_anew(watched: Watched) -> None:
    watched.look(after=60, problem="'/var/crash' does not answer")
    took, event = told_after(restarted(watched), kernel=UNLOADED)
    assert took == DELAYS.steady
    assert event.facts["readiness"] == Readiness.NOT_READY


def test_what_has_come_again_meanwhile_is_missed_anew(watched: Watched) -> None:
    watched.look(capture())
    watched.look(after=LIFE)
    watched = restarted(watched)
    watched.look(capture(), after=LIFE)
    took, _ = told_after(restarted(watched))
    assert took == DELAYS.settle


def test_readiness_that_came_back_meanwhile_is_not_told(watched: Watched) -> None:
    watched.look(kernel=UNLOADED)
    watched = restarted(watched)
    assert watched.look(after=DELAYS.steady) == []
    assert watched.state.waits == NO_WAITS


@pytest.mark.parametrize("boot_id", ["another", ""])
def test_a_new_boot_begins_anew(watched: Watched, boot_id: str) -> None:
    watched.look(LOG_ALONE, kernel=UNLOADED)
    watched = restarted(watched, boot_id)
    assert watched.look(LOG_ALONE, kernel=UNLOADED, after=DELAYS.settle) == []
    events = watched.look(LOG_ALONE, kernel=UNLOADED, after=DELAYS.settle)
    assert {event.kind for event in events} == {
        EventKind.CAPTURE_INCOMPLETE,
        EventKind.READINESS_CHANGED,
    }


def test_a_boot_whose_id_cannot_be_read_begins_anew(watched: Watched) -> None:
    """It may be another one, with another clock."""
    watched.look(LOG_ALONE)
    watched = restarted(watched)
    assert watched.look(LOG_ALONE, after=DELAYS.settle, kernel=replace(KERNEL, boot_id="")) == []


def test_what_is_of_the_future_begins_anew(watched: Watched) -> None:
    watched.look(capture())
    watched.look(LOG_ALONE, kernel=UNLOADED)
    watched = restarted(watched)
    watched.clock -= 500
    took, _ = told_after(watched, LOG_ALONE, kernel=UNLOADED)
    assert took == DELAYS.steady
    took, _ = told_after(restarted(watched), LOG_ALONE)
    assert took == DELAYS.settle


def test_a_boot_that_is_not_validated_is_not_waited_for() -> None:
    """Until then, each look begins to wait anew: that it is over is told by the clock itself."""
    booting = Watched()
    booting.clock = 5.0
    booting.look(kernel=UNLOADED)
    assert booting.state.change is not None
    assert booting.state.waits == NO_WAITS


# What is kept


def test_what_has_settled_is_not_kept(watched: Watched) -> None:
    watched.look(LOG_ALONE)
    assert set(watched.state.waits.unchanged) == {DIRECTORY}
    watched.look(LOG_ALONE, after=DELAYS.settle)
    assert watched.only.state is CaptureState.DMESG_ONLY
    assert watched.state.waits == NO_WAITS


def test_what_is_gone_before_it_has_settled_is_not_kept(watched: Watched) -> None:
    watched.look(LOG_ALONE)
    watched.look(after=1)
    assert watched.state.waits == NO_WAITS


def test_what_is_a_strangers_is_not_kept(watched: Watched) -> None:
    theirs = distrusted(LOG_ALONE)
    watched.look(theirs)
    assert watched.state.settling
    assert watched.state.waits == NO_WAITS
    watched.look(theirs, after=DELAYS.settle)
    watched.look(after=1)
    assert watched.state.missing
    assert watched.state.waits == NO_WAITS
    for _ in range(3):
        watched.look(theirs, problem="'/var/crash' does not answer")
        watched.look(problem="'/var/crash' does not answer")
    assert watched.state.unseen == {}


def test_what_was_trusted_is_not_kept_any_more(watched: Watched) -> None:
    watched.look(LOG_ALONE)
    watched.look(distrusted(LOG_ALONE), after=1)
    assert watched.state.waits == NO_WAITS
    watched.look(LOG_ALONE, after=1)
    assert set(watched.state.waits.unchanged) == {DIRECTORY}


def test_no_more_are_kept_than_so_many(watched: Watched) -> None:
    """Those that came first stay, and make room once they have settled."""

    def logs(number: int) -> list[Sighting]:
        return [
            of_another_crash(capture(None, directory=b"/var/crash/%06d" % one), b"%d" % one)
            for one in range(number)
        ]

    first = logs(10)
    watched.look(*first)
    watched.look(*logs(MAX_KEPT_WAITS + 20), after=1)
    kept = watched.state.waits.unchanged
    assert len(kept) == MAX_KEPT_WAITS
    assert {sighting.place for sighting in first} <= set(kept)


# How often it is written


def writings(watched: Watched, seconds: float, *, every: float) -> list[float]:
    """Return when something is written, while a core grows and readiness flaps at each look."""
    written = []
    for number in range(int(seconds / every)):
        before = watched.state.waits
        kernel = UNLOADED if number % 2 else KERNEL
        watched.look(capture(CUT, size=1000 + number), after=every, kernel=kernel)
        if watched.state.waits != before:
            written.append(watched.clock)
    return written


def test_churn_is_not_written_each_time(watched: Watched) -> None:
    written = writings(watched, 100.0, every=0.25)
    assert len(written) <= AT_ONCE + 100.0 / WRITE_INTERVAL_S
    assert written[AT_ONCE - 1] - written[0] < WRITE_INTERVAL_S
    assert all(
        later - earlier >= WRITE_INTERVAL_S
        for earlier, later in zip(written[AT_ONCE:], written[AT_ONCE + 1 :], strict=False)
    )


def test_what_was_put_off_is_written_soon(watched: Watched) -> None:
    assert next_writing(watched.state, watched.clock) is None
    writings(watched, 10.0, every=0.25)
    due = next_writing(watched.state, watched.clock)
    assert due is not None
    assert 0 < due <= WRITE_INTERVAL_S
    assert next_writing(watched.state, watched.clock + 60) == 0
    last = capture(CUT, size=9000)
    watched.look(last)
    assert watched.state.waits.unchanged[DIRECTORY].files != last.files
    watched.look(last, after=due)
    assert watched.state.waits.unchanged[DIRECTORY].files == last.files
    assert watched.state.waits.unchanged[DIRECTORY].since == watched.clock - due
    assert next_writing(watched.state, watched.clock) is None


def test_what_was_put_off_and_is_over_is_not_written(watched: Watched) -> None:
    writings(watched, 10.0, every=0.25)
    last = capture(CUT, size=9000)
    watched.look(last)
    watched.look(last, after=next_writing(watched.state, watched.clock) or 0)
    kept = watched.state.waits
    watched.look(last, kernel=UNLOADED, after=1)
    assert next_writing(watched.state, watched.clock) is not None
    watched.look(last, after=1)
    assert next_writing(watched.state, watched.clock) is None
    assert watched.state.waits == kept


def test_a_pause_makes_up_for_it(watched: Watched) -> None:
    writings(watched, 60.0, every=0.25)
    watched.look(after=10 * WRITE_BURST_S)
    assert len(writings(watched, 2.0, every=0.25)) >= AT_ONCE - 1


def test_what_is_as_it_was_is_not_written(watched: Watched) -> None:
    watched.look(LOG_ALONE, of_another_crash(capture(FACTS, directory=DIRECTORY + b"2"), b"2"))
    kept = watched.state.waits
    for _ in range(5):
        watched.look(LOG_ALONE, after=1)
    watched.look(LOG_ALONE, after=1)
    assert watched.state.waits.unchanged == kept.unchanged
    again = restarted(watched)
    loaded = again.state.waits
    again.look(LOG_ALONE, after=1)
    assert again.state.waits == loaded
