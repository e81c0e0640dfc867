# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

from kdumpd.model.crashkernel.explain import Clause
from kdumpd.model.readiness.facts import DirectoryFacts, MachineFacts
from kdumpd.model.readiness.finding import Severity, Unknown, fatal, fine, info, unknown, warning
from kdumpd.model.readiness.report import (
    EXIT_STATUS,
    Report,
    check_lines,
    checks_of,
    problems_of,
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
        "  what to do: kdump-config load (Debian, Ubuntu),",
        "    kdumpctl start (Fedora, RHEL) or systemctl restart kdump.service (SUSE)",
        "",
        "  warning: the crash directory '/var/crash' does not exist: saving a dump may fail",
        "    [crash-directory-missing]",
        "  what to do: run mkdir -m 0755 '/var/crash', or mount its file system",
    ]


def test_what_is_wrong_comes_first_and_what_passed_is_counted() -> None:
    report = Report(summary=READY, checks=checks_of(FINDINGS))
    problems = [
        READY,
        "",
        "  unknown: '/a/file' is no regular file [a-file]",
        "  what to do: fix it",
        "",
        "  info: there is a note [a-note]",
        "  what to do: read it",
        "",
    ]
    assert list(check_lines(report)) == [*problems, "1 check passed (-v lists them)"]
    passed = ["1 check passed:", "  the thing is as it should be"]
    assert list(check_lines(report, verbose=True)) == [*problems, *passed]
    more = Report(summary=READY, checks=checks_of((*FINDINGS, FINDINGS[0])))
    assert list(check_lines(more)) == [*problems, "2 checks passed (-v lists them)"]


def test_nothing_is_said_of_what_passed_where_nothing_did() -> None:
    report = Report(summary=READY, checks=checks_of(FINDINGS[1:2]))
    for verbose in (False, True):
        assert not any("passed" in line for line in check_lines(report, verbose=verbose))


def test_the_worst_comes_first_and_the_rest_in_the_order_of_the_rules() -> None:
    findings = (
        info("a", "a", "do"),
        unknown("b", Unknown("b"), "this"),
        warning("c", "c", "and"),
        fatal("d", "d", "that"),
        unknown("e", Unknown("e"), "first", Severity.FATAL),
        fatal("f", "f", "of"),
        warning("g", "g", "all"),
    )
    assert [one.code for one in problems_of(checks_of(findings))] == list("dfcgbea")


def test_a_remedy_is_told_once() -> None:
    findings = (
        warning("a-tool", "no tool", "install it"),
        fatal("a-kernel", "no kernel", "install it"),
        warning("a-disk", "full", "remove dumps"),
        warning("a-disk", "full as well", "remove dumps"),
        unknown("a-file", Unknown("odd"), "fix it"),
        info("b", "b", ""),
        info("c", "c", ""),
    )
    checks = checks_of(findings)
    assert [(one.code, one.remedy) for one in problems_of(checks)] == [
        ("a-kernel", "install it"),
        ("a-tool", "the same as for a-kernel"),
        ("a-disk", "remove dumps"),
        ("a-disk", "the same as above"),
        ("a-file", "fix it"),
        ("b", ""),
        ("c", ""),
    ]
    assert [one.remedy for one in checks] == [one.remedy for one in findings]


def test_lines_fit_and_break_no_path_and_no_command() -> None:
    path = "'/srv/a directory with blanks/and a very long name in it'"
    finding = warning(
        "a-code",
        f"the kernel's own word about {path} is that it is not there at all, and was not before",
        "first look (see a-code), then: systemctl unmask a.service && systemctl enable a.service",
    )
    report = Report(summary=READY, checks=checks_of((finding,)))
    assert list(check_lines(report, 64))[2:] == [
        "  warning: the kernel's own word about",
        f"    {path} is",
        "    that it is not there at all, and was not before [a-code]",
        "  what to do: first look (see a-code), then:",
        "    systemctl unmask a.service && systemctl enable a.service",
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
    assert list(check_lines(report))[1:] == [
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
