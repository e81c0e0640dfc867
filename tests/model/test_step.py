# SPDX-License-Identifier: GPL-2.0-or-later
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.captures.capture import Layout, Sighting, capture_id, files_id
from kdumpd.model.captures.core import CoreFacts
from kdumpd.model.captures.listing import MAX_GONE_CAPTURE_AGE
from kdumpd.model.captures.retention import NO_RETENTION, Retention
from kdumpd.model.events import Event, EventKind, acknowledge
from kdumpd.model.readiness.facts import DirectoryFacts
from kdumpd.model.state import CrashDirectory, State
from kdumpd.model.step import next_look
from kdumpd.model.vocabulary import CaptureState, Crash, CrashClass
from tests.support.looks import (
    BOOT,
    CRASH,
    CUT,
    DELAYS,
    DIRECTORY,
    FACTS,
    KERNEL,
    START,
    STUMP,
    Watched,
    as_listed,
    capture,
    distrusted,
    of_another_crash,
    stamp,
)

SETTLE = DELAYS.settle
ELSEWHERE = b"/var/crash/saved"


@pytest.fixture
def watched() -> Watched:
    """A machine whose boot is validated already."""
    return Watched(State(validated_boot=BOOT))


def kinds(events: list[Event]) -> list[EventKind]:
    return [event.kind for event in events]


# From the first look to the list


def test_complete_is_listed_at_once(watched: Watched) -> None:
    events = watched.look(capture())
    assert watched.only == as_listed(capture())
    assert watched.only.state is CaptureState.COMPLETE
    assert watched.only.found_at == START
    assert watched.state.settling == {}
    assert kinds(events) == [EventKind.CAPTURE_COMPLETE]
    assert events[0].facts["capture"] == capture().id


def test_complete_is_told_once(watched: Watched) -> None:
    watched.look(capture())
    first = watched.only
    for _ in range(3):
        assert watched.look(capture(), after=SETTLE) == []
    assert watched.only is first
    assert first.found_at == START


@pytest.mark.parametrize(
    ("sighting", "state"),
    [
        (capture(CUT), CaptureState.INCOMPLETE),
        (capture(STUMP), CaptureState.INCOMPLETE),
        (capture(CoreFacts(problem="is empty"), size=0), CaptureState.INCOMPLETE),
        (capture(CoreFacts(problem="is no core")), CaptureState.UNREADABLE),
        (capture(None), CaptureState.DMESG_ONLY),
        (distrusted(capture()), CaptureState.UNREADABLE),
    ],
)
def test_all_else_is_listed_when_it_has_settled(
    watched: Watched, sighting: Sighting, state: CaptureState
) -> None:
    assert watched.look(sighting) == []
    assert watched.look(sighting, after=SETTLE - 1) == []
    assert watched.listed == ()
    assert set(watched.state.settling) == {DIRECTORY}
    events = watched.look(sighting, after=1)
    listed = watched.only
    if listed.may_be_anybodys:  # those of a crowd are told together
        assert events == []
        events = watched.look(sighting, after=2 * SETTLE)
    assert watched.only.state is state
    assert watched.only.problem == (sighting.problem or sighting.facts.problem)
    assert watched.state.settling == {}
    theirs = not sighting.trusted
    kind = EventKind.CAPTURE_UNTRUSTED if theirs else EventKind.CAPTURE_INCOMPLETE
    assert kinds(events) == [kind]
    assert watched.look(sighting, after=SETTLE) == []


def test_what_grows_does_not_settle(watched: Watched) -> None:
    for size in range(1000, 10000, 1000):
        assert watched.look(capture(CUT, size=size), after=SETTLE - 1) == []
    assert watched.listed == ()
    watched.look(capture(CUT, size=9000), after=SETTLE)
    assert watched.only.size == 9000


def test_what_grows_again_settles_again(watched: Watched) -> None:
    """On a slow server, an hour later: the core is not told twice, and not kept as it was."""
    watched.look(capture(CUT))
    watched.look(capture(CUT), after=SETTLE)
    assert watched.look(capture(CUT, size=2000), after=SETTLE) == []
    assert watched.only.size == 1000
    assert watched.look(capture(CUT, size=2000), after=SETTLE) == []
    assert watched.only.size == 2000


def test_growing_to_the_end(watched: Watched) -> None:
    """`vmcore-incomplete` that becomes `vmcore` is one capture, told once."""
    growing = capture(CUT, name=b"vmcore-incomplete")
    watched.look(growing)
    whole = capture(name=b"vmcore-incomplete", size=2000)
    assert watched.look(whole, after=1) == []
    assert watched.listed == ()
    renamed = capture(name=b"vmcore", size=2000)
    assert kinds(watched.look(renamed, after=1)) == [EventKind.CAPTURE_COMPLETE]
    assert watched.only.core_file == DIRECTORY + b"/vmcore"
    assert watched.only.id == growing.id == whole.id == renamed.id


def test_listed_under_its_temporary_name(watched: Watched) -> None:
    """Its writer hung; later it went on. One capture, found when it was found."""
    growing = capture(CUT, name=b"vmcore-incomplete")
    watched.look(growing)
    assert kinds(watched.look(growing, after=SETTLE)) == [EventKind.CAPTURE_INCOMPLETE]
    found_at = watched.only.found_at
    renamed = capture(name=b"vmcore", size=2000)
    assert kinds(watched.look(renamed, after=SETTLE)) == [EventKind.CAPTURE_COMPLETE]
    assert watched.only.id == growing.id
    assert watched.only.found_at == found_at
    assert watched.only.state is CaptureState.COMPLETE


