# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kdumpd.model.readiness.facts import StorageFacts
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.verdict import find, verdict_of
from kdumpd.model.vocabulary import Readiness
from tests.model.readiness.rules.broken_machine import Fault
from tests.support.machine_facts import DIRECTORY, HEALTHY

NOW = datetime(2026, 11, 30, tzinfo=UTC)
FAULTS = [
    Fault(
        replace(HEALTHY, directories=(replace(DIRECTORY, present=False),)),
        "crash-directory-missing",
        Severity.INFO,
        "'/var/crash' does not exist: the capture tool creates it",
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
    Fault(
        replace(
            HEALTHY, directories=(replace(DIRECTORY, distrusted=((b"/var/crash", 0, 0o777),)),)
        ),
        "crash-directory-untrusted",
        Severity.WARNING,
        "'/var/crash' is writable by group or others (mode 0777)",
    ),
    Fault(
        replace(HEALTHY, directories=(replace(DIRECTORY, strangers=((1000, 1100, 0),)),)),
        "crash-directory-strangers",
        Severity.INFO,
        "'/var/crash' contains 1,100 directories of uid 1000:",
    ),
    Fault(
        replace(
            HEALTHY,
            directories=(
                replace(
                    DIRECTORY,
                    strangers=((1001, 3, 0),),
                    mixed=((b"/var/crash/202611302140", 1001, 131079),),
                ),
            ),
        ),
        "crash-directory-mixed",
        Severity.INFO,
        "'/var/crash/202611302140' of uid 1001 holds files of root",
        besides=("crash-directory-strangers",),
    ),
]


RIGHTS: dict[str, tuple[tuple[tuple[bytes, int, int], ...], str]] = {
    "world": (((b"/var/crash", 0, 0o777),), "chmod 0755 '/var/crash' (chmod 3777 if"),
    "setgid": (((b"/var/crash", 0, 0o2777),), "chmod 0755 '/var/crash' (chmod 3777 if"),
    "owner": (((b"/var/crash", 1000, 0o755),), "chown root:root '/var/crash'"),
    "owner, sticky": (((b"/var/crash", 1000, 0o1777),), "chown root:root '/var/crash'"),
    "both": (
        ((b"/var/crash", 1000, 0o775),),
        "chown root:root '/var/crash', then chmod 0755 '/var/crash' (chmod 3777 if",
    ),
    "parent": (((b"/var", 0, 0o777),), "chmod go-w '/var'"),
    "all": (
        ((b"/", 0, 0o777), (b"/var", 1000, 0o755), (b"/var/crash", 1000, 0o755)),
        "chmod go-w '/', then chown root:root '/var', then chown root:root '/var/crash'",
    ),
}


@pytest.mark.parametrize("rights", RIGHTS)
def test_rights_are_set_right_by_what_is_typed(rights: str) -> None:
    wrong, remedy = RIGHTS[rights]
    (finding,) = find(replace(HEALTHY, directories=(replace(DIRECTORY, distrusted=wrong),)))
    assert finding.code == "crash-directory-untrusted"
    assert finding.remedy.startswith(remedy)
    assert all(f"'{path.decode()}'" in finding.message for path, _, _ in wrong)


STRANGERS: dict[str, tuple[tuple[tuple[int, int, int], ...], str, str]] = {
    "one": (((1000, 1, 0),), "contains 1 directory of uid 1000:", " -uid 1000 "),
    "files": (((1000, 0, 2),), "contains 2 files of uid 1000:", " -uid 1000 "),
    "both": (((1000, 3, 1),), "contains 3 directories and 1 file of uid 1000:", " -uid 1000 "),
    "several": (
        ((1000, 3, 0), (1001, 2, 0)),
        "contains 3 directories of uid 1000, 2 directories of uid 1001:",
        " ! -user root ",
    ),
    "very many": (
        (*((uid, 100, 0) for uid in range(1000, 1100)), (-1, 7, 0)),
        "100 directories of uid 1002, those of 98 more uids:",
        " ! -user root ",
    ),
}


@pytest.mark.parametrize("strangers", STRANGERS)
def test_strangers_change_no_readiness(strangers: str) -> None:
    """They are named, up to a few, and the remedy removes theirs alone."""
    counted, words, whose = STRANGERS[strangers]
    verdict = verdict_of(
        replace(HEALTHY, directories=(replace(DIRECTORY, strangers=counted),)), NOW
    )
    assert verdict.readiness is Readiness.READY
    (finding,) = verdict.findings
    assert (finding.code, finding.severity) == ("crash-directory-strangers", Severity.INFO)
    assert words in finding.message
    assert whose in finding.remedy


MIXED = tuple((b"/var/crash/%d" % number, 1001, 100 + number) for number in range(20))


def test_files_of_root_are_left_out_of_what_is_removed() -> None:
    directory = replace(DIRECTORY, strangers=((1001, 30, 0),), mixed=MIXED)
    mixed, strangers = find(replace(HEALTHY, directories=(directory,)))
    assert "'/var/crash/2' of uid 1001 and 17 more hold files of root" in mixed.message
    assert " -exec find {} ! -uid 0 -delete " in strangers.remedy
    assert "captures of root" not in strangers.message
    assert "rm -r" not in strangers.remedy


KINDS = {
    "directories": ((1000, 3, 0), " -type d -uid 1000 "),
    "files": ((1000, 0, 3), "\\( -name 'linux-image-*' -o -name 'vmcore*' -o -name 'dmesg-*' \\)"),
    "both": ((1000, 3, 3), "\\( -type d -o -name 'linux-image-*' -o"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_was_counted_is_removed(kind: str) -> None:
    counted, words = KINDS[kind]
    (finding,) = find(replace(HEALTHY, directories=(replace(DIRECTORY, strangers=(counted,)),)))
    assert words in finding.remedy


def test_a_link_is_not_a_matter_of_rights() -> None:
    for problem, words in {
        "'/var/crash' is, or leads through, a link or no directory": "CrashDirectories=",
        "'/var/crash' cannot be opened: Permission denied": "as root",
        "'/var/crash' does not answer: 10 s": "its disk for errors",
    }.items():
        (finding,) = find(replace(HEALTHY, directories=(replace(DIRECTORY, problem=problem),)))
        assert words in finding.remedy


def test_a_directory_that_the_sandbox_hides_is_shown_by_a_drop_in() -> None:
    problem = "'/srv/crash' is hidden from kdumpd by its unit's sandbox"
    directory = replace(DIRECTORY, path=b"/srv/crash", problem=problem, hidden=True)
    (finding,) = find(replace(HEALTHY, directories=(DIRECTORY, directory)))
    assert "BindReadOnlyPaths=/srv/crash" in finding.remedy
