# SPDX-License-Identifier: GPL-2.0-or-later
"""Which events lead to a panic, and so to a dump; and what the keyboard may do."""

from collections.abc import Iterable, Iterator

from kdumpd.model.facts.machine import MachineFacts
from kdumpd.model.finding import Finding, Severity, Unknown, fine, info, unknown
from kdumpd.model.sysrq import EVERYTHING, keyboard_deeds, keyboard_may_crash

OOPS = "panic_on_oops"
# By the sysctls of Documentation/admin-guide/sysctl/kernel.rst and vm.rst.
EVENTS = {
    OOPS: "an oops",
    "oops_limit": "too many oopses",
    "panic_on_warn": "a kernel warning",
    "warn_limit": "too many kernel warnings",
    "unknown_nmi_panic": "an NMI of unknown cause",
    "panic_on_unrecovered_nmi": "a memory error told by an NMI",
    "panic_on_io_nmi": "a device error told by an NMI",
    "hardlockup_panic": "a processor that takes no interrupts",
    "softlockup_panic": "a processor stuck in the kernel",
    "hung_task_panic": "a program stuck in the kernel",
    "panic_on_rcu_stall": "an RCU stall",
    "panic_on_oom": "running out of memory",
}
# One is enough already.
IMPLIED_BY = {"oops_limit": OOPS, "warn_limit": "panic_on_warn"}


def panic_on_oops_off(machine: MachineFacts) -> Iterator[Finding]:
    """Report a machine that lives on after an oops: most crashes of a kernel are one.

    kdump-tools sets kernel.panic_on_oops=1 whenever it loads the crash kernel (kdump-config 1.8.1).
    """
    if machine.policy.triggers.get(OOPS) is False:
        yield info(
            "panic-on-oops-off",
            "after an oops, a crash inside the kernel, the machine goes on as well as it can and"
            " leaves no dump (kernel.panic_on_oops=0)",
            "sysctl -w kernel.panic_on_oops=1, and the same line in a file in /etc/sysctl.d",
        )


def panic_policy(machine: MachineFacts) -> Iterator[Finding]:
    """Say which events panic this machine."""
    code, triggers = "panic-policy", machine.policy.triggers
    for fact in triggers.values():
        if isinstance(fact, Unknown):
            yield unknown(code, fact)
    on = [name for name, panics in triggers.items() if panics is True]
    off = _listed(name for name, panics in triggers.items() if panics is False)
    if on:
        does = _listed(name for name in on if IMPLIED_BY.get(name) not in on)
        yield fine(code, f"the kernel panics on {does}" + (f"; not on {off}" if off else ""))
    elif off:
        yield fine(code, f"the kernel does not panic on {off}")


def panic_timeout(machine: MachineFacts) -> Iterator[Finding]:
    """Report that a panic without a crash kernel hangs the machine until somebody resets it."""
    code, timeout = "panic-timeout", machine.policy.timeout
    if isinstance(timeout, Unknown):
        yield unknown(code, timeout, severity=Severity.INFO)
    elif timeout == 0 and machine.armed is False:
        yield info(
            code,
            "a panic leaves the machine hanging until somebody resets it: no crash kernel is there"
            " to start, and kernel.panic is 0",
            "sysctl -w kernel.panic=10 makes it reboot after 10 s",
        )


def sysrq(machine: MachineFacts) -> Iterator[Finding]:
    """Say what the keyboard may do, and that root may do it all without."""
    code, value = "sysrq", machine.policy.sysrq
    if isinstance(value, Unknown):
        yield unknown(code, value, severity=Severity.INFO)
    elif value is not None:
        yield fine(
            code,
            f"the SysRq keys may {_deeds(value)} (kernel.sysrq={value});"
            " root may crash the machine through /proc/sysrq-trigger all the same",
        )


def _deeds(value: int) -> str:
    deeds = keyboard_deeds(value)
    if value == EVERYTHING:
        return "do everything, crash the machine as well"
    if not deeds:
        return "do nothing"
    return ", ".join(deeds) + ("" if keyboard_may_crash(value) else ", but not crash the machine")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(EVENTS[name] for name in names)
