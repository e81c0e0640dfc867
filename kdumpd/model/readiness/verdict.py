# SPDX-License-Identifier: GPL-2.0-or-later
"""Would the next panic leave a dump?

The kernel answers half of this in sysfs (a crash kernel is loaded, its memory is reserved);
the other half is ours to judge. Every rule is one small function from facts to findings.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from kdumpd.model.readiness.facts import KernelFacts, MachineFacts
from kdumpd.model.readiness.finding import Finding, Severity
from kdumpd.model.readiness.reservation import JudgedMachine, Reservation, with_reservation
from kdumpd.model.readiness.rules import (
    dump_target,
    kernel,
    loading,
    next_boot,
    panic_policy,
    reservation,
    system,
)
from kdumpd.model.vocabulary import Readiness

# What a container has of its own; its kernel, its /boot and its boot loader are nobody's.
CODES_OF_A_CONTAINER = {
    "configuration",
    "container",
    "crash-directory-mixed",
    "crash-directory-strangers",
    "crash-directory-unreadable",
    "crash-directory-untrusted",
    "facts-unreadable",
}

Rule = Callable[[JudgedMachine], Iterable[Finding]]

# In the order in which the findings are told: what is behind the others comes first.
RULES: tuple[Rule, ...] = (
    kernel.kernel_absent,
    kernel.kexec_unsupported,
    kernel.kernel_unreadable,
    kernel.facts_unreadable,
    system.container,
    system.crash_kernel_running,
    system.live_system,
    system.xen_dom0,
    reservation.reservation_unreadable,
    reservation.reservation_missing,
    reservation.reservation_short,
    reservation.reservation_cut,
    reservation.reservation_low,
    reservation.reservation_cma_short,
    loading.reservation_below_estimate,
    reservation.reservation_small,
    reservation.reservation_shrank,
    reservation.reservation_grew,
    reservation.crashkernel_repeated,
    reservation.crashkernel_ignored,
    reservation.crashkernel_misspelled,
    reservation.crashkernel_without_unit,
    reservation.crashkernel_fragile,
    reservation.fadump_refused,
    system.kexec_load_disabled,
    system.kexec_disabled_at_boot,
    system.kexec_loads_used_up,
    system.kernel_lockdown,
    loading.capture_tool_missing,
    loading.kdump_disabled,
    loading.service_disabled,
    loading.saving_service_masked,
    loading.service_failed,
    next_boot.running_kernel_removed,
    loading.crash_kernel_missing,
    loading.capture_initrd_missing,
    loading.capture_initrd_stale,
    loading.crash_kernel_differs,
    loading.capture_initrd_differs,
    loading.capture_cmdline_rootless,
    kernel.crash_kernel_unloaded,
    kernel.crash_kernel_lost,
    loading.service_proves_nothing,
    system.post_notifiers,
    next_boot.next_boot_unreserved,
    next_boot.next_boot_differs,
    next_boot.boot_loader_outdated,
    next_boot.next_kernel_without_initrd,
    dump_target.crash_directory_missing,
    dump_target.crash_directory_unreadable,
    dump_target.crash_directory_untrusted,
    dump_target.crash_directory_mixed,
    dump_target.crash_directory_strangers,
    dump_target.dump_settings_unreadable,
    dump_target.dump_target_remote,
    dump_target.dump_target_raw,
    dump_target.dump_target_unmounted,
    dump_target.dump_directory_missing,
    dump_target.dump_directory_read_only,
    dump_target.dump_directory_unmountable,
    dump_target.dump_directory_not_mounted,
    dump_target.dump_directory_encrypted,
    dump_target.dump_directory_unwatched,
    dump_target.storage_too_small,
    dump_target.storage_no_inodes,
    system.crash_test_failed,
    system.configuration,
    panic_policy.panic_on_oops_off,
    panic_policy.panic_policy,
    panic_policy.panic_timeout,
    panic_policy.sysrq,
)


def check(machine: JudgedMachine, rules: Collection[Rule] = RULES) -> tuple[Finding, ...]:
    """Return what every rule says, also that a thing is as it should be, in the rules' order.

    In a container only what is true of itself: the rest that is seen there is the host's.
    """
    findings = (finding for rule in rules for finding in rule(machine))
    inside = bool(machine.system.container)
    return tuple(one for one in findings if not inside or one.code in CODES_OF_A_CONTAINER)


def find(machine: MachineFacts, rules: Collection[Rule] = RULES) -> tuple[Finding, ...]:
    """Return every finding that is worth a word, in the order of the rules."""
    return troubles(check(with_reservation(machine), rules))


def troubles(checks: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that say more than that a thing is as it should be."""
    return tuple(one for one in checks if one.severity is not Severity.OK)


def judge(machine: MachineFacts, findings: Collection[Finding]) -> Readiness:
    """Fold the facts and their findings into one word."""
    if not machine.kernel.supported or machine.system.container:
        return Readiness.UNSUPPORTED
    severities = {finding.severity for finding in findings}
    if Severity.FATAL in severities:
        return Readiness.NOT_READY
    return Readiness.DEGRADED if Severity.WARNING in severities else Readiness.READY


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Readiness as last judged."""

    at: datetime
    machine: MachineFacts
    reservation: Reservation
    readiness: Readiness
    checks: tuple[Finding, ...]  # what every rule said

    @property
    def kernel(self) -> KernelFacts:
        """What the running kernel says."""
        return self.machine.kernel

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The checks that are worth a word."""
        return troubles(self.checks)


def verdict_of(machine: MachineFacts, at: datetime) -> Verdict:
    """Return readiness as the facts tell it."""
    judged = with_reservation(machine)
    checks = check(judged)
    return Verdict(
        at=at,
        machine=machine,
        reservation=judged.reservation_judged,
        readiness=judge(machine, checks),
        checks=checks,
    )