def test_whole_but_never_renamed(watched: Watched) -> None:
    """Its writer died between its last byte and the rename."""
    whole = capture(name=b"dump-incomplete")
    assert watched.look(whole) == []
    assert watched.look(whole, after=SETTLE - 1) == []
    assert kinds(watched.look(whole, after=1)) == [EventKind.CAPTURE_COMPLETE]
    renamed = capture(name=b"dump.202611230113")
    assert watched.look(renamed, after=1) == []
    assert watched.only.core_file == DIRECTORY + b"/dump.202611230113"


def test_the_log_first_then_a_core(watched: Watched) -> None:
    """The log alone was listed; when the core says which crash it is, it is still that capture."""
    watched.look(capture(None))
    watched.look(capture(None), after=SETTLE)
    assert watched.only.state is CaptureState.DMESG_ONLY
    found_at = watched.only.found_at
    assert watched.look(capture(CUT, name=b"dump-incomplete"), after=1) == []
    assert watched.only.state is CaptureState.DMESG_ONLY
    events = watched.look(capture(), after=1)
    assert watched.only == as_listed(capture(), found_at)
    assert kinds(events) == [EventKind.CAPTURE_COMPLETE]
    assert EventKind.CAPTURE_GONE not in kinds(watched.told)


def test_the_log_then_a_stump(watched: Watched) -> None:
    """The stump cannot say yet which crash it is; that there is one is told."""
    watched.look(capture(None))
    (first,) = watched.look(capture(None), after=SETTLE)
    watched.look(capture(STUMP), after=SETTLE)
    (second,) = watched.look(capture(STUMP), after=SETTLE)
    assert watched.only.state is CaptureState.INCOMPLETE
    assert (first.facts["state"], second.facts["state"]) == ("dmesg-only", "incomplete")
    assert first.id != second.id


def test_a_stump_then_a_core(watched: Watched) -> None:
    watched.look(capture(STUMP))
    watched.look(capture(STUMP), after=SETTLE)
    assert watched.only.id == capture(STUMP).id
    watched.look(capture(CUT, size=2000), after=1)
    watched.look(capture(CUT, size=2000), after=SETTLE)
    assert watched.only.id == capture().id
    watched.look(capture(size=3000), after=1)
    assert watched.only.state is CaptureState.COMPLETE
    assert watched.only.found_at == START + timedelta(seconds=SETTLE)


def test_two_of_the_same_crash_in_one_look(watched: Watched) -> None:
    """A stump and its copy are one; the copy that is whole is the one to show."""
    copied = capture(directory=ELSEWHERE)
    watched.look(capture(CUT), after=SETTLE)
    events = watched.look(capture(CUT), copied, after=SETTLE)
    assert kinds(events) == [EventKind.CAPTURE_COMPLETE]
    assert watched.only.directory == ELSEWHERE


def test_an_old_capture_at_the_first_look(watched: Watched) -> None:
    """It was written by the crash kernel, before we began: that is the main path."""
    other = of_another_crash(capture(directory=b"/var/crash/202611220000"), b"another crash")
    events = watched.look(capture(), other)
    assert len(watched.listed) == 2
    assert kinds(events) == [EventKind.CAPTURE_COMPLETE] * 2
    assert len({event.id for event in events}) == 2


def test_known_from_the_ledger() -> None:
    incomplete = of_another_crash(capture(CUT, directory=ELSEWHERE), b"another crash")
    captures = [as_listed(capture()), as_listed(incomplete)]
    again = Watched(
        State(captures={one.id: one for one in captures}, validated_boot=BOOT),
    )
    assert again.look(capture(), incomplete) == []
    assert list(again.listed) == captures
    assert again.state.settling == {}


# Copies, moves, replacements


def test_a_copy_is_the_same_capture(watched: Watched) -> None:
    watched.look(capture())
    for directory in (b"/var/crash/1", b"/var/crash/3"):
        assert watched.look(capture(), capture(directory=directory), after=1) == []
        assert watched.only.directory == DIRECTORY


def test_the_copy_stays_when_the_first_goes(watched: Watched) -> None:
    copied = capture(directory=ELSEWHERE)
    watched.look(capture(), copied)
    assert watched.look(copied, after=SETTLE) == []
    assert watched.look(copied, after=SETTLE) == []
    assert watched.only.directory == ELSEWHERE
    assert watched.only.state is CaptureState.COMPLETE


def test_a_copy_of_what_is_incomplete(watched: Watched) -> None:
    """It has settled, too, though it is not the one that is listed: nothing is due any more."""
    copied = capture(CUT, directory=ELSEWHERE)
    watched.look(capture(CUT), copied)
    watched.look(capture(CUT), copied, after=SETTLE)
    assert watched.look(capture(CUT), copied, after=1) == []
    assert watched.only.directory == DIRECTORY
    assert watched.state.settling == {}
    assert next_look(watched.state, watched.clock, DELAYS) is None
    # So it takes the place of the first at once.
    assert watched.look(copied, after=1) == []
    assert watched.only.directory == ELSEWHERE
    assert watched.state.missing == {}


