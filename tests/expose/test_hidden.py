# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said instead of what users may not read, where it is not about one capture alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from kdumpd.dbus.dispatch import PropertyValues
from kdumpd.expose.dbus_properties import (
    capture_properties,
    crash_test_properties,
    manager_properties,
)
from kdumpd.model.boots.record import BootRecord
from kdumpd.model.crash_test import CrashTest
from kdumpd.model.readiness.facts import LastTest, MachineFacts
from kdumpd.model.readiness.finding import SEE_AS_ROOT
from kdumpd.model.readiness.verdict import verdict_of
from kdumpd.model.state import State
from kdumpd.model.vocabulary import BootEnd, CrashTestVerdict
from tests.support.looks import CRASH, START, as_listed, capture
from tests.support.machine_facts import HEALTHY

INSIDE = "opensesame"
LISTABLE = as_listed(capture())
CLOSED = replace(LISTABLE, listable=False)
PROBLEM = f"'{CRASH.decode()}/{INSIDE}' is another file system, which is not looked into"
BEFORE = BootRecord(
    id="a-boot", seen_at=START, end=BootEnd.CRASH_CAPTURED, reason=f"It is in '{INSIDE}'."
)
TEST = CrashTest(
    id="a-test", at=START, verdict=CrashTestVerdict.FAILED, reason=f"It has no '{INSIDE}'."
)


def machine(*, problem: str = PROBLEM, listable: bool = True) -> MachineFacts:
    (directory,) = HEALTHY.directories
    return replace(HEALTHY, directories=(replace(directory, problem=problem, listable=listable),))


def state_of(facts: MachineFacts, *, restrict: int = 0) -> State:
    policy = replace(facts.policy, dmesg_restrict=restrict)
    return State(verdict=verdict_of(replace(facts, policy=policy), START))


def public(values: PropertyValues) -> str:
    return repr(values.told(everything=False))


Properties = Callable[[State], PropertyValues]
TOLD_OF = LISTABLE.id
CASES: dict[str, tuple[Properties, State, set[str]]] = {
    "a finding": (manager_properties, state_of(machine()), {"Findings", "Checks"}),
    "a failed test, as a finding": (
        manager_properties,
        state_of(
            replace(
                machine(problem=""),
                last_test=LastTest(at=START, passed=False, reason=INSIDE, of_capture=True),
            )
        ),
        {"Findings", "Checks"},
    ),
    "the boot before": (
        manager_properties,
        replace(state_of(machine(problem="")), previous=replace(BEFORE, capture=TOLD_OF)),
        {"PreviousBootReason"},
    ),
    "the boot before, by a test": (
        manager_properties,
        replace(
            state_of(machine(problem="")),
            previous=replace(BEFORE, reason=f"It has failed: {TEST.reason}"),
            tests=(replace(TEST, capture=TOLD_OF),),
        ),
        {"PreviousBootReason"},
    ),
    "a test": (
        crash_test_properties,
        replace(state_of(machine(problem="")), tests=(replace(TEST, capture=TOLD_OF),)),
        {"Reason"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_tells_of_a_capture_is_hidden(case: str) -> None:
    properties, state, names = CASES[case]
    listed = replace(state, captures={LISTABLE.id: LISTABLE})
    assert properties(listed).instead == {}
    assert INSIDE in public(properties(listed))
    assert state.verdict is not None
    facts = state.verdict.machine
    restricted = replace(listed, verdict=state_of(facts, restrict=1).verdict)
    closed = replace(listed, captures={CLOSED.id: CLOSED})
    (directory,) = facts.directories
    unlisted = replace(facts, directories=(replace(directory, listable=False),))
    shut = replace(listed, verdict=state_of(unlisted).verdict)
    of_captures = [closed] if state.previous or state.tests else []
    for hidden in (restricted, shut, *of_captures):
        values = properties(hidden)
        assert INSIDE not in public(values)
        assert {*values.instead} == names | {"Hidden"}
        assert values.told(everything=False)["Hidden"] == sorted(names)
        assert INSIDE in repr(values.told(everything=True))
        assert values.told(everything=True)["Hidden"] == []


def test_what_tells_of_no_capture_stays() -> None:
    plain = replace(BEFORE, reason="The power was lost.", end=BootEnd.UNCLEAN)
    state = replace(state_of(machine(problem=""), restrict=1), previous=plain, tests=(TEST,))
    assert manager_properties(state).instead == {}
    assert crash_test_properties(state).instead == {}


def test_a_finding_says_where_to_ask() -> None:
    values = manager_properties(state_of(machine(), restrict=1))
    ((code, severity, message, remedy),) = values.told(everything=False)["Findings"]
    assert (code, severity) == ("crash-directory-unreadable", "warning")
    assert message == "kdumpd cannot read everything in '/var/crash'"
    assert remedy == SEE_AS_ROOT


def test_nothing_is_hidden_that_is_not_there() -> None:
    empty = replace(LISTABLE, dmesg_file=b"", problem="")
    hidden = capture_properties(empty, state_of(machine(), restrict=1)).instead["Hidden"]
    assert hidden == ["CoreFile", "Directory"]
    assert capture_properties(empty, state_of(machine())).instead == {}
