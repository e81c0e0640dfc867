# SPDX-License-Identifier: GPL-2.0-or-later
"""A crash that somebody has taken note of stays so, and no other does."""

from dataclasses import replace

from kdumpd.model.captures.capture import capture_from
from kdumpd.model.events import acknowledge, unacknowledged
from kdumpd.model.state import State
from kdumpd.model.vocabulary import CaptureState
from tests.support.looks import CUT, START, as_listed, capture, distrusted, of_another_crash

ONE = as_listed(capture())
OTHER = as_listed(of_another_crash(capture(directory=b"/var/crash/202611240000"), b"another"))
STATE = State(captures={ONE.id: ONE, OTHER.id: OTHER})


def test_one_is_acknowledged_and_no_other() -> None:
    after = acknowledge(STATE, {ONE.id, "ffffffffffffffff"})
    assert after.captures == {ONE.id: replace(ONE, acknowledged=True), OTHER.id: OTHER}
    assert after.captures[OTHER.id] is OTHER
    assert unacknowledged(STATE) == {ONE.id, OTHER.id}
    assert unacknowledged(after) == {OTHER.id}


def test_again_changes_nothing() -> None:
    once = acknowledge(STATE, {ONE.id})
    twice = acknowledge(once, {ONE.id})
    assert twice.captures[ONE.id] is once.captures[ONE.id]


def test_a_crash_whose_files_are_gone_still_waits() -> None:
    gone = replace(ONE, state=CaptureState.GONE)
    assert unacknowledged(State(captures={ONE.id: gone})) == {ONE.id}


def test_what_a_stranger_wrote_does_not_wait() -> None:
    strange = as_listed(distrusted(capture()))
    assert unacknowledged(State(captures={strange.id: strange})) == frozenset()


def test_it_stays_when_the_files_change() -> None:
    before = replace(ONE, acknowledged=True)
    assert capture_from(capture(CUT), START, before).acknowledged
    assert capture_from(distrusted(capture()), START, before).acknowledged
    assert not capture_from(capture(), START).acknowledged
