# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

import pytest

from kdumpd.model.readiness.facts import DirectoryFacts, KernelFacts, MachineFacts
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.report import READINESS_SENTENCES
from kdumpd.model.readiness.verdict import find, judge
from kdumpd.model.text import MIB
from kdumpd.model.vocabulary import Readiness
from tests.support.looks import CRASH, KERNEL

DIRECTORY = DirectoryFacts(path=CRASH, present=True)
UNSUPPORTED = replace(KERNEL, supported=False, crash_loaded=None, reserved=None)


def machine(kernel: KernelFacts = KERNEL, *directories: DirectoryFacts) -> MachineFacts:
    return MachineFacts(kernel=kernel, directories=directories or (DIRECTORY,))


def kernel(**values: object) -> MachineFacts:
    return machine(replace(KERNEL, **values))  # type: ignore[arg-type]  # a row of the table


# Each rule fires on what breaks exactly it.
TABLE = [
    (machine(), [], Readiness.READY),
    (
        machine(replace(UNSUPPORTED, present=False, problems=("no kernel runs here",))),
        ["kernel-absent"],
        Readiness.UNSUPPORTED,
    ),
    (machine(UNSUPPORTED), ["kexec-unsupported"], Readiness.UNSUPPORTED),
    (kernel(problems=("a",)), ["kernel-unreadable"], Readiness.NOT_READY),
    (kernel(problems=("a", "b")), ["kernel-unreadable"] * 2, Readiness.NOT_READY),
    (kernel(crash_loaded=None), ["kernel-unreadable"], Readiness.NOT_READY),
    (kernel(reserved=None), ["kernel-unreadable"], Readiness.NOT_READY),
    (
        kernel(crash_loaded=None, reserved=None, problems=("a",)),
        ["kernel-unreadable"],
        Readiness.NOT_READY,
    ),
    (kernel(reserved=0), ["reservation-missing"], Readiness.NOT_READY),
    (kernel(reserved=0, crashkernel=""), ["reservation-missing"], Readiness.NOT_READY),
    (kernel(reserved=256 * MIB - 1), ["reservation-short"], Readiness.DEGRADED),
    (kernel(reserved=1), ["reservation-short"], Readiness.DEGRADED),
    (kernel(crashkernel="1G,high"), ["reservation-short"], Readiness.DEGRADED),
    (kernel(crashkernel="0x20000000"), ["reservation-short"], Readiness.DEGRADED),
    (kernel(reserved=512 * MIB), [], Readiness.READY),
    (kernel(crashkernel="2G-64G:512M"), [], Readiness.READY),
    (kernel(crashkernel="512M,high 256M"), ["crashkernel-ignored"], Readiness.READY),
    (kernel(crashkernel=""), [], Readiness.READY),
    (kernel(crash_loaded=False), ["crash-kernel-unloaded"], Readiness.NOT_READY),
    (
        kernel(crash_loaded=False, reserved=0),
        ["reservation-missing", "crash-kernel-unloaded"],
        Readiness.NOT_READY,
    ),
    (
        machine(KERNEL, replace(DIRECTORY, present=False)),
        ["crash-directory-missing"],
        Readiness.DEGRADED,
    ),
    (
        machine(KERNEL, DIRECTORY, replace(DIRECTORY, present=False, optional=True)),
        [],
        Readiness.READY,
    ),
    (
        machine(KERNEL, replace(DIRECTORY, problem="is a link", optional=True)),
        ["crash-directory-unreadable"],
        Readiness.DEGRADED,
    ),
    (
        machine(KERNEL, replace(DIRECTORY, problem="is a link")),
        ["crash-directory-unreadable"],
        Readiness.DEGRADED,
    ),
    (
        machine(KERNEL, replace(DIRECTORY, present=False, problem="is a link")),
        ["crash-directory-unreadable"],
        Readiness.DEGRADED,
    ),
    (
        machine(KERNEL, DIRECTORY, replace(DIRECTORY, path=b"/srv/crash", present=False)),
        ["crash-directory-missing"],
        Readiness.DEGRADED,
    ),
    (
        machine(replace(KERNEL, crash_loaded=False), replace(DIRECTORY, present=False)),
        ["crash-kernel-unloaded", "crash-directory-missing"],
        Readiness.NOT_READY,
    ),
    (
        machine(UNSUPPORTED, replace(DIRECTORY, present=False)),
        ["kexec-unsupported", "crash-directory-missing"],
        Readiness.UNSUPPORTED,
    ),
]


@pytest.mark.parametrize(("facts", "codes", "readiness"), TABLE)
def test_readiness(facts: MachineFacts, codes: list[str], readiness: Readiness) -> None:
    findings = find(facts)
    assert [finding.code for finding in findings] == codes
    assert judge(facts, findings) is readiness


def test_severities() -> None:
    severities = {
        finding.code: finding.severity for facts, _, _ in TABLE for finding in find(facts)
    }
    assert severities == {
        "kernel-absent": Severity.FATAL,
        "kexec-unsupported": Severity.FATAL,
        "kernel-unreadable": Severity.FATAL,
        "reservation-missing": Severity.FATAL,
        "reservation-short": Severity.WARNING,
        "crashkernel-ignored": Severity.INFO,
        "crash-kernel-unloaded": Severity.FATAL,
        "crash-directory-missing": Severity.WARNING,
        "crash-directory-unreadable": Severity.WARNING,
    }


def test_findings_help() -> None:
    for facts, _, _ in TABLE:
        for finding in find(facts):
            assert finding.message
            assert finding.remedy


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (kernel(reserved=0), "crashkernel=256M had no effect"),
        (kernel(reserved=0, crashkernel=""), "the kernel command line has no crashkernel="),
        (kernel(reserved=192 * MIB), "192 MiB of the 256 MiB requested by crashkernel=256M"),
        (kernel(problems=("'/proc/x' cannot be read",)), "'/proc/x' cannot be read"),
        (machine(KERNEL, DirectoryFacts(path=b"/srv", present=False)), "'/srv' does not exist"),
        (machine(KERNEL, DirectoryFacts(path=b"/\xff", present=False)), r"'/\xff' does not exist"),
        (machine(KERNEL, replace(DIRECTORY, problem="is a link")), "is a link"),
    ],
)
def test_message(facts: MachineFacts, message: str) -> None:
    (finding,) = find(facts)
    assert message in finding.message


@pytest.mark.parametrize("name", [b"/var/\x1b[2J", b"/var/a\nb", b"/var/\xe2\x80\xae"])
def test_a_directory_of_any_name(name: bytes) -> None:
    (finding,) = find(machine(KERNEL, DirectoryFacts(path=name, present=False)))
    assert finding.message.isprintable()
    assert finding.remedy.isprintable()


def test_information_alone_is_ready() -> None:
    (finding,) = find(kernel(crash_loaded=False))
    assert judge(machine(), (replace(finding, severity=Severity.INFO),)) is Readiness.READY


def test_every_readiness_has_its_sentence() -> None:
    assert set(READINESS_SENTENCES) == set(Readiness)
    assert len(set(READINESS_SENTENCES.values())) == len(Readiness)
