# SPDX-License-Identifier: GPL-2.0-or-later
"""Cores that are read through by a child, as the state knows of them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.captures.capture import Sighting, capture_id
from kdumpd.model.captures.core import CoreFacts, Format
from kdumpd.model.captures.reading import (
    MAX_READ_ATTEMPTS,
    RETRY_PAUSE_S,
    Answer,
    put_down,
    worth_keeping,
)
from kdumpd.model.events import EventKind
from kdumpd.model.state import State
from kdumpd.model.step import next_look
from kdumpd.model.vocabulary import CaptureState, Crash, CrashClass
from tests.support.looks import BOOT, DELAYS, DIRECTORY, FACTS, START, Watched, capture, stamp

CRASH = Crash(class_=CrashClass.NMI, signature="0123456789abcdef")
WRAPPED = CoreFacts(wrapper="gzip", wrapped=True, problem="is not read through yet")
INSIDE = replace(FACTS, wrapper="gzip")
NOW = int(START.timestamp() * 1e9)


@pytest.fixture
def watched() -> Watched:
    return Watched(State(validated_boot=BOOT))


def without_log(directory: bytes = DIRECTORY) -> Sighting:
    return capture(dmesg=b"", directory=directory)


def wrapped(*, age: float = 3600.0, name: bytes = b"dump.202611230113.gz") -> Sighting:
    core = replace(stamp(name), modified_ns=NOW - int(age * 1e9))
    return replace(capture(WRAPPED, name=name), core=core, files=(core,), crash=None)


def job_key(watched: Watched) -> str:
    assert watched.state.job is not None
    return watched.state.job.key


def good(watched: Watched, facts: CoreFacts | None = None) -> Answer:
    return Answer(key=job_key(watched), done=True, facts=facts, crash=CRASH)


def failed(watched: Watched) -> Answer:
    return Answer(key=job_key(watched), done=False, problem="the reader was killed")


# A core without a kernel log beside it


def test_it_is_listed_at_once_and_told_when_its_log_is_read(watched: Watched) -> None:
    assert watched.look(without_log()) == []
    assert watched.only.state is CaptureState.COMPLETE
    assert watched.only.crash == Crash()
    (event,) = watched.look(without_log(), answers=[good(watched)])
    assert event.kind is EventKind.CAPTURE_COMPLETE
    assert event.facts["class"] == "nmi"
    assert watched.only.crash == CRASH
    assert watched.look(without_log()) == []


def test_a_log_beside_it_is_enough(watched: Watched) -> None:
    watched.look(capture())
    assert watched.state.job is None


def test_an_attempt_counts_before_it_begins(watched: Watched) -> None:
    watched.look(without_log())
    assert watched.state.readings[job_key(watched)].attempts == 1


def test_it_is_not_read_twice_at_a_time(watched: Watched) -> None:
    watched.look(without_log())
    job = watched.state.job
    watched.look(without_log())
    assert watched.state.job is job
    assert watched.state.readings[job_key(watched)].attempts == 1


def test_a_core_that_kills_its_reader_is_set_aside(watched: Watched) -> None:
    watched.look(without_log())
    for attempt in range(1, MAX_READ_ATTEMPTS):
        watched.look(without_log(), answers=[failed(watched)])
        assert watched.state.readings[job_key(watched)].attempts == attempt + 1
    (event,) = watched.look(without_log(), answers=[failed(watched)])
    assert event.kind is EventKind.CAPTURE_COMPLETE  # its headers prove it: only the log is missing
    assert "the reader was killed" in watched.only.problem
    assert watched.state.job is None
    watched.look(without_log())
    assert watched.state.job is None


def test_a_core_that_kills_kdumpd_is_set_aside(watched: Watched) -> None:
    """Nobody was left to say how the attempt ended."""
    for _ in range(MAX_READ_ATTEMPTS):
        watched.look(without_log())
        assert watched.state.job is not None
        key = job_key(watched)
        known = replace(watched.state.readings[key], under_way=False)
        watched = Watched(
            State(validated_boot=BOOT, captures=watched.state.captures, readings={key: known})
        )
    (event,) = watched.look(without_log())
    assert event.kind is EventKind.CAPTURE_COMPLETE
    assert watched.state.job is None
    assert "kdumpd itself ended" in watched.only.problem


def test_others_go_on_while_one_kills_its_reader(watched: Watched) -> None:
    killer = without_log()
    other = replace(
        capture(replace(FACTS, identity=b"other"), dmesg=b"", directory=DIRECTORY + b"2"),
        core=stamp(b"vmcore", inode=8),
    )
    answers: list[Answer] = []
    for _ in range(2 * MAX_READ_ATTEMPTS):
        watched.look(killer, other, answers=answers)
        job = watched.state.job
        if job is None:
            break
        answers = [good(watched) if job.directory == other.directory else failed(watched)]
    assert watched.state.captures[capture_id(b"other")].crash == CRASH
    assert watched.state.job is None


def test_what_was_read_is_not_read_again_after_a_restart(watched: Watched) -> None:
    watched.look(without_log())
    watched.look(without_log(), answers=[good(watched)])
    kept = State(
        validated_boot=BOOT, captures=watched.state.captures, readings=watched.state.readings
    )
    again = Watched(kept)
    assert again.look(without_log()) == []
    assert again.state.job is None
    assert again.only.crash == CRASH


def test_what_changes_is_read_again(watched: Watched) -> None:
    watched.look(without_log())
    watched.look(without_log(), answers=[good(watched)])
    key = next(iter(watched.state.readings))
    core = stamp(b"dump.202611230113", size=2000)
    watched.look(replace(without_log(), core=core, files=(core,)))
    assert job_key(watched) != key


def test_what_is_gone_is_forgotten(watched: Watched) -> None:
    watched.look(without_log())
    watched.look(without_log(), answers=[good(watched)])
    watched.look()
    assert watched.state.readings == {}


def test_what_cannot_be_looked_at_is_not_forgotten(watched: Watched) -> None:
    watched.look(without_log())
    watched.look(without_log(), answers=[good(watched)])
    watched.look(problem="does not answer")
    assert len(watched.state.readings) == 1


def test_gone_while_it_was_read(watched: Watched) -> None:
    watched.look(without_log())
    answer = good(watched)
    watched.look()
    watched.look(answers=[answer])
    (event,) = watched.look(after=DELAYS.settle)
    assert event.kind is EventKind.CAPTURE_GONE
    assert not watched.only.log_awaited


def test_an_answer_that_nobody_waits_for(watched: Watched) -> None:
    watched.look(capture(), answers=[Answer(key="unknown", done=True, crash=CRASH)])
    assert watched.only.crash == Crash()
    assert watched.state.readings == {}


def test_what_could_not_be_begun_is_tried_again_later(watched: Watched) -> None:
    for _ in range(3 * MAX_READ_ATTEMPTS):
        watched.look(without_log(), after=RETRY_PAUSE_S)
        late = replace(failed(watched), began=False, problem="'/var/crash' does not answer")
        assert watched.look(without_log(), answers=[late]) == []
        assert watched.state.job is None
    watched.look(without_log(), after=RETRY_PAUSE_S)
    (event,) = watched.look(without_log(), answers=[good(watched)])
    assert event.facts["class"] == "nmi"


def test_with_another_tool_it_is_worth_another_try(watched: Watched) -> None:
    watched.look(without_log())
    nothing = Answer(key=job_key(watched), done=True, problem="install drgn", tools="lz4")
    watched.look(without_log(), answers=[nothing])
    readings = watched.state.readings
    assert worth_keeping(readings, "lz4") == readings
    assert worth_keeping(readings, "drgn 0.3, lz4") == {}


def test_with_another_tool_what_was_read_stays(watched: Watched) -> None:
    watched.look(without_log())
    watched.look(without_log(), answers=[good(watched)])
    assert worth_keeping(watched.state.readings, "drgn 0.3") == watched.state.readings


def test_with_another_tool_what_killed_its_reader_stays_aside(watched: Watched) -> None:
    watched.look(without_log())
    for _ in range(MAX_READ_ATTEMPTS):
        watched.look(without_log(), answers=[failed(watched)])
    assert worth_keeping(watched.state.readings, "drgn 0.3") == watched.state.readings


def test_the_small_come_first(watched: Watched) -> None:
    large = without_log()
    core = stamp(b"vmcore", inode=8, size=10)
    small = replace(
        capture(replace(FACTS, identity=b"other"), dmesg=b"", directory=DIRECTORY + b"2"),
        core=core,
        files=(core,),
    )
    watched.look(large, small)
    assert watched.state.job is not None
    assert watched.state.job.directory == small.directory


def test_a_log_of_an_earlier_crash_is_not_believed(watched: Watched) -> None:
    """Of two crashes in one minute, kdump-tools keep the first's log beside the second's core."""
    assert FACTS.crashed_at is not None
    stale = replace(capture(), logged_at=FACTS.crashed_at - timedelta(seconds=1))
    assert watched.look(stale) == []
    (event,) = watched.look(stale, answers=[good(watched)])
    assert event.facts["class"] == "nmi"


def test_a_log_of_an_earlier_crash_is_better_than_none(watched: Watched) -> None:
    """The crash kernel's clock may be wrong."""
    assert FACTS.crashed_at is not None
    beside = Crash(class_=CrashClass.KASAN)
    stale = replace(capture(), crash=beside, logged_at=FACTS.crashed_at - timedelta(seconds=1))
    watched.look(stale)
    nothing = Answer(key=job_key(watched), done=True, problem="holds no log")
    (event,) = watched.look(stale, answers=[nothing])
    assert event.facts["class"] == "kasan"