def test_a_move_to_where_another_was(watched: Watched) -> None:
    """A log alone proves no crash by itself, but it is known already as another."""
    log = capture(None, directory=ELSEWHERE, dmesg=b"other words")
    watched.look(capture(), log)
    watched.look(capture(), log, after=SETTLE)
    moved = capture(None, directory=DIRECTORY, dmesg=b"other words")
    for _ in range(3):
        watched.look(moved, after=SETTLE)
    states = {one.id: (one.directory, one.state) for one in watched.listed}
    assert states == {
        capture().id: (DIRECTORY, CaptureState.GONE),
        log.id: (DIRECTORY, CaptureState.DMESG_ONLY),
    }


@pytest.mark.parametrize("facts", [FACTS, CUT, STUMP, None])
def test_a_move(watched: Watched, facts: CoreFacts | None) -> None:
    watched.look(capture(facts))
    watched.look(capture(facts), after=SETTLE)
    before = watched.only
    moved = capture(facts, directory=ELSEWHERE)
    assert watched.look(moved, after=1) == []
    watched.look(moved, after=SETTLE)
    watched.look(moved, after=SETTLE)
    assert watched.only == as_listed(moved, before.found_at)
    assert len(watched.told) == 1


def test_a_move_to_another_crash_directory(watched: Watched) -> None:
    mine = DirectoryFacts(path=CRASH, present=True)
    other = DirectoryFacts(path=b"/srv/crash", present=True)
    watched.look_at(CrashDirectory(facts=mine, sightings=(capture(),)), CrashDirectory(facts=other))
    moved = capture(directory=b"/srv/crash/202611230113")
    directories = CrashDirectory(facts=mine), CrashDirectory(facts=other, sightings=(moved,))
    assert watched.look_at(*directories, after=1) == []
    assert watched.only.directory == b"/srv/crash/202611230113"
    assert watched.state.directories == (CRASH, b"/srv/crash")


def test_another_crash_in_the_same_directory(watched: Watched) -> None:
    """kdump-tools name a directory by the minute; a second crash within it replaces the first."""
    readable = stamp(b"dump.202611230113", mode=0o100644)
    watched.look(replace(capture(), core=readable))
    second = of_another_crash(capture(), b"a second crash")
    events = watched.look(second, after=1)
    assert sorted(kinds(events)) == [EventKind.CAPTURE_COMPLETE, EventKind.CAPTURE_GONE]
    states = {one.id: one.state for one in watched.listed}
    assert states == {capture().id: CaptureState.GONE, second.id: CaptureState.COMPLETE}
    assert not watched.state.captures[capture().id].world_readable
    found = {one.id: one.found_at for one in watched.listed}
    assert found == {capture().id: START, second.id: START + timedelta(seconds=1)}
    assert watched.look(second, after=SETTLE) == []


@pytest.mark.parametrize(
    "damaged", [distrusted(capture()), capture(STUMP, size=5000), capture(None)]
)
def test_a_complete_one_that_is_damaged(watched: Watched, damaged: Sighting) -> None:
    """It is still there, and nothing of another crash: not gone, and not a second one."""
    watched.look(capture())
    for _ in range(4):
        watched.look(damaged, after=SETTLE)
    assert watched.only.id == capture().id
    assert watched.only.state is damaged.state
    kind = EventKind.CAPTURE_INCOMPLETE if damaged.trusted else EventKind.CAPTURE_UNTRUSTED
    assert kinds(watched.told) == [EventKind.CAPTURE_COMPLETE, kind]


def test_damaged_where_a_nameless_one_was(watched: Watched) -> None:
    """What says nothing is known by its directory's name; so is what is not read in there."""
    nameless = capture(STUMP, dmesg=b"")
    for sightings in ((nameless,), (nameless,), (), (), (capture(),)):
        watched.look(*sightings, after=SETTLE)
    assert len(watched.listed) == 2
    for _ in range(3):
        watched.look(distrusted(capture()), after=SETTLE)
    states = {one.id: one.state for one in watched.listed}
    assert states == {
        nameless.id: CaptureState.GONE,
        capture().id: CaptureState.UNREADABLE,
    }


# Gone and back


def test_gone_after_patience(watched: Watched) -> None:
    watched.look(capture())
    assert watched.look(after=1) == []
    assert watched.look(after=SETTLE - 1) == []
    assert watched.only.state is CaptureState.COMPLETE
    assert set(watched.state.missing) == {capture().id}
    events = watched.look(after=1)
    assert kinds(events) == [EventKind.CAPTURE_GONE]
    gone_at = START + timedelta(seconds=SETTLE + 1)
    assert watched.only == replace(as_listed(capture()), state=CaptureState.GONE, gone_at=gone_at)
    assert watched.state.missing == {}
    assert watched.look(after=SETTLE) == []


def test_gone_and_forgotten(watched: Watched) -> None:
    """Once somebody has taken note of it, and what was told stays told."""
    watched.look(capture())
    for _ in range(2):
        watched.look(after=SETTLE)
    watched.look(after=MAX_GONE_CAPTURE_AGE.total_seconds())
    assert watched.only.state is CaptureState.GONE
    watched.state = acknowledge(watched.state, {watched.only.id})
    assert watched.look(after=1) == []
    assert watched.listed == ()


def test_back_before_it_is_gone(watched: Watched) -> None:
    watched.look(capture())
    watched.look(after=1)
    watched.look(capture(), after=SETTLE - 1)
    assert watched.state.missing == {}
    watched.look(after=2)
    watched.look(after=SETTLE - 1)
    assert watched.only.state is CaptureState.COMPLETE


