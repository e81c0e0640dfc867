# SPDX-License-Identifier: GPL-2.0-or-later
"""What leads to a panic, and what follows one."""

from kdumpd.model.readiness.finding import Severity
from tests.broken_machines.fault import OF_LOADED, Fault, codes, unload

KERNEL = "proc/sys/kernel"

FAULTS = [
    Fault(
        story="an administrator ran `sysctl kernel.panic_on_oops=0`",
        code="panic-on-oops-off",
        severity=Severity.INFO,
        how=lambda tree: tree.write(f"{KERNEL}/panic_on_oops", "0\n"),
    ),
    Fault(
        story="a sandbox hides a sysctl behind an empty file",
        code="panic-policy",
        severity=Severity.WARNING,
        how=lambda tree: tree.write(f"{KERNEL}/hung_task_panic", ""),
        unknown=True,
    ),
    Fault(
        story="nothing is loaded, and kernel.panic is what the kernel sets it to",
        code="panic-timeout",
        severity=Severity.INFO,
        how=unload,
        besides=codes("crash-kernel-unloaded"),
        untold=OF_LOADED,
    ),
    Fault(
        story="a sandbox hides it",
        code="panic-timeout",
        severity=Severity.INFO,
        how=lambda tree: tree.write(f"{KERNEL}/panic", ""),
        unknown=True,
    ),
    Fault(
        story="a sandbox hides kernel.sysrq",
        code="sysrq",
        severity=Severity.INFO,
        how=lambda tree: tree.write(f"{KERNEL}/sysrq", ""),
        unknown=True,
    ),
]
