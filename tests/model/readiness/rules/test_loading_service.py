# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

import pytest

from kdumpd.model.readiness.facts import ServiceFacts
from kdumpd.model.readiness.finding import Severity, Unknown
from kdumpd.model.readiness.verdict import find
from tests.model.readiness.rules.broken_machine import Fault, broken
from tests.support.looks import KERNEL
from tests.support.machine_facts import CRASH_KERNEL, HEALTHY

FAULTS = [
    Fault(
        broken(
            "crash_kernel",
            saving_unit="kdump-tools-dump.service",
            saving_unit_state="masked",
        ),
        "saving-service-masked",
        Severity.FATAL,
        "kdump-tools-dump.service, which saves dumps after a panic, is masked",
    ),
    Fault(
        broken("service", unit_file_state="disabled"),
        "service-disabled",
        Severity.WARNING,
        "kdump-tools.service is disabled",
    ),
    Fault(
        broken("service", unit_file_state="masked"),
        "service-disabled",
        Severity.WARNING,
        "kdump-tools.service is masked",
    ),
    # No service manager was asked, so the links on disk count.
    Fault(
        replace(
            HEALTHY,
            service=ServiceFacts(),
            crash_kernel=replace(CRASH_KERNEL, unit_state="disabled"),
        ),
        "service-disabled",
        Severity.WARNING,
        "kdump-tools.service is disabled",
    ),
    Fault(
        replace(
            HEALTHY,
            service=ServiceFacts(),
            crash_kernel=replace(CRASH_KERNEL, unit_state=Unknown("'/etc' cannot be read")),
        ),
        "service-disabled",
        Severity.WARNING,
        "'/etc' cannot be read",
        unknown=True,
    ),
    Fault(
        broken(
            "service",
            active_state="failed",
            result="exit-code",
            exec_main_status=1,
        ),
        "service-failed",
        Severity.WARNING,
        "failed: exit-code, exit status 1",
    ),
    Fault(
        broken("service", active_state=Unknown("systemd does not answer")),
        "service-failed",
        Severity.WARNING,
        "systemd does not answer",
        unknown=True,
    ),
    Fault(
        replace(HEALTHY, kernel=replace(KERNEL, crash_loaded=False)),
        "service-proves-nothing",
        Severity.INFO,
        "kdump-tools.service is active, but no crash kernel is loaded",
        besides=("crash-kernel-unloaded",),
    ),
]


@pytest.mark.parametrize("state", ["enabled", "static", "generated", "", "bad"])
def test_states_that_mean_no_harm(state: str) -> None:
    assert find(broken("service", unit_file_state=state)) == ()


def test_systemd_knows_better_than_the_links() -> None:
    facts = replace(CRASH_KERNEL, unit_state="disabled")
    assert find(replace(HEALTHY, crash_kernel=facts)) == ()
