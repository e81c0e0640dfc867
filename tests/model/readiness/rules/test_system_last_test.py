# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace
from datetime import UTC, datetime

from kdumpd.model.readiness.facts import LastTest
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.reservation import with_reservation
from kdumpd.model.readiness.verdict import check
from tests.model.readiness.rules.broken_machine import Fault
from tests.support.machine_facts import HEALTHY

AT = datetime(2026, 11, 23, 1, 13, tzinfo=UTC)
FAILED = LastTest(at=AT, passed=False, reason="The crash kernel started, but saved nothing.")
WRONG = "/etc/kdumpd/kdumpd.conf:7: unknown key 'SettleSecs' in section [Manager]"

FAULTS = [
    Fault(
        replace(HEALTHY, last_test=FAILED),
        "crash-test-failed",
        Severity.WARNING,
        "the crash test of 2026-11-23 failed: the crash kernel started, but saved nothing",
    ),
    Fault(
        replace(HEALTHY, configuration=(WRONG,)),
        "configuration",
        Severity.INFO,
        f"{WRONG} (the default is used)",
    ),
]


def test_a_test_that_has_passed_is_told() -> None:
    passed = replace(HEALTHY, last_test=LastTest(at=AT, passed=True))
    (said,) = (one for one in check(with_reservation(passed)) if one.code == "crash-test-failed")
    assert said.severity is Severity.OK
    assert said.message == "the crash test of 2026-11-23 left a complete dump"
