# SPDX-License-Identifier: GPL-2.0-or-later
"""What anybody can put into a crash directory is told by the crowd, and seldom."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from kdumpd.model.captures.capture import Sighting, capture_id, files_id
from kdumpd.model.events import CROWD_PAUSE, MAX_CROWDS, Event, EventKind, acknowledge
from kdumpd.model.state import State, ToldCrowd
from kdumpd.model.step import next_look
from tests.support.looks import BOOT, DELAYS, START, Watched, capture, distrusted, stamp

SETTLE = DELAYS.settle
PAUSE = CROWD_PAUSE.total_seconds()
LISTED, TOLD = SETTLE, 2 * SETTLE  # seconds: until one is listed, and from then until it is told


@pytest.fixture
def watched() -> Watched:
    return Watched(State(validated_boot=BOOT))


def crowd(names: Iterable[str], uid: int = 1000) -> list[Sighting]:
    """Return what is seen of a stranger's directories."""
    sightings = []
    for name in names:
        directory = b"/var/crash/" + name.encode()
        theirs = distrusted(capture(directory=directory), f"belongs to uid {uid}")
        files = (replace(stamp(b"vmcore"), owner=uid),)
        sightings.append(
            replace(
                theirs,
                files=files,
                files_id=files_id(files),
                trusted_directory=False,
                own_files=False,
                id=capture_id(directory),
                owner=uid,
            )
        )
    return sightings


def numbered(count: int, prefix: str = "") -> list[str]:
    return [f"{prefix}{number:05}" for number in range(count)]


def come_and_stay(watched: Watched, sightings: list[Sighting]) -> list[Event]:
    """Have them appear, be listed and told."""
    return [
        *watched.look(*sightings),
        *watched.look(*sightings, after=LISTED),
        *watched.look(*sightings, after=TOLD),
    ]


def test_a_crowd_is_one_event(watched: Watched) -> None:
    (event,) = come_and_stay(watched, crowd(numbered(900)))
    assert event.kind is EventKind.CAPTURE_UNTRUSTED
    assert (event.facts["uid"], event.facts["uids"], event.facts["more"]) == ("1000", "1000", "899")
    assert event.facts["directory"] == "/var/crash/00000"
    assert len(watched.listed) == 900


def test_one_that_takes_its_time_to_come_together_too(watched: Watched) -> None:
    everybody = crowd(numbered(300))
    told = watched.look(*everybody[:100])
    told += watched.look(*everybody[:200], after=20)
    told += watched.look(*everybody, after=20)
    for _ in range(9):
        told += watched.look(*everybody, after=10)
    assert [one.facts["more"] for one in told] == ["299"]


def test_a_look_is_due_when_it_is_to_be_told(watched: Watched) -> None:
    theirs = crowd(["one"])
    watched.look(*theirs)
    watched.look(*theirs, after=LISTED)
    assert next_look(watched.state, watched.clock, DELAYS) == TOLD
    watched.look(*theirs, after=TOLD - 1)
    assert next_look(watched.state, watched.clock, DELAYS) == 1
    (event,) = watched.look(*theirs, after=1)
    assert "more" not in event.facts
    assert next_look(watched.state, watched.clock, DELAYS) is None


def test_churn_is_told_once_an_hour(watched: Watched) -> None:
    """900 that come, are listed, and go, again and again, each time under other names."""
    for turn in range(100):
        come_and_stay(watched, crowd(numbered(900, f"{turn}-")))
        watched.look(after=6)
        watched.look(after=SETTLE)
    hours = watched.clock / 3600
    assert 3 <= hours <= 4
    assert len(watched.told) == 4
    assert len({one.id for one in watched.told}) == 4
    assert {one.facts["more"] for one in watched.told} == {"899"}
    apart = [later.at - one.at for one, later in zip(watched.told, watched.told[1:], strict=False)]
    assert min(apart) >= CROWD_PAUSE


def test_those_who_come_in_the_hour_are_told_after_it(watched: Watched) -> None:
    first = crowd(["first"])
    come_and_stay(watched, first)
    both = first + crowd(numbered(3))
    assert come_and_stay(watched, both) == []
    due = next_look(watched.state, watched.clock, DELAYS)
    assert due == PAUSE - LISTED - TOLD
    (event,) = watched.look(*both, after=due)
    assert event.facts["more"] == "2"