def test_back_after_it_was_gone(watched: Watched) -> None:
    """A file system that is mounted late: what lies there was told already."""
    (first,) = watched.look(capture())
    watched.look(after=1)
    watched.look(after=SETTLE)
    assert watched.only.state is CaptureState.GONE
    again = watched.look(capture(), after=1)
    assert watched.only == as_listed(capture())
    assert {event.id for event in again} <= {first.id}  # the ledger records no id twice


def test_gone_twice_is_two_events(watched: Watched) -> None:
    for _ in range(2):
        watched.look(capture(), after=1)
        watched.look(after=1)
        watched.look(after=SETTLE)
    gone = [event.id for event in watched.told if event.kind is EventKind.CAPTURE_GONE]
    assert len(set(gone)) == 2


def test_incomplete_back_after_it_was_gone(watched: Watched) -> None:
    watched.look(capture(CUT))
    watched.look(capture(CUT), after=SETTLE)
    watched.look(after=1)
    watched.look(after=SETTLE)
    watched.look(capture(CUT), after=1)
    watched.look(capture(CUT), after=SETTLE)
    assert watched.only.state is CaptureState.INCOMPLETE
    assert len({event.id for event in watched.told}) == 2


def test_a_directory_that_does_not_answer_makes_nothing_gone(watched: Watched) -> None:
    watched.look(capture())
    for _ in range(3):
        watched.look(after=SETTLE, problem="does not answer")
    assert watched.only.state is CaptureState.COMPLETE
    # Its patience begins anew with the first look that answers.
    watched.look(after=1)
    assert watched.only.state is CaptureState.COMPLETE


def test_one_directory_with_a_problem_of_two(watched: Watched) -> None:
    mine = DirectoryFacts(path=CRASH, present=True)
    other = DirectoryFacts(path=b"/srv/crash", present=True)
    second = of_another_crash(capture(directory=b"/srv/crash/1"), b"another crash")
    watched.look_at(
        CrashDirectory(facts=mine, sightings=(capture(),)),
        CrashDirectory(facts=other, sightings=(second,)),
    )
    stuck = CrashDirectory(facts=replace(mine, problem="does not answer"), listed=False)
    for _ in range(2):
        watched.look_at(stuck, CrashDirectory(facts=other), after=SETTLE)
    states = {one.id: one.state for one in watched.listed}
    assert states == {capture().id: CaptureState.COMPLETE, second.id: CaptureState.GONE}


def test_what_could_not_be_looked_into_is_not_gone(watched: Watched) -> None:
    """Others that were not seen are."""
    second = of_another_crash(capture(directory=ELSEWHERE), b"another crash")
    watched.look(capture(), second)
    facts = DirectoryFacts(path=CRASH, present=True, problem="one cannot be opened")
    for _ in range(2):
        watched.look_at(CrashDirectory(facts=facts, unread=frozenset({DIRECTORY})), after=SETTLE)
    states = {one.id: one.state for one in watched.listed}
    assert states == {capture().id: CaptureState.COMPLETE, second.id: CaptureState.GONE}


def test_a_missing_crash_directory_has_no_captures(watched: Watched) -> None:
    watched.look(capture())
    unmounted = CrashDirectory(facts=DirectoryFacts(path=CRASH, present=False))
    watched.look_at(unmounted, after=1)
    watched.look_at(unmounted, after=SETTLE)
    assert watched.only.state is CaptureState.GONE


def test_a_directory_that_is_watched_no_more(watched: Watched) -> None:
    """What lies in it is not known any more; that is no news of any crash."""
    watched.look(capture())
    other = CrashDirectory(facts=DirectoryFacts(path=b"/var/cra", present=True))
    assert watched.look_at(other, after=SETTLE) == []
    assert watched.listed == ()


def test_another_file_system_in_its_place(watched: Watched) -> None:
    """Nothing is gone of what lies on one that is not mounted now."""
    facts = DirectoryFacts(path=CRASH, present=True)
    on_disk = replace(capture(), filesystem=4711)
    watched.look_at(CrashDirectory(facts=facts, sightings=(on_disk,), filesystem=4711))
    for _ in range(2):
        assert watched.look_at(CrashDirectory(facts=facts, filesystem=1), after=SETTLE) == []
    assert watched.only == as_listed(on_disk)
    for _ in range(2):
        watched.look_at(CrashDirectory(facts=facts, filesystem=4711), after=SETTLE)
    assert watched.only.state is CaptureState.GONE


def test_file_system_that_never_comes_back(watched: Watched) -> None:
    """Its id may just be another by now: what is not there after an hour is gone."""
    facts = DirectoryFacts(path=CRASH, present=True)
    on_disk = replace(capture(), filesystem=4711)
    watched.look_at(CrashDirectory(facts=facts, sightings=(on_disk,), filesystem=4711))
    watched.look_at(CrashDirectory(facts=facts, filesystem=1))
    assert next_look(watched.state, watched.clock, DELAYS) == DELAYS.mount
    events = watched.look_at(CrashDirectory(facts=facts, filesystem=1), after=DELAYS.mount)
    assert kinds(events) == [EventKind.CAPTURE_GONE]


def test_what_a_stranger_put_there_is_forgotten(watched: Watched) -> None:
    """Else he could fill the list for ever."""
    theirs = distrusted(capture())
    watched.look(theirs)
    watched.look(theirs, after=SETTLE)
    assert len(watched.listed) == 1
    assert watched.look(after=1) == []
    assert watched.look(after=SETTLE) == []
    assert watched.listed == ()