def test_a_stop_while_a_core_is_read_does_not_count(watched: Watched) -> None:
    for _ in range(2 * MAX_READ_ATTEMPTS):
        watched.look(without_log())
        assert watched.state.job is not None
        stopped = put_down(watched.state.readings)
        watched = Watched(
            State(validated_boot=BOOT, captures=watched.state.captures, readings=stopped)
        )
    watched.look(without_log())
    (event,) = watched.look(without_log(), answers=[good(watched)])
    assert event.facts["class"] == "nmi"


# A whole core inside a compressed file


def test_wrapped_is_listed_once_it_was_read_through(watched: Watched) -> None:
    assert watched.look(wrapped()) == []
    assert watched.listed == ()
    (event,) = watched.look(wrapped(), answers=[good(watched, INSIDE)])
    assert event.kind is EventKind.CAPTURE_COMPLETE
    assert watched.only.id == capture_id(FACTS.identity)
    assert watched.only.format is Format.FLATTENED
    assert watched.only.crash == CRASH


def test_wrapped_while_it_is_written_is_not_read(watched: Watched) -> None:
    watched.look(wrapped(age=0.0))
    assert watched.state.readings == {}
    assert next_look(watched.state, watched.clock, DELAYS) == DELAYS.settle
    watched.look(wrapped(age=0.0), after=DELAYS.settle)
    assert watched.state.job is not None


