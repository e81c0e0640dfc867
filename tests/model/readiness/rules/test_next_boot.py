# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

import pytest

from kdumpd.model.formats.kernel import Distribution
from kdumpd.model.readiness.facts import NextBootFacts
from kdumpd.model.readiness.finding import Severity, Unknown
from kdumpd.model.readiness.reservation import with_reservation
from kdumpd.model.readiness.verdict import check, find
from tests.model.readiness.rules.broken_machine import Fault, broken
from tests.support.looks import KERNEL
from tests.support.machine_facts import HEALTHY, NEXT_BOOT

GARBAGE = Unknown("'/some/file' holds more than 65536 bytes")

FAULTS = [
    Fault(
        broken("next_boot", crashkernel="384MB", wanted="384MB"),
        "next-boot-unreserved",
        Severity.WARNING,
        "crashkernel=384MB has no effect",
        besides=("next-boot-differs",),
    ),
    Fault(
        broken("next_boot", crashkernel="8G", wanted="8G"),
        "next-boot-unreserved",
        Severity.WARNING,
        "8G is not smaller than the RAM",
        besides=("next-boot-differs",),
    ),
    Fault(
        broken("next_boot", crashkernel="6G-:512M", wanted="6G-:512M"),
        "next-boot-unreserved",
        Severity.WARNING,
        "crashkernel=6G-:512M has no effect",
        besides=("next-boot-differs",),
    ),
    Fault(
        broken("next_boot", crashkernel="", wanted=""),
        "next-boot-unreserved",
        Severity.WARNING,
        "'/boot/grub/grub.cfg' has no crashkernel=, unlike the running kernel",
    ),
    # One word is enough where update-grub was forgotten.
    Fault(
        broken("next_boot", crashkernel=""),
        "next-boot-unreserved",
        Severity.WARNING,
        "reserves no memory",
    ),
    Fault(
        broken("next_boot", crashkernel="512M", wanted="512M"),
        "next-boot-differs",
        Severity.INFO,
        "has crashkernel=512M, but the running kernel was started with crashkernel=256M",
    ),
    Fault(
        broken("next_boot", wanted="512M"),
        "boot-loader-outdated",
        Severity.INFO,
        "asks for crashkernel=512M",
    ),
    Fault(
        broken("next_boot", wanted=""),
        "boot-loader-outdated",
        Severity.WARNING,
        "the next update-grub removes it",
    ),
    Fault(
        broken("next_boot", initrd=False),
        "next-kernel-without-initrd",
        Severity.INFO,
        "6.1.0-57-amd64, has no capture initrd yet: its first boot makes one",
    ),
    Fault(
        broken("next_boot", initrd=False, makes_initrd=False),
        "next-kernel-without-initrd",
        Severity.WARNING,
        "its first boot makes none",
    ),
    Fault(
        broken("next_boot", running_installed=False),
        "running-kernel-removed",
        Severity.INFO,
        "6.1.0-56-amd64, are missing: the crash kernel cannot be reloaded",
    ),
    Fault(
        replace(
            HEALTHY,
            kernel=replace(KERNEL, crash_loaded=False),
            next_boot=replace(NEXT_BOOT, running_installed=False),
        ),
        "running-kernel-removed",
        Severity.WARNING,
        "are missing: no crash kernel can be loaded",
        besides=("crash-kernel-unloaded", "service-proves-nothing"),
    ),
    Fault(
        broken("next_boot", crashkernel=GARBAGE),
        "next-boot-unreserved",
        Severity.WARNING,
        "holds more than",
        unknown=True,
    ),
    Fault(
        broken("next_boot", wanted=GARBAGE),
        "boot-loader-outdated",
        Severity.WARNING,
        "holds more than",
        unknown=True,
    ),
]


def test_nothing_known_is_nothing_wrong() -> None:
    assert find(replace(HEALTHY, next_boot=NextBootFacts())) == ()


@pytest.mark.parametrize("running", ["256M,high 128M,low", "128M,low 256M,high"])
def test_the_order_of_kinds_is_no_difference(running: str) -> None:
    next_boot = replace(NEXT_BOOT, crashkernel="128M,low 256M,high", wanted="256M,high 128M,low")
    kernel = replace(KERNEL, crashkernel=running)
    assert find(replace(HEALTHY, kernel=kernel, next_boot=next_boot)) == ()


def test_a_kernel_that_is_not_to_be_started_needs_no_initrd() -> None:
    same = replace(NEXT_BOOT, release=KERNEL.release, initrd=False)
    assert find(replace(HEALTHY, next_boot=same)) == ()


def test_nothing_is_told_of_settings_that_nobody_made() -> None:
    kernel = replace(KERNEL, crashkernel="")
    nothing = replace(NEXT_BOOT, crashkernel="", wanted="")
    found = check(with_reservation(replace(HEALTHY, kernel=kernel, next_boot=nothing)))
    assert "boot-loader-outdated" not in {one.code for one in found}


@pytest.mark.parametrize(
    ("problem", "remedy"),
    [
        ("'/boot/grub/grub.cfg' has no command of GRUB", "update-grub"),
        ("'/boot/grub/grub.cfg' cannot be read: Permission denied", "as root"),
    ],
)
def test_a_menu_is_written_anew_where_it_can_be_read(problem: str, remedy: str) -> None:
    reservation = replace(HEALTHY.reservation, distribution=Distribution.DEBIAN)
    facts = replace(NEXT_BOOT, crashkernel=Unknown(problem), wanted=None)
    (finding,) = find(replace(HEALTHY, next_boot=facts, reservation=reservation))
    assert remedy in finding.remedy