def test_what_a_stranger_put_in_its_place(watched: Watched) -> None:
    """His directory of the same name is not the capture that was there."""
    watched.look(capture())
    files = (stamp(b"dump.202611230113", inode=8), stamp(b"dmesg.202611230113", inode=9))
    theirs = replace(
        distrusted(capture()),
        trusted_directory=False,
        own_files=False,
        files=files,
        files_id=files_id(files),
    )
    watched.look(theirs, after=1)
    watched.look(theirs, after=SETTLE)
    states = {one.id: one.state for one in watched.listed}
    assert states == {
        capture().id: CaptureState.GONE,
        theirs.id: CaptureState.UNREADABLE,
    }
    assert EventKind.CAPTURE_GONE in kinds(watched.told)


def test_what_was_read_once_is_not_forgotten(watched: Watched) -> None:
    """Its file could be written by others in the end; that it was a crash has been told."""
    watched.look(capture())
    for sightings in ((distrusted(capture()),), (distrusted(capture()),), (), ()):
        watched.look(*sightings, after=SETTLE)
    assert watched.only.state is CaptureState.GONE
    assert watched.only.kernel_release == FACTS.kernel_release


def test_gone_is_readable_by_nobody(watched: Watched) -> None:
    core = stamp(b"dump.202611230113", mode=0o100644)
    watched.look(replace(capture(), core=core))
    assert watched.only.world_readable
    watched.look(after=1)
    watched.look(after=SETTLE)
    assert watched.only.state is CaptureState.GONE
    assert not watched.only.world_readable


def test_settling_is_not_missing(watched: Watched) -> None:
    """What lies in its place has changed, and is not judged yet: nothing is gone meanwhile."""
    watched.look(capture(CUT))
    watched.look(capture(CUT), after=SETTLE)
    for size in range(2000, 6000, 1000):
        watched.look(capture(CUT, size=size), after=SETTLE)
    assert watched.only.state is CaptureState.INCOMPLETE


def test_growth_that_vanishes_is_forgotten(watched: Watched) -> None:
    watched.look(capture(CUT))
    watched.look(after=1)
    assert watched.state.settling == {}
    assert watched.look(capture(CUT), after=SETTLE) == []
    assert watched.listed == ()


# When to look again


def test_nothing_is_due(watched: Watched) -> None:
    assert next_look(State(), 5.0, DELAYS) is None
    watched.look(capture())
    assert next_look(watched.state, watched.clock, DELAYS) is None


def test_due_when_something_settles(watched: Watched) -> None:
    watched.look(capture(CUT))
    assert next_look(watched.state, watched.clock, DELAYS) == SETTLE
    assert next_look(watched.state, watched.clock + 10, DELAYS) == SETTLE - 10
    assert next_look(watched.state, watched.clock + 100, DELAYS) == 0
    watched.look(capture(CUT), after=next_look(watched.state, watched.clock, DELAYS) or 0)
    assert len(watched.listed) == 1
    assert next_look(watched.state, watched.clock, DELAYS) is None


def test_due_when_something_is_gone(watched: Watched) -> None:
    watched.look(capture())
    watched.look(after=1)
    assert next_look(watched.state, watched.clock, DELAYS) == SETTLE
    assert next_look(watched.state, watched.clock + 10, DELAYS) == SETTLE - 10
    watched.look(after=SETTLE)
    assert watched.only.state is CaptureState.GONE
    assert next_look(watched.state, watched.clock, DELAYS) is None


def test_due_is_the_earliest(watched: Watched) -> None:
    other = of_another_crash(capture(CUT, directory=ELSEWHERE), b"another crash")
    watched.look(other)
    watched.look(other, capture(CUT), after=10)
    assert next_look(watched.state, watched.clock, DELAYS) == SETTLE - 10


def test_state_and_events_come_together(watched: Watched) -> None:
    events = watched.look(capture(), kernel=replace(KERNEL, boot_id="another"))
    assert kinds(events) == [EventKind.CAPTURE_COMPLETE, EventKind.BOOT_VALIDATED]


# Any looks at all

DIRECTORIES = [CRASH + b"/1", CRASH + b"/2", b"/srv/crash/1", b"/srv/crash/2"]
CORES = st.sampled_from(
    [FACTS, CUT, STUMP, CoreFacts(problem="is no core"), None, replace(CUT, identity=b"")]
)


@st.composite
def sightings(draw: st.DrawFn, directory: bytes) -> Sighting:
    seen = capture(
        draw(CORES),
        name=draw(st.sampled_from([b"dump.202611230113", b"dump-incomplete"])),
        directory=directory,
        dmesg=draw(st.sampled_from([b"", b"words", b"other words"])),
        size=draw(st.integers(0, 2)),
    )
    if draw(st.sampled_from([False, False, False, True])):
        return distrusted(seen)
    if seen.facts.identity:
        return of_another_crash(seen, draw(st.sampled_from([b"a crash", b"b crash", b"c crash"])))
    return seen