def test_nothing_is_due_while_a_core_is_read(watched: Watched) -> None:
    watched.look(wrapped())
    assert next_look(watched.state, watched.clock, DELAYS) is None


def test_wrapped_that_was_cut_off(watched: Watched) -> None:
    watched.look(wrapped())
    cut = replace(INSIDE, complete=False, problem="has no end record")
    watched.look(wrapped(), answers=[good(watched, cut)])
    assert next_look(watched.state, watched.clock, DELAYS) == DELAYS.settle
    (event,) = watched.look(wrapped(), after=DELAYS.settle)
    assert event.kind is EventKind.CAPTURE_INCOMPLETE
    assert watched.only.id == capture_id(FACTS.identity)


def test_wrapped_that_kills_its_reader(watched: Watched) -> None:
    watched.look(wrapped())
    for _ in range(MAX_READ_ATTEMPTS):
        watched.look(wrapped(), answers=[failed(watched)])
    watched.look(wrapped(), after=DELAYS.settle)
    assert watched.only.state is CaptureState.UNREADABLE
    assert "set aside" in watched.only.problem


@given(
    looks=st.lists(
        st.tuples(
            st.lists(st.sampled_from(["wrapped", "bare", "logged"]), unique=True, max_size=3),
            st.sampled_from(["good", "failed", "none"]),
            st.sampled_from([0.0, 1.0, DELAYS.settle]),
        ),
        max_size=12,
    )
)
@settings(deadline=None)
def test_any_looks_and_answers(looks: list[tuple[list[str], str, float]]) -> None:
    """Whatever comes between, each attempt is bounded, and each capture told once it is read."""
    shown = {
        "wrapped": replace(wrapped(), directory=DIRECTORY + b"1"),
        "bare": capture(replace(FACTS, identity=b"bare"), dmesg=b"", directory=DIRECTORY + b"2"),
        "logged": capture(replace(FACTS, identity=b"log"), directory=DIRECTORY + b"3"),
    }
    watched = Watched(State(validated_boot=BOOT))
    for names, outcome, after in looks:
        answers = []
        if watched.state.job is not None and outcome != "none":
            facts = INSIDE if watched.state.job.directory.endswith(b"1") else None
            answers = [good(watched, facts) if outcome == "good" else failed(watched)]
        events = watched.look(*(shown[name] for name in names), after=after, answers=answers)
        assert all(one.attempts <= MAX_READ_ATTEMPTS for one in watched.state.readings.values())
        assert sum(one.under_way for one in watched.state.readings.values()) <= 1
        told = {event.facts["capture"] for event in events if "capture" in event.facts}
        assert not any(watched.state.captures[id_].log_awaited for id_ in told)
