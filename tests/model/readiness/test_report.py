# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

from kdumpd.model.crashkernel.explain import Clause
from kdumpd.model.readiness.facts import DirectoryFacts, MachineFacts
from kdumpd.model.readiness.finding import Severity, Unknown, fine, info, unknown
from kdumpd.model.readiness.remedies import LOAD_COMMANDS_OF_ANY_TOOL
from kdumpd.model.readiness.report import (
    EXIT_STATUS,
    Report,
    check_lines,
    checks_of,
    status_lines,
    summary,
)
from kdumpd.model.readiness.verdict import verdict_of
from kdumpd.model.vocabulary import Readiness
from tests.support.looks import CRASH, KERNEL, START

READY = "ready: The next kernel panic would leave a dump."
FINDINGS = (
    fine("a-thing", "the thing is as it should be"),
    info("a-note", "there is a note", "read it"),
    unknown("a-file", Unknown("'/a/file' is no regular file"), "fix it"),
)


def test_ready() -> None:
    assert list(status_lines(Report(summary=READY, checks=checks_of(FINDINGS[:1])))) == [READY]


def test_what_stands_in_the_way() -> None:
    kernel = replace(KERNEL, crash_loaded=False)
    machine = MachineFacts(kernel=kernel, directories=(DirectoryFacts(path=CRASH, present=False),))
    verdict = verdict_of(machine, START)
    told = summary(verdict.readiness, verdict.findings)
    assert list(status_lines(Report(summary=told, checks=checks_of(verdict.checks)))) == [
        "not-ready: The next kernel panic would leave no usable dump.",
        "",
        "  fatal: no crash kernel is loaded, so a panic leaves no dump [crash-kernel-unloaded]",
        f"  what to do: {LOAD_COMMANDS_OF_ANY_TOOL}",
        "",
        (
            "  warning: the crash directory '/var/crash' does not exist: saving a dump may fail"
            " [crash-directory-missing]"
        ),
        "  what to do: run mkdir -m 0700 '/var/crash', or mount its file system",
    ]


def test_every_check_has_its_line() -> None:
    assert list(check_lines(Report(summary=READY, checks=checks_of(FINDINGS)))) == [
        READY,
        "",
        "  ok       the thing is as it should be",
        "  info     there is a note [a-note]",
        "             what to do: read it",
        "  unknown  '/a/file' is no regular file [a-file]",
        "             what to do: fix it",
    ]


def test_how_crashkernel_reads() -> None:
    report = Report(
        summary=READY,
        checks=(),
        crashkernel="1G-:64M",
        ram="2 GiB by /proc/iomem",
        reading=(
            Clause(text="less: nothing", applies=False),
            Clause(text="64M", applies=True),
        ),
    )
    assert list(check_lines(report))[2:] == [
        "",
        "How the kernel reads crashkernel=1G-:64M (here: 2 GiB by /proc/iomem):",
        "    less: nothing",
        "  > 64M",
    ]


def test_what_cannot_be_told_is_not_called_impossible() -> None:
    untold = unknown("a-file", Unknown("'/a/file' holds no number"), "fix it", Severity.FATAL)
    assert summary(Readiness.NOT_READY, (untold,)) == (
        "not-ready: kdumpd cannot tell whether the next kernel panic would leave a dump."
    )
    known = replace(untold, unknown=False)
    assert "would leave no usable dump" in summary(Readiness.NOT_READY, (untold, known))


def test_every_readiness_has_its_exit_status() -> None:
    assert [EXIT_STATUS[one] for one in Readiness] == [0, 1, 2, 3]