@st.composite
def directories(draw: st.DrawFn) -> tuple[CrashDirectory, ...]:
    return tuple(
        CrashDirectory(
            facts=DirectoryFacts(
                path=path,
                present=draw(st.booleans()),
                problem=draw(st.sampled_from(["", "", "cannot be read"])),
            ),
            sightings=tuple(
                draw(sightings(directory))
                for directory in DIRECTORIES
                if directory.startswith(path) and draw(st.booleans())
            ),
            listed=draw(st.sampled_from([True, True, False])),
            filesystem=draw(st.sampled_from([0, 0, 1])),
            unread=draw(st.frozensets(st.sampled_from(DIRECTORIES), max_size=1)),
        )
        for path in (CRASH, b"/srv/crash")
    )


LOOKS = st.lists(
    st.tuples(directories(), st.sampled_from([0.0, 1.0, SETTLE / 2, SETTLE, 10 * SETTLE])),
    max_size=10,
)


@given(looks=LOOKS)
@settings(deadline=None)
def test_any_looks(looks: list[tuple[tuple[CrashDirectory, ...], float]]) -> None:
    watched = Watched()
    for seen, after in looks:
        before = watched.state
        events = watched.look_at(*seen, after=after)
        state = watched.state
        for id_, one in state.captures.items():
            assert one.id == id_
            known = before.captures.get(id_)
            assert known is None or one.found_at == known.found_at
        present = [one for one in state.captures.values() if one.state is not CaptureState.GONE]
        places = Counter(one.directory for one in present)
        assert all(count == 1 for count in places.values()), places
        assert {one.state for one in present} | {CaptureState.GONE} == {
            one.state for one in state.captures.values()
        } | {CaptureState.GONE}
        told = {
            event.facts["capture"]
            for event in events
            if "capture" in event.facts and event.kind is not EventKind.CAPTURE_UNTRUSTED
        }
        changed = {
            id_
            for id_, one in state.captures.items()
            if not (one.log_awaited or one.may_be_anybodys)
            and (
                id_ not in before.captures
                or before.captures[id_].log_awaited
                or before.captures[id_].state is not one.state
            )
        }
        assert told == changed
        # What is not trusted is told by the crowd, a while later.
        distrusted_now = {id_ for id_, one in state.captures.items() if one.may_be_anybodys}
        before_that = {id_ for id_, one in before.captures.items() if one.may_be_anybodys}
        waiting = {id_ for id_, one in state.captures.items() if one.untold_since is not None}
        assert distrusted_now - before_that <= waiting <= distrusted_now
        assert (state.crowd_due is None) == (not waiting)
        due = next_look(state, watched.clock, DELAYS)
        assert (due is None) == (
            not state.settling and not state.missing and not state.change and not waiting
        )
        assert due is None or 0 <= due <= DELAYS.mount
        assert set(state.missing) <= set(state.captures)


def look_at_all_again(looks: list[tuple[tuple[CrashDirectory, ...], float]]) -> None:
    """That its captures are not gone through again is not to be seen by what is known and told."""
    quick, thorough = Watched(), Watched()
    for seen, after in looks:
        for again in (after, 0.0, SETTLE):
            thorough.state = replace(thorough.state, unchanged_look=None)
            assert quick.look_at(*seen, after=again) == thorough.look_at(*seen, after=again)
            assert replace(quick.state, unchanged_look=None) == replace(
                thorough.state, unchanged_look=None
            )


@given(looks=LOOKS)
@settings(deadline=None, max_examples=10)
def test_a_look_that_shows_no_more_changes_nothing(
    looks: list[tuple[tuple[CrashDirectory, ...], float]],
) -> None:
    look_at_all_again(looks)


@pytest.mark.long
@given(looks=LOOKS)
@settings(deadline=None, max_examples=50)
def test_many_looks_that_show_no_more_change_nothing(
    looks: list[tuple[tuple[CrashDirectory, ...], float]],
) -> None:
    look_at_all_again(looks)


RETENTIONS = (
    NO_RETENTION,
    Retention(apport_days=7, ages=((CRASH + b"/1", timedelta(days=9)),)),
    Retention(most_dumps=1),
    Retention(suse_keeps=0, ages=((b"/srv", timedelta(days=1)),)),
)


@st.composite
def recurring(draw: st.DrawFn) -> list[tuple[list[CrashDirectory], Retention]]:
    """Looks that show the same sightings again and again, as those of a machine do."""
    all_ = {one: draw(st.lists(sightings(one), min_size=1, max_size=2)) for one in DIRECTORIES}
    return [
        (
            [
                CrashDirectory(
                    facts=DirectoryFacts(path=path, present=True),
                    sightings=tuple(
                        draw(st.sampled_from(seen))
                        for directory, seen in all_.items()
                        if directory.startswith(path) and draw(st.sampled_from([True, True, False]))
                    ),
                )
                for path in (CRASH, b"/srv/crash")
            ],
            draw(st.sampled_from(RETENTIONS)),
        )
        for _ in range(draw(st.integers(1, 6)))
    ]


@given(looks=recurring(), noted=st.data())
@settings(deadline=None, max_examples=50)
def test_what_is_shown_again_is_known_already(
    looks: list[tuple[list[CrashDirectory], Retention]], noted: st.DataObject
) -> None:
    quick, thorough = Watched(), Watched()
    for seen, retention in looks:
        quick.retention = thorough.retention = retention
        for after in (0.0, SETTLE):
            thorough.state = replace(thorough.state, unchanged_look=None)
            assert quick.look_at(*seen, after=after) == thorough.look_at(*seen, after=after)
            assert replace(quick.state, unchanged_look=None) == replace(
                thorough.state, unchanged_look=None
            )
        ids = noted.draw(st.sets(st.sampled_from(sorted(quick.state.captures) or [""])))
        quick.state, thorough.state = (acknowledge(one.state, ids) for one in (quick, thorough))


