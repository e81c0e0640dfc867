# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

from kdumpd.model.readiness.facts import BootFile, CrashKernelFacts
from kdumpd.model.readiness.finding import Severity, Unknown
from kdumpd.model.readiness.verdict import find
from tests.model.readiness.rules.broken_machine import Fault, broken
from tests.support.looks import KERNEL
from tests.support.machine_facts import CRASH_KERNEL, HEALTHY

IMAGE = BootFile(
    path="/var/lib/kdump/vmlinuz", size=8247232, release="6.1.0-56-amd64", memory=66682880
)
INITRD = BootFile(path="/var/lib/kdump/initrd.img", size=7216553, release="6.1.0-56-amd64")
UNLOADED = ("crash-kernel-unloaded", "service-proves-nothing")
GARBAGE = Unknown("'/some/file' is no regular file")

FAULTS = [
    Fault(
        broken("crash_kernel", cmdline="quiet irqpoll"),
        "capture-cmdline-rootless",
        Severity.WARNING,
        "no root=, unlike the running kernel",
    ),
    Fault(
        broken("crash_kernel", initrd=replace(INITRD, size=4096)),
        "capture-initrd-missing",
        Severity.WARNING,
        "has only 4096 bytes",
    ),
    Fault(
        broken("crash_kernel", tool=GARBAGE),
        "capture-tool-missing",
        Severity.WARNING,
        GARBAGE.problem,
        unknown=True,
    ),
    Fault(
        broken("crash_kernel", tool=""),
        "capture-tool-missing",
        Severity.INFO,
        "by hand or by an unknown tool",
    ),
    Fault(
        replace(
            HEALTHY,
            kernel=replace(KERNEL, crash_loaded=False),
            crash_kernel=CrashKernelFacts(tool=""),
        ),
        "capture-tool-missing",
        Severity.WARNING,
        "no capture tool is installed, so the next boot loads no crash kernel",
        besides=UNLOADED,
    ),
    Fault(
        broken("crash_kernel", off="'/etc/default/kdump-tools' says USE_KDUMP=0"),
        "kdump-disabled",
        Severity.FATAL,
        "no crash kernel at boot and saves no dump: '/etc/default/kdump-tools' says USE_KDUMP=0",
    ),
    Fault(
        broken("crash_kernel", tool="kdump-utils", off="'/etc/kdump.conf' does not exist"),
        "kdump-disabled",
        Severity.WARNING,
        "kdump-utils is off, so it loads no crash kernel at boot: '/etc/kdump.conf' does not exist",
    ),
    Fault(
        broken("crash_kernel", kernel=replace(IMAGE, size=None)),
        "crash-kernel-missing",
        Severity.WARNING,
        "'/var/lib/kdump/vmlinuz' does not exist: the next boot or reload",
    ),
    Fault(
        replace(
            HEALTHY,
            kernel=replace(KERNEL, crash_loaded=False),
            crash_kernel=replace(CRASH_KERNEL, kernel=replace(IMAGE, size=0)),
        ),
        "crash-kernel-missing",
        Severity.WARNING,
        "is empty: no crash kernel can be loaded",
        besides=UNLOADED,
    ),
    Fault(
        broken("crash_kernel", initrd=replace(INITRD, size=None)),
        "capture-initrd-missing",
        Severity.INFO,
        "kdump-tools makes one at the next load",
    ),
    Fault(
        broken("crash_kernel", initrd=replace(INITRD, size=None), makes_initrd=False),
        "capture-initrd-missing",
        Severity.WARNING,
        "does not exist: without it, the crash kernel finds no disk",
    ),
    # A full disk leaves one that the tool takes for good.
    Fault(
        broken("crash_kernel", initrd=replace(INITRD, size=0)),
        "capture-initrd-missing",
        Severity.WARNING,
        "is empty",
    ),
    Fault(
        broken("crash_kernel", changed=("/boot/vmlinuz-6.1.0-56-amd64",)),
        "capture-initrd-stale",
        Severity.WARNING,
        "older than '/boot/vmlinuz-6.1.0-56-amd64'",
    ),
    Fault(
        broken(
            "crash_kernel",
            kernel=replace(IMAGE, release="6.1.0-55-amd64"),
            initrd=replace(INITRD, release="6.1.0-55-amd64"),
        ),
        "crash-kernel-differs",
        Severity.INFO,
        "is 6.1.0-55-amd64, but the running kernel is 6.1.0-56-amd64",
    ),
    Fault(
        broken("crash_kernel", initrd=replace(INITRD, release="6.1.0-55-amd64")),
        "capture-initrd-differs",
        Severity.WARNING,
        "made for 6.1.0-55-amd64, but the crash kernel is 6.1.0-56-amd64",
    ),
    Fault(
        broken("crash_kernel", initrd=replace(INITRD, size=60_000_000)),
        "reservation-below-estimate",
        Severity.WARNING,
        "only 256 MiB is reserved, but the crash kernel and its initrd need about 267.3 MiB",
    ),
    Fault(
        broken("crash_kernel", off=GARBAGE),
        "kdump-disabled",
        Severity.WARNING,
        "no regular file",
        unknown=True,
    ),
    Fault(
        broken("crash_kernel", kernel=GARBAGE),
        "crash-kernel-missing",
        Severity.WARNING,
        "no regular file",
        unknown=True,
    ),
    Fault(
        broken("crash_kernel", initrd=GARBAGE),
        "capture-initrd-missing",
        Severity.WARNING,
        "no regular file",
        unknown=True,
    ),
]


def test_nothing_known_is_nothing_wrong() -> None:
    assert find(replace(HEALTHY, crash_kernel=CrashKernelFacts())) == ()


def test_a_kernel_that_was_removed_after_an_update_is_told_once() -> None:
    """The next boot has another one, which makes a link to itself; until then this one stays."""
    gone = replace(CRASH_KERNEL, kernel=replace(IMAGE, size=None))
    removed = replace(HEALTHY.next_boot, running_installed=False)
    found = find(replace(HEALTHY, crash_kernel=gone, next_boot=removed))
    assert [one.code for one in found] == ["running-kernel-removed"]
    other = replace(gone, kernel=replace(IMAGE, size=None, release="6.1.0-55-amd64"))
    found = find(replace(HEALTHY, crash_kernel=other, next_boot=removed))
    assert {"running-kernel-removed", "crash-kernel-missing"} <= {one.code for one in found}


def test_what_the_initrd_takes_unpacked_is_taken_at_its_word() -> None:
    large = replace(INITRD, size=60_000_000, memory=60_000_000)
    assert find(broken("crash_kernel", initrd=large)) == ()


def test_a_kernel_that_does_not_say_what_it_takes() -> None:
    assert find(broken("crash_kernel", kernel=replace(IMAGE, memory=None))) == ()


def test_less_than_the_estimate_is_told_once_with_a_size() -> None:
    small = replace(HEALTHY, kernel=replace(KERNEL, reserved=64 << 20))
    found = {one.code: one for one in find(small)}
    assert "reservation-small" not in found
    assert "crashkernel=256M" in found["reservation-below-estimate"].remedy
