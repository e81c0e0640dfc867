# SPDX-License-Identifier: GPL-2.0-or-later
"""What is gone is forgotten in time, and never before somebody has taken note of it."""

from dataclasses import replace
from datetime import datetime, timedelta

from kdumpd.model.captures.capture import Capture
from kdumpd.model.captures.listing import MAX_GONE_CAPTURE_AGE, MAX_GONE_CAPTURES, without_forgotten
from kdumpd.model.vocabulary import CaptureState
from tests.support.looks import START, as_listed, capture

LATER = START + MAX_GONE_CAPTURE_AGE
LISTED = as_listed(capture())


def gone(id_: str, at: datetime | None = START, *, acknowledged: bool = True) -> Capture:
    return replace(LISTED, id=id_, state=CaptureState.GONE, gone_at=at, acknowledged=acknowledged)


def known(*captures: Capture) -> dict[str, Capture]:
    return {one.id: one for one in captures}


def test_what_is_there_is_never_forgotten() -> None:
    captures = known(replace(LISTED, acknowledged=True))
    assert without_forgotten(captures, (), LATER + MAX_GONE_CAPTURE_AGE) is captures


def test_gone_for_long() -> None:
    captures = known(gone("a"), LISTED)
    assert without_forgotten(captures, (), LATER - timedelta(seconds=1)) is captures
    assert without_forgotten(captures, (), LATER).keys() == {LISTED.id}


def test_what_waits_for_somebody_is_kept_and_the_capture_of_a_test() -> None:
    captures = known(gone("a", acknowledged=False), gone("b"))
    assert without_forgotten(captures, {"b"}, LATER) is captures


def test_a_strangers_and_a_crash_on_purpose_wait_for_nobody() -> None:
    theirs = replace(gone("a", acknowledged=False), trusted=False)
    test = replace(gone("b", acknowledged=False), is_test=True)
    assert without_forgotten(known(theirs, test), (), LATER) == {}


def test_too_many_are_forgotten_the_first_gone_first_and_not_before_their_going_is_told() -> None:
    captures = known(
        *(gone(f"{n:04}", START + timedelta(seconds=n)) for n in range(MAX_GONE_CAPTURES)),
        gone("last", START + timedelta(days=1)),
    )
    now = START + timedelta(days=2)
    assert captures.keys() - without_forgotten(captures, (), now).keys() == {"0000"}
    at_once = known(*(gone(str(n), now) for n in range(MAX_GONE_CAPTURES + 5)))
    assert without_forgotten(at_once, (), now) is at_once
    assert len(without_forgotten(at_once, (), now + timedelta(seconds=1))) == MAX_GONE_CAPTURES


def test_what_an_older_kdumpd_saw_go_is_gone_since_now() -> None:
    after = without_forgotten(known(gone("a", None)), (), LATER)
    assert after["a"].gone_at == LATER
    assert without_forgotten(after, (), LATER) is after
