# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

from kdumpd.model.readiness.facts import StorageFacts
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.verdict import find
from tests.model.readiness.rules.broken_machine import Fault
from tests.support.machine_facts import DIRECTORY, HEALTHY

FAULTS = [
    Fault(
        replace(HEALTHY, directories=(replace(DIRECTORY, present=False),)),
        "crash-directory-missing",
        Severity.INFO,
        "'/var/crash' does not exist: the capture tool makes it",
    ),
    Fault(
        replace(
            HEALTHY,
            directories=(replace(DIRECTORY, present=False),),
            storage=StorageFacts(memory=None),
        ),
        "crash-directory-missing",
        Severity.WARNING,
        "'/var/crash' does not exist",
    ),
    Fault(
        replace(HEALTHY, directories=(replace(DIRECTORY, problem="'/var/crash' is a link"),)),
        "crash-directory-unreadable",
        Severity.WARNING,
        "'/var/crash' is a link",
        unknown=True,
    ),
]


def test_a_link_is_not_a_matter_of_rights() -> None:
    for problem, words in {
        "'/var/crash' is, or leads through, a link or no directory": "CrashDirectories=",
        "'/var/crash' cannot be opened: Permission denied": "as root",
        "'/var/crash' does not answer: 10 s": "its disk answers",
    }.items():
        (finding,) = find(replace(HEALTHY, directories=(replace(DIRECTORY, problem=problem),)))
        assert words in finding.remedy


def test_a_directory_that_the_sandbox_hides_is_shown_by_a_drop_in() -> None:
    problem = "'/srv/crash' is hidden from kdumpd by its unit's sandbox"
    directory = replace(DIRECTORY, path=b"/srv/crash", problem=problem, hidden=True)
    (finding,) = find(replace(HEALTHY, directories=(DIRECTORY, directory)))
    assert "BindReadOnlyPaths=/srv/crash" in finding.remedy