def test_what_goes_with_the_next_depends_on_the_others(watched: Watched) -> None:
    """Though it is as it was itself."""
    old, new = capture(), capture(directory=CRASH + b"/202611240113", dmesg=b"new", facts=None)
    watched.retention = Retention(most_dumps=2)
    for seen, goes in (([old], False), ([old, new], True), ([old], False)):
        for _ in range(2):
            watched.look(*seen, after=SETTLE)
            assert bool(watched.state.captures[old.id].removal) is goes
    watched.retention = Retention(ages=((CRASH, timedelta(days=1)),))
    watched.look(old)
    assert watched.state.captures[old.id].removal_at is not None


def test_what_is_unchanged_stays_the_same_object(watched: Watched) -> None:
    first = capture()
    watched.look(first)
    before = watched.state.captures[first.id]
    watched.look(first, capture(directory=CRASH + b"/202611230114", dmesg=b"another", facts=None))
    assert watched.state.captures[first.id] is before
    watched.look(first)
    assert watched.state.captures[first.id] is before


def test_of_the_same_facts_a_verdict_stands(watched: Watched) -> None:
    watched.look()
    first = watched.state.verdict
    watched.look(after=1.0)
    second = watched.state.verdict
    assert first is not None
    assert second is not None
    assert second.at > first.at
    assert second.checks is first.checks
    watched.look(kernel=replace(KERNEL, crash_loaded=False))
    third = watched.state.verdict
    assert third is not None
    assert third.readiness is not second.readiness


def test_captures_are_gone_through_once(watched: Watched) -> None:
    sighting = capture()
    watched.look(sighting)
    assert (
        watched.state.unchanged_look is None
    )  # what was listed only now may change what is listed next
    watched.look(sighting)
    before = watched.state.captures
    watched.look(sighting)
    assert watched.state.captures is before
    watched.state = acknowledge(watched.state, {watched.only.id})
    watched.look(sighting)
    assert watched.only.acknowledged


@given(looks=LOOKS)
@settings(deadline=None, max_examples=50)
def test_any_events(looks: list[tuple[tuple[CrashDirectory, ...], float]]) -> None:
    """An id that is told again, of a capture that was away, is of the same event."""
    watched = Watched()
    told = dict[str, tuple[str, str | None, str | None]]()
    for seen, after in looks:
        events = watched.look_at(*seen, after=after)
        assert len({event.id for event in events}) == len(events)
        for event in events:
            subject = (event.kind, event.facts.get("capture"), event.facts.get("state"))
            assert told.setdefault(event.id, subject) == subject


@given(looks=LOOKS)
@settings(deadline=None, max_examples=50)
def test_what_stays_is_listed_in_the_end(
    looks: list[tuple[tuple[CrashDirectory, ...], float]],
) -> None:
    """Whatever went before, what lies there quietly is listed, and all else is gone."""
    watched = Watched()
    for seen, after in looks:
        watched.look_at(*seen, after=after)
    quiet = (
        capture(directory=DIRECTORIES[0]),
        of_another_crash(capture(CUT, directory=DIRECTORIES[1]), b"d crash"),
    )
    for _ in range(3):
        watched.look_at(
            CrashDirectory(facts=DirectoryFacts(path=CRASH, present=True), sightings=quiet),
            CrashDirectory(facts=DirectoryFacts(path=b"/srv/crash", present=True)),
            after=SETTLE,
        )
    there = {
        one.directory: (one.id, one.state)
        for one in watched.listed
        if one.state is not CaptureState.GONE
    }
    assert there == {
        DIRECTORIES[0]: (capture_id(b"a crash"), CaptureState.COMPLETE),
        DIRECTORIES[1]: (capture_id(b"d crash"), CaptureState.INCOMPLETE),
    }
    assert watched.state.settling == {}
    assert watched.state.missing == {}


# Several captures in one directory


def test_two_in_one_directory_are_two(watched: Watched) -> None:
    """kdumpst keeps all cores in one directory: a new one makes none of the others gone."""
    first = replace(capture(directory=CRASH + b"/crash"), member=b"vmcore.202611230113")
    other = replace(of_another_crash(first, b"another crash"), member=b"vmcore.202611230245")
    watched.look(first)
    told = watched.look(first, other)
    assert [event.kind for event in told] == [EventKind.CAPTURE_COMPLETE]
    assert {one.member for one in watched.listed} == {first.member, other.member}
    assert all(one.state is CaptureState.COMPLETE for one in watched.listed)


def test_two_in_one_directory_settle_by_themselves(watched: Watched) -> None:
    first = replace(capture(None, directory=CRASH), member=b"a.crash")
    other = replace(capture(None, directory=CRASH, dmesg=b"others"), member=b"b.crash")
    watched.look(first)
    watched.look(first, other, after=DELAYS.settle)
    assert [one.member for one in watched.listed] == [b"a.crash"]
    watched.look(first, other, after=DELAYS.settle)
    assert len(watched.listed) == 2


