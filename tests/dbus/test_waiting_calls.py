# SPDX-License-Identifier: GPL-2.0-or-later
"""Who has had the fewest turns is next, and only who asks too much loses calls."""

from kdumpd.dbus import wire
from kdumpd.dbus.waiting_calls import (
    MAX_REMEMBERED_CALLERS,
    MAX_RUNNING,
    MAX_RUNNING_OF_A_CALLER,
    MAX_WAITING_BYTES,
    MAX_WAITING_OF_A_CALLER,
    OBJECT_BYTES,
    WaitingCall,
    WaitingCalls,
)
from kdumpd.dbus.wire import FixedHeader, Header


def call(sender: str, serial: int, size: int = 0) -> WaitingCall:
    fixed = FixedHeader("<", wire.METHOD_CALL, 0, serial, size, 0)
    return WaitingCall(Header(fixed, {wire.SENDER: sender}), bytes(size))


def taken(waiting: WaitingCalls) -> list[tuple[str, int]]:
    """Return who is next, until nobody may begin."""
    order = []
    while (one := waiting.next()) is not None:
        order.append((one.header.sender, one.header.fixed.serial))
    return order


def test_who_has_had_the_fewest_turns_is_next() -> None:
    waiting = WaitingCalls()
    for serial in range(3):
        assert waiting.add(call(":1.1", serial)) == []
    waiting.add(call(":1.2", 0))
    waiting.add(call(":1.3", 0))
    waiting.add(call(":1.3", 1))
    assert taken(waiting) == [
        *((":1.1", 0), (":1.2", 0), (":1.3", 0)),
        *((":1.1", 1), (":1.3", 1), (":1.1", 2)),
    ]
    waiting.add(call(":1.1", 3))
    waiting.add(call(":1.4", 0))
    assert taken(waiting) == [(":1.4", 0), (":1.1", 3)]


def test_many_callers_hold_no_more_than_so_many_answers() -> None:
    """And who asks for the first time is before all of them, once one has ended."""
    waiting = WaitingCalls()
    crowd = [call(f":1.{number}", serial) for number in range(MAX_RUNNING) for serial in range(3)]
    for one in crowd:
        waiting.add(one)
    assert len(taken(waiting)) == MAX_RUNNING
    waiting.add(call(":2.1", 0))
    assert waiting.next() is None
    waiting.end(crowd[0])
    assert taken(waiting) == [(":2.1", 0)]


def test_the_oldest_of_who_asks_too_much_are_dropped() -> None:
    waiting = WaitingCalls()
    waiting.add(call(":1.2", 0))
    dropped = [
        one.header.fixed.serial
        for serial in range(MAX_WAITING_OF_A_CALLER + 3)
        for one in waiting.add(call(":1.1", serial))
    ]
    assert dropped == [0, 1, 2]
    assert taken(waiting)[:2] == [(":1.2", 0), (":1.1", 3)]


def test_all_together_have_so_much_room() -> None:
    """What is too much is taken from who has most of it, and never from who has little."""
    waiting = WaitingCalls()
    waiting.add(call(":1.1", 0))
    large = 32 << 10
    callers = [f":1.{number}" for number in range(2, 12)]
    dropped = [
        one.header.sender
        for serial in range(MAX_WAITING_OF_A_CALLER)
        for caller in callers
        for one in waiting.add(call(caller, serial, large))
    ]
    kept = MAX_WAITING_OF_A_CALLER * len(callers) - len(dropped)
    assert kept * large <= MAX_WAITING_BYTES < (kept + 2) * (large + OBJECT_BYTES)
    assert set(dropped) == set(callers)
    assert waiting.next() == call(":1.1", 0)


def test_so_many_of_a_caller_run_at_once() -> None:
    waiting = WaitingCalls()
    for serial in range(MAX_RUNNING_OF_A_CALLER + 2):
        waiting.add(call(":1.1", serial))
    assert len(taken(waiting)) == MAX_RUNNING_OF_A_CALLER
    waiting.add(call(":1.2", 0))
    assert taken(waiting) == [(":1.2", 0)]
    waiting.end(call(":1.1", 0))
    assert taken(waiting) == [(":1.1", MAX_RUNNING_OF_A_CALLER)]


def test_who_has_gone_is_forgotten() -> None:
    waiting = WaitingCalls()
    for number in range(3 * MAX_REMEMBERED_CALLERS):
        one = call(f":1.{number}", 0)
        waiting.add(one)
        assert waiting.next() == one
        waiting.end(one)
    assert not waiting._running
    assert not waiting._waiting
    assert not waiting._bytes
    assert len(waiting._begun) <= MAX_REMEMBERED_CALLERS + 1
