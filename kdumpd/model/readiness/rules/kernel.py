# SPDX-License-Identifier: GPL-2.0-or-later
"""The running kernel: can it capture, and is a crash kernel loaded."""

from collections.abc import Iterator

from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, Severity, Unknown, fatal, fine, unknown, warning
from kdumpd.model.readiness.remedies import to_load, to_see_journal


def kernel_absent(machine: MachineFacts) -> Iterator[Finding]:
    """Report that there is no kernel to judge, as below a mounted image."""
    if not machine.kernel.present:
        yield fatal(
            "kernel-absent",
            "; ".join(machine.kernel.problems),
            "ignore this if you only want to see captures there",
        )


def kexec_unsupported(machine: MachineFacts) -> Iterator[Finding]:
    """Report a kernel that was built without kexec or crash dumps."""
    code = "kexec-unsupported"
    if not machine.kernel.present or machine.kernel.problems:
        return
    if machine.kernel.supported:
        yield fine(code, "the running kernel supports crash kernels")
    else:
        yield fatal(
            code,
            "the running kernel was built without support for crash kernels",
            "boot a kernel built with CONFIG_KEXEC and CONFIG_CRASH_DUMP",
        )


def kernel_unreadable(machine: MachineFacts) -> Iterator[Finding]:
    """Report each of the kernel's own files that says nothing we understand."""
    kernel = machine.kernel
    problems = list(kernel.problems) if kernel.present else []
    if kernel.supported and not problems and None in {kernel.crash_loaded, kernel.reserved}:
        problems.append("the kernel shows only one of kexec_crash_loaded and kexec_crash_size")
    for problem in problems:
        yield unknown(
            "kernel-unreadable",
            Unknown(problem),
            severity=Severity.FATAL,
        )


def crash_kernel_unloaded(machine: MachineFacts) -> Iterator[Finding]:
    """Report that a panic would reboot, or hang, without a capture."""
    code = "crash-kernel-unloaded"
    fadump = machine.reservation.fadump
    if fadump and fadump.enabled:
        yield from _fadump_unregistered(code, registered=fadump.registered)
        return
    if not machine.kernel.supported or machine.kernel.crash_loaded is None:
        return
    if machine.kernel.crash_loaded:
        yield fine(code, "a crash kernel is loaded")
    else:
        yield fatal(
            code,
            "no crash kernel is loaded, so a panic leaves no dump",
            to_load(machine),
        )


def crash_kernel_lost(machine: MachineFacts) -> Iterator[Finding]:
    """Report that what was loaded in this boot is not loaded any more: sysfs gives no notice."""
    if machine.was_armed and machine.armed is False:
        yield warning(
            "crash-kernel-lost",
            "a crash kernel was loaded earlier in this boot, but has been unloaded since",
            f"{to_load(machine)}; to see whether the unit unloaded it: {to_see_journal(machine)}",
        )


def _fadump_unregistered(code: str, *, registered: bool | None) -> Iterator[Finding]:
    if registered:
        yield fine(code, "fadump is registered with the firmware")
    elif registered is not None:
        yield fatal(
            code,
            "fadump is not registered with the firmware, so a panic leaves no dump",
            "echo 1 > /sys/kernel/fadump/registered",
        )
    else:
        yield unknown(
            code,
            Unknown("the kernel uses fadump, but /sys/kernel/fadump/registered does not exist"),
            "see the answer of the firmware: dmesg | grep -i fadump",
        )


def facts_unreadable(machine: MachineFacts) -> Iterator[Finding]:
    """Report what could not be asked at all, as where a disk does not answer."""
    for problem in machine.problems:
        yield unknown(
            "facts-unreadable", Unknown(problem), "check that disk for errors: journalctl -k -p err"
        )
