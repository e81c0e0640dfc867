# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule speaks of what breaks exactly it, and only then."""

import pytest

from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.reservation import with_reservation
from kdumpd.model.readiness.verdict import RULES, check, find, judge
from kdumpd.model.vocabulary import Readiness
from tests.model.readiness.rules import (
    test_dump_target_directory,
    test_dump_target_storage,
    test_kernel,
    test_loading,
    test_loading_service,
    test_next_boot,
    test_panic_policy,
    test_reservation,
    test_system,
    test_system_last_test,
)
from tests.model.readiness.rules.broken_machine import Fault
from tests.support.machine_facts import HEALTHY

ALL: list[Fault] = [
    *test_kernel.FAULTS,
    *test_reservation.FAULTS,
    *test_loading.FAULTS,
    *test_next_boot.FAULTS,
    *test_dump_target_storage.FAULTS,
    *test_dump_target_directory.FAULTS,
    *test_panic_policy.FAULTS,
    *test_system_last_test.FAULTS,
    *test_system.FAULTS,
    *test_loading_service.FAULTS,
]
NAMES = [f"{number}-{one.code}" for number, one in enumerate(ALL)]


def test_a_healthy_machine() -> None:
    assert find(HEALTHY) == ()
    assert judge(HEALTHY, check(with_reservation(HEALTHY))) is Readiness.READY


def test_a_healthy_machine_is_told_what_was_checked() -> None:
    for one in check(with_reservation(HEALTHY)):
        assert one.severity is Severity.OK
        assert one.message
        assert one.remedy == ""


@pytest.mark.parametrize("fault", ALL, ids=NAMES)
def test_one_fault(fault: Fault) -> None:
    findings = {finding.code: finding for finding in find(fault.facts)}
    assert set(findings) == {fault.code, *fault.besides}
    finding = findings[fault.code]
    assert finding.severity is fault.severity
    assert fault.words in finding.message
    assert finding.unknown == fault.unknown
    assert finding.remedy
    assert finding.message.isprintable()
    assert finding.remedy.isprintable()


def test_every_rule_has_its_fault() -> None:
    fired = {rule.__name__ for rule in RULES for one in ALL if find(one.facts, (rule,))}
    assert fired == {rule.__name__ for rule in RULES}


def test_a_code_is_the_name_of_its_rule() -> None:
    for rule in RULES:
        for facts in (HEALTHY, *(one.facts for one in ALL)):
            for finding in rule(with_reservation(facts)):
                assert finding.code == rule.__name__.replace("_", "-")


def test_no_two_rules_say_the_same() -> None:
    sentences = [(one.code, one.message) for one in check(with_reservation(HEALTHY))]
    assert len({message for _, message in sentences}) == len(sentences)
