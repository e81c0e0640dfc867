# SPDX-License-Identifier: GPL-2.0-or-later
"""The running kernel, and what is around it."""

from kdumpd.model.readiness.facts import LastReservation
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.text import MIB
from tests.broken_machines.fault import (
    AMOUNTS,
    FILES,
    MENU,
    OF_LOADED,
    OF_RESERVED,
    PLACE,
    SETTINGS_OF_THE_KERNEL,
    UNLOADED,
    Fault,
    Tree,
    codes,
    each,
    unload,
)

BOOT_ID = "8c2cddac-f50e-485b-b0a2-fc9bb6080124"
NOTIFIERS = "sys/module/kernel/parameters/crash_kexec_post_notifiers"
LOCKDOWN = "sys/kernel/security/lockdown"
BOOTED = (
    SETTINGS_OF_THE_KERNEL
    | AMOUNTS
    | FILES
    | MENU
    | PLACE
    | codes("reservation-missing crash-kernel-unloaded running-kernel-removed")
)
CMDLINE = "proc/cmdline"


def without_kernel(tree: Tree) -> None:
    """Leave what is on a disk alone."""
    for name in ("proc", "sys", "dev", "run"):
        tree.remove(name)
        tree.directory(name)


def without_kexec(tree: Tree) -> None:
    """Take the files of CONFIG_KEXEC and CONFIG_CRASH_DUMP away."""
    for name in ("kexec_crash_loaded", "kexec_crash_size", "kexec_loaded", "vmcoreinfo"):
        tree.remove(f"sys/kernel/{name}")
    tree.remove("proc/sys/kernel/kexec_load_disabled")
    tree.drop("proc/iomem", "Crash kernel")


def lock(tree: Tree) -> None:
    """Have the kernel take what is signed, and nothing loaded."""
    tree.write(LOCKDOWN, "none [integrity] confidentiality\n")
    unload(tree)


def use_up(tree: Tree) -> None:
    """Allow no further load."""
    tree.write("proc/sys/kernel/kexec_load_limit_panic", "0\n")


FAULTS = [
    Fault(
        story="an administrator hardens the machine by a file in sysctl.d, for the next boot",
        code="kexec-disabled-at-boot",
        severity=Severity.WARNING,
        how=lambda tree: tree.write("etc/sysctl.d/h.conf", "kernel.kexec_load_disabled=1\n"),
    ),
    Fault(
        story="the disk of a machine is mounted on another, and kdumpd is to look there",
        code="kernel-absent",
        severity=Severity.FATAL,
        how=without_kernel,
        untold=BOOTED,
    ),
    Fault(
        story="a kernel of one's own was built without CONFIG_KEXEC",
        code="kexec-unsupported",
        severity=Severity.FATAL,
        how=without_kexec,
        untold=AMOUNTS
        | codes("reservation-missing crash-kernel-unloaded kexec-load-disabled")
        | OF_LOADED,
    ),
    Fault(
        story="a sandbox hides a file of the kernel behind an empty one",
        code="kernel-unreadable",
        severity=Severity.FATAL,
        how=lambda tree: tree.write("sys/kernel/kexec_crash_size", ""),
        untold=AMOUNTS | codes("reservation-missing kexec-unsupported") | OF_RESERVED,
        unknown=True,
    ),
    Fault(
        story="a copy of the machine's files was made without one of them",
        code="kernel-unreadable",
        severity=Severity.FATAL,
        how=lambda tree: tree.remove("sys/kernel/kexec_crash_size"),
        untold=AMOUNTS | codes("reservation-missing") | OF_RESERVED,
        unknown=True,
    ),
    Fault(
        story="somebody ran `kdump-config unload`",
        code="crash-kernel-unloaded",
        severity=Severity.FATAL,
        how=unload,
        besides=codes("panic-timeout"),
        untold=OF_LOADED,
    ),
    Fault(
        story="somebody ran `kexec -p -u` an hour after the boot",
        code="crash-kernel-lost",
        severity=Severity.WARNING,
        how=unload,
        besides=UNLOADED,
        boots=(
            LastReservation(
                boot_id=BOOT_ID, crashkernel="384M", reserved=384 * MIB, ram=None, armed=True
            ),
        ),
        untold=OF_LOADED,
    ),
    Fault(
        story="the machine's disk was taken over into a container",
        code="container",
        severity=Severity.FATAL,
        how=lambda tree: tree.write("run/systemd/container", "lxc\n"),
        untold=BOOTED | codes("capture-tool-missing kdump-disabled service-disabled"),
    ),
    Fault(
        story="the machine has crashed, and this is the crash kernel",
        code="crash-kernel-running",
        severity=Severity.INFO,
        how=lambda tree: tree.write("proc/vmcore", "\x7fELF"),
    ),
    Fault(
        story="the machine was started from an installation medium",
        code="live-system",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(CMDLINE, " ro ", " boot=live ro "),
        untold=codes("dump-directory-unmountable"),
    ),
    Fault(
        story="an administrator made the machine a host of Xen",
        code="xen-dom0",
        severity=Severity.INFO,
        how=lambda tree: tree.write("proc/xen/capabilities", "control_d\n"),
    ),
    Fault(
        story="an administrator ran `sysctl kernel.kexec_load_disabled=1`",
        code="kexec-load-disabled",
        severity=Severity.INFO,
        how=lambda tree: tree.write("proc/sys/kernel/kexec_load_disabled", "1\n"),
    ),
    Fault(
        story="a file in sysctl.d has it from the beginning, and nothing could be loaded",
        code="kexec-load-disabled",
        severity=Severity.FATAL,
        how=each(lambda tree: tree.write("proc/sys/kernel/kexec_load_disabled", "1\n"), unload),
        besides=UNLOADED,
        untold=OF_LOADED,
    ),
    Fault(
        story="a script loaded the crash kernel as often as kexec_load_limit_panic allows",
        code="kexec-loads-used-up",
        severity=Severity.INFO,
        how=use_up,
        machine="debian-13-ready",
    ),
    Fault(
        story="the same, and then it unloaded it",
        code="kexec-loads-used-up",
        severity=Severity.FATAL,
        how=each(use_up, unload),
        machine="debian-13-ready",
        besides=UNLOADED,
        untold=OF_LOADED,
    ),
    Fault(
        story="Secure Boot was switched on, and kdump-tools load by kexec_load(2)",
        code="kernel-lockdown",
        severity=Severity.INFO,
        how=lock,
        besides=UNLOADED,
        untold=OF_LOADED,
    ),
    Fault(
        story="a driver's manual asked for crash_kexec_post_notifiers",
        code="post-notifiers",
        severity=Severity.WARNING,
        how=lambda tree: tree.write(NOTIFIERS, "Y\n"),
    ),
    Fault(
        story="the disk was moved to a guest of Hyper-V",
        code="post-notifiers",
        severity=Severity.INFO,
        how=each(
            lambda tree: tree.write(NOTIFIERS, "Y\n"), lambda tree: tree.directory("sys/bus/vmbus")
        ),
    ),
]
