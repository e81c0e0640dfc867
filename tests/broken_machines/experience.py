# SPDX-License-Identifier: GPL-2.0-or-later
"""What a crash test has shown, and what is wrong with kdumpd's own configuration."""

from datetime import UTC, datetime

from kdumpd.model.crash_test import CrashTest
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.vocabulary import CrashTestVerdict
from tests.broken_machines.fault import Fault

FAULTS = [
    Fault(
        story="somebody crashed the machine as a test, and it came back without a dump",
        code="crash-test-failed",
        severity=Severity.WARNING,
        tests=(
            CrashTest(
                id="a-test",
                at=datetime(2100, 1, 1, tzinfo=UTC),
                verdict=CrashTestVerdict.FAILED,
                reason="The crash kernel started, but the dump is incomplete.",
            ),
        ),
    ),
    Fault(
        story="a word in kdumpd.conf is mistyped",
        code="configuration",
        severity=Severity.INFO,
        how=lambda tree: tree.write("etc/kdumpd/kdumpd.conf", "[Manager]\nSettleSecs=30\n"),
    ),
]
