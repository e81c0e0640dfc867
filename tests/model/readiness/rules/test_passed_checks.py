# SPDX-License-Identifier: GPL-2.0-or-later
"""A check is told as passed only where there is what it is about."""

from dataclasses import replace

import pytest

from kdumpd.model.readiness.facts import FadumpFacts, MachineFacts
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.reservation import with_reservation
from kdumpd.model.readiness.verdict import check
from tests.support.looks import KERNEL
from tests.support.machine_facts import DUMP_DIRECTORY, HEALTHY, STORAGE, SURROUNDINGS

UNLOADED = replace(HEALTHY, kernel=replace(KERNEL, crash_loaded=False))
UNRESERVED = replace(HEALTHY, kernel=replace(KERNEL, crash_loaded=False, reserved=0))
FADUMP = replace(
    HEALTHY,
    system=replace(SURROUNDINGS, post_notifiers=True, notifiers_wanted="fadump"),
    reservation=replace(
        HEALTHY.reservation, fadump=FadumpFacts(enabled=True, registered=True, reserved=1 << 30)
    ),
)
UNREGISTERED = replace(
    FADUMP,
    reservation=replace(
        HEALTHY.reservation, fadump=FadumpFacts(enabled=True, registered=False, reserved=1 << 30)
    ),
)
WITHOUT_DUMP_DIRECTORY = replace(
    HEALTHY,
    storage=replace(STORAGE, directories=(replace(DUMP_DIRECTORY, present=None),)),
)


def passed(machine: MachineFacts) -> set[str]:
    """Return the codes of what is told as it should be."""
    return {one.code for one in check(with_reservation(machine)) if one.severity is Severity.OK}


@pytest.mark.parametrize(
    ("code", "there", "not_there"),
    [
        ("post-notifiers", HEALTHY, UNLOADED),
        ("post-notifiers", FADUMP, UNREGISTERED),
        ("service-failed", HEALTHY, UNLOADED),
        ("kexec-load-disabled", UNLOADED, UNRESERVED),
        ("dump-directory-unmountable", HEALTHY, WITHOUT_DUMP_DIRECTORY),
        ("storage-too-small", HEALTHY, WITHOUT_DUMP_DIRECTORY),
    ],
)
def test_nothing_is_well_that_is_not_there(
    code: str, there: MachineFacts, not_there: MachineFacts
) -> None:
    assert code in passed(there)
    assert code not in passed(not_there)