def test_what_lies_below_an_unread_directory_is_not_gone(watched: Watched) -> None:
    watched.look(capture(directory=CRASH + b"/host/202611230113"))
    facts = DirectoryFacts(path=CRASH, present=True, problem="unread")
    directory = CrashDirectory(facts=facts, unread=frozenset({CRASH + b"/host"}))
    watched.look_at(directory)
    watched.look_at(directory, after=DELAYS.mount + 1)
    assert watched.only.state is CaptureState.COMPLETE


# One place, one crash after the other


def a_log(words: str, inode: int, size: int = 1000) -> Sighting:
    """Return a kernel log alone, where the writer always uses the same name."""
    log = stamp(b"dmesg-ramoops-0", inode=inode, size=size)
    return replace(
        capture(None), dmesg=log, files=(log,), log_id=words, id=capture_id(words.encode())
    )


def test_a_log_that_replaces_another_is_another_crash(watched: Watched) -> None:
    watched.look(a_log("first", 1))
    (first,) = watched.look(a_log("first", 1), after=SETTLE)
    watched.state = acknowledge(watched.state, set(watched.state.captures))
    watched.look(a_log("second", 2))
    events = watched.look(a_log("second", 2), after=SETTLE)
    assert {event.facts["state"] for event in events} == {"dmesg-only", "gone"}
    old, new = (watched.state.captures[capture_id(words)] for words in (b"first", b"second"))
    assert (old.state, old.acknowledged) == (CaptureState.GONE, True)
    assert (new.state, new.acknowledged) == (CaptureState.DMESG_ONLY, False)
    assert first.facts["capture"] == old.id


def test_a_log_that_replaces_another_while_nobody_looks(watched: Watched) -> None:
    watched.look(a_log("first", 1))
    watched.look(a_log("first", 1), after=SETTLE)
    again = Watched(State(validated_boot=BOOT, captures=watched.state.captures))
    again.look(a_log("second", 1))
    again.look(a_log("second", 1), after=SETTLE)
    assert again.state.captures[capture_id(b"first")].state is CaptureState.GONE
    assert again.state.captures[capture_id(b"second")].state is CaptureState.DMESG_ONLY


def test_an_incomplete_core_that_is_replaced_is_another_crash(watched: Watched) -> None:
    watched.look(capture(CUT))
    watched.look(capture(CUT), after=SETTLE)
    watched.state = acknowledge(watched.state, set(watched.state.captures))
    events = watched.look(of_another_crash(capture(), b"b crash"))
    assert {event.facts["state"] for event in events} == {"complete", "gone"}
    old, new = (watched.state.captures[capture_id(words)] for words in (b"a crash", b"b crash"))
    assert (old.state, old.acknowledged) == (CaptureState.GONE, True)
    assert (new.state, new.acknowledged) == (CaptureState.COMPLETE, False)


def test_a_core_that_comes_after_its_log_is_the_same_crash(watched: Watched) -> None:
    log = a_log("words", 1)
    watched.look(log)
    watched.look(log, after=SETTLE)
    core = stamp(b"vmcore")
    whole = replace(
        log, core=core, files=(core, *log.files), facts=FACTS, id=capture_id(FACTS.identity)
    )
    (event,) = watched.look(whole)
    assert event.kind is EventKind.CAPTURE_COMPLETE
    assert watched.only.id == whole.id


def test_the_owners_capture_comes_before_a_strangers(watched: Watched) -> None:
    """Also where the stranger's was there first, and both are taken for one."""
    theirs = distrusted(capture(None, directory=CRASH + b"/0/202611230113"))
    watched.look(theirs)
    watched.look(theirs, after=SETTLE)
    own = replace(capture(None), id=theirs.id)
    watched.look(theirs, own)
    watched.look(theirs, own, after=SETTLE)
    assert watched.state.captures[own.id].trusted


def test_a_report_that_outlives_its_capture_is_no_other_crash(watched: Watched) -> None:
    """apport copies the kernel log into a report of its own, which stays when the dump goes."""
    watched.look(replace(capture(), log_id="words"))
    report = replace(
        a_log("words", 9), layout=Layout.APPORT, directory=CRASH, member=b"linux-image-6.1.crash"
    )
    watched.look(report)
    (event,) = watched.look(report, after=SETTLE)
    assert event.kind is EventKind.CAPTURE_GONE
    assert watched.look(report, after=SETTLE) == []
    assert watched.only.state is CaptureState.GONE


def of_moment(sighting: Sighting, moment: int | None, function: str = "victim") -> Sighting:
    """Return the sighting with a kernel log that has this cause, at this time after the boot."""
    crash = Crash(
        class_=CrashClass.PAGE_FAULT, function=function, kernel_release="6.1.0", moment=moment
    )
    return replace(sighting, crash=crash)


@pytest.mark.parametrize(
    ("moment", "function", "listed"),
    [(1_234_567, "victim", 1), (1_234_568, "victim", 2), (1_234_567, "other", 2), (None, "x", 2)],
)
def test_a_crash_that_was_written_to_pstore_too(
    watched: Watched, moment: int | None, function: str, listed: int
) -> None:
    """The parts of a log in pstore are another text than the log beside the core."""
    dump = of_moment(replace(capture(), log_id="whole"), 1_234_567)
    stored = replace(a_log("parts", 9), layout=Layout.PSTORE, directory=CRASH + b"/1795396414")
    stored = of_moment(stored, moment, function)
    watched.look(dump, stored)
    watched.look(dump, stored, after=SETTLE)
    assert len(watched.listed) == listed
    watched.look(dump, stored)
    assert watched.state.settling == {}
