# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

from kdumpd.model.facts.folder import FolderFacts
from kdumpd.model.facts.machine import MachineFacts
from kdumpd.model.readiness import Readiness, find, judge
from kdumpd.model.report import readiness_lines
from tests.model.looks import CRASH, KERNEL


def test_ready() -> None:
    lines = list(readiness_lines(Readiness.READY, ()))
    assert lines == ["ready: The next kernel panic would leave a dump."]


def test_findings() -> None:
    kernel = replace(KERNEL, crash_loaded=False)
    machine = MachineFacts(kernel=kernel, folders=(FolderFacts(path=CRASH, present=False),))
    findings = find(machine)
    lines = list(readiness_lines(judge(machine, findings), findings))
    assert lines == [
        "not-ready: The next kernel panic would leave no usable dump.",
        "",
        "  fatal: no crash kernel is loaded [crash-kernel-unloaded]",
        "  what to do: kdump-config load (Debian, Ubuntu) or kdumpctl start (Fedora, RHEL, SUSE)",
        "",
        "  warning: the crash folder '/var/crash' does not exist [crash-folder-missing]",
        "  what to do: mkdir -m 0700 '/var/crash', or mount what belongs there",
    ]