def test_each_user_has_an_hour_of_his_own(watched: Watched) -> None:
    first = crowd(["first"])
    come_and_stay(watched, first)
    (event,) = come_and_stay(watched, first + crowd(["other"], uid=1001))
    assert event.facts["uid"] == "1001"


def test_several_users_at_once_are_one_event(watched: Watched) -> None:
    everybody = [one for uid in range(1000, 1007) for one in crowd([f"{uid}"], uid)]
    (event,) = come_and_stay(watched, everybody)
    assert event.facts["uids"] == "1000 1001 1002 1003 1004"
    assert (event.facts["other_uids"], event.facts["more"]) == ("2", "6")


def test_who_has_many_uids_is_no_more_often_told_of(watched: Watched) -> None:
    for turn in range(60):
        come_and_stay(watched, crowd(numbered(5, f"{turn}-"), uid=100_000 + turn))
    assert len(watched.told) == 2 * MAX_CROWDS  # in an hour and a half
    for first, last in zip(watched.told, watched.told[MAX_CROWDS:], strict=False):
        assert last.at - first.at >= CROWD_PAUSE
    assert len(watched.state.crowds) <= MAX_CROWDS


def test_a_restart_begins_no_new_hour(watched: Watched) -> None:
    come_and_stay(watched, crowd(["first"]))
    waiting = crowd(["first", "second"])
    watched.look(*waiting)
    watched.look(*waiting, after=LISTED)
    captures, crowds = watched.state.captures, watched.state.crowds
    assert crowds == (ToldCrowd(watched.told[0].at, frozenset({1000})),)
    watched.state = State(captures=captures, crowds=crowds, validated_boot=BOOT)
    assert watched.look(*waiting, after=TOLD) == []
    (event,) = watched.look(*waiting, after=PAUSE)
    assert event.facts["directory"] == "/var/crash/second"


def test_files_of_root_are_told_in_the_hour_of_the_user(watched: Watched) -> None:
    """Once an hour too, also after a restart, and whatever was told of others."""
    for turn in range(MAX_CROWDS + 1):
        come_and_stay(watched, crowd(numbered(5, f"{turn}-"), uid=1000 + turn))
    first = crowd(["minute"])
    come_and_stay(watched, first)
    mixed = [replace(one, mixed=True) for one in first]
    (event,) = come_and_stay(watched, mixed)
    assert (event.facts["directory"], event.facts["mixed"]) == ("/var/crash/minute", "yes")
    assert event.id not in {one.id for one in watched.told if one is not event}
    both = mixed + [replace(one, mixed=True) for one in crowd(["next"], uid=1005)]
    assert come_and_stay(watched, both) == []
    (later,) = [one for one in watched.look(*both, after=PAUSE) if "mixed" in one.facts]
    assert later.facts["directory"] == "/var/crash/next"


def test_a_clock_that_is_set_back_stops_nothing(watched: Watched) -> None:
    theirs = crowd(["one"])
    watched.look(*theirs)
    watched.look(*theirs, after=LISTED)
    late = {
        id_: replace(one, untold_since=START + timedelta(days=400))
        for id_, one in watched.state.captures.items()
    }
    ahead = ToldCrowd(START + timedelta(days=400), frozenset({1000}))
    watched.state = replace(watched.state, captures=late, crowds=(ahead,))
    assert len(watched.look(*theirs, after=1)) == 1


def test_who_goes_before_is_not_told_of(watched: Watched) -> None:
    watched.look(*crowd(numbered(900)))
    watched.look(*crowd(numbered(900)), after=LISTED)
    watched.look(after=1)
    assert watched.look(after=SETTLE) == []
    assert watched.look(after=PAUSE) == []
    assert watched.listed == ()


def test_what_is_acknowledged_meanwhile_stays_so(watched: Watched) -> None:
    theirs = crowd(["one"])
    watched.look(capture(), *theirs)
    watched.look(capture(), *theirs, after=LISTED)
    watched.state = acknowledge(watched.state, {capture().id})
    assert len(watched.look(capture(), *theirs, after=TOLD)) == 1
    assert watched.state.captures[capture().id].acknowledged
