# SPDX-License-Identifier: GPL-2.0-or-later
"""Which events lead to a panic, and so to a dump; and what the keyboard may do."""

from collections.abc import Collection, Iterator

from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, Severity, Unknown, fine, info, unknown

# kernel.sysrq binds the keyboard and serial consoles only: whoever may write to
# /proc/sysrq-trigger, root by default, may do all of it whatever the value says.
SYSRQ_ALL = 1
SYSRQ_DUMP = 0x8  # of the letter c as well (drivers/tty/sysrq.c, sysrq_crash_op)
SYSRQ_FUNCTIONS = {
    0x2: "log level",
    0x4: "keyboard",
    SYSRQ_DUMP: "debugging",
    0x10: "sync",
    0x20: "remount read-only",
    0x40: "ending programs",
    0x80: "reboot",
    0x100: "renice",
}


def keyboard_functions(value: int) -> tuple[str, ...]:
    """Return in a word each what the keyboard may do, in the order of the bits."""
    if value == SYSRQ_ALL:
        return tuple(SYSRQ_FUNCTIONS.values())
    return tuple(words for bit, words in SYSRQ_FUNCTIONS.items() if value & bit)


def keyboard_may_crash(value: int) -> bool:
    """Return whether the keys Alt, SysRq and c crash the machine."""
    return value == SYSRQ_ALL or bool(value & SYSRQ_DUMP)


PANIC_ON_OOPS = "panic_on_oops"
# By the sysctls of Documentation/admin-guide/sysctl/kernel.rst and vm.rst.
PANIC_EVENTS = {
    PANIC_ON_OOPS: "an oops",
    "oops_limit": "too many oopses",
    "panic_on_warn": "kernel warnings",
    "warn_limit": "too many kernel warnings",
    "hardlockup_panic": "hard lockups",
    "softlockup_panic": "soft lockups",
    "panic_on_rcu_stall": "RCU stalls",
    "hung_task_panic": "hung tasks",
    "unknown_nmi_panic": "NMIs of unknown cause",
    "panic_on_unrecovered_nmi": "NMIs for memory errors",
    "panic_on_io_nmi": "NMIs for device errors",
    "panic_on_oom": "running out of memory",
}
# Told as one where all that the kernel has of them do the same.
SYSCTL_GROUPS = {
    "lockups": ("hardlockup_panic", "softlockup_panic", "panic_on_rcu_stall"),
    "NMIs": ("unknown_nmi_panic", "panic_on_unrecovered_nmi", "panic_on_io_nmi"),
}
# Each says no more than the other: not that one is enough, nor that many are not.
SYSCTL_OF_LIMIT = {"oops_limit": PANIC_ON_OOPS, "warn_limit": "panic_on_warn"}
# They set kernel.panic_on_oops=1 when they load (kdump-config 1.8.1; load.sh of SUSE's kdump).
TOOLS_SETTING_PANIC_ON_OOPS = {"kdump-tools", "kdump"}


def panic_on_oops_off(machine: MachineFacts) -> Iterator[Finding]:
    """Report a machine that lives on after an oops: most crashes of a kernel are one.

    Where the tool that is to load would set it, it is not worth a word that it did not.
    """
    if machine.armed is False and machine.crash_kernel.tool in TOOLS_SETTING_PANIC_ON_OOPS:
        return
    if machine.policy.triggers.get(PANIC_ON_OOPS) is False:
        yield info(
            "panic-on-oops-off",
            "after an oops (a crash inside the kernel), the machine keeps running and leaves no"
            " dump (kernel.panic_on_oops=0)",
            "sysctl -w kernel.panic_on_oops=1; to keep it, add kernel.panic_on_oops=1 to a file in"
            " /etc/sysctl.d",
        )


def panic_policy(machine: MachineFacts) -> Iterator[Finding]:
    """Say which events panic this machine."""
    code, triggers = "panic-policy", machine.policy.triggers
    for fact in triggers.values():
        if isinstance(fact, Unknown):
            yield unknown(code, fact)
    known = {name for name, panics in triggers.items() if isinstance(panics, bool)}
    on = {name for name in known if triggers[name] is True}
    does = _listed({name for name in on if SYSCTL_OF_LIMIT.get(name) not in on}, known, "and")
    spared = _listed({name for name in known - on if name not in SYSCTL_OF_LIMIT}, known, "or")
    if does:
        yield fine(
            code, f"the kernel panics on {does}" + (f", but not on {spared}" if spared else "")
        )
    elif spared:
        yield fine(code, f"the kernel does not panic on {spared}")


def panic_timeout(machine: MachineFacts) -> Iterator[Finding]:
    """Report that a panic without a crash kernel hangs the machine until somebody resets it."""
    code, timeout = "panic-timeout", machine.policy.timeout
    if isinstance(timeout, Unknown):
        yield unknown(code, timeout, severity=Severity.INFO)
    elif timeout == 0 and machine.armed is False:
        yield info(
            code,
            "after a panic, the machine hangs until you reset it: no crash kernel is loaded, and"
            " kernel.panic is 0",
            "make it reboot after 10 s: sysctl -w kernel.panic=10",
        )


def sysrq(machine: MachineFacts) -> Iterator[Finding]:
    """Say what the keyboard may do, and that root may do it all without."""
    code, value = "sysrq", machine.policy.sysrq
    if isinstance(value, Unknown):
        yield unknown(code, value, severity=Severity.INFO)
    elif value is not None:
        yield fine(
            code,
            f"SysRq-c is {'enabled' if keyboard_may_crash(value) else 'disabled'} on the keyboard"
            f" (kernel.sysrq={value}: {_functions(value)}); root can always use"
            " /proc/sysrq-trigger",
        )


def _functions(value: int) -> str:
    if value == SYSRQ_ALL:
        return "everything"
    return ", ".join(keyboard_functions(value)) or "nothing"


def _listed(names: Collection[str], known: Collection[str], last: str) -> str:
    """Return the events in words, whole groups as one, with `last` before the last."""
    words: list[str] = []
    for name in (name for name in PANIC_EVENTS if name in names):
        word = PANIC_EVENTS[name]
        for group, members in SYSCTL_GROUPS.items():
            if name in members and {one for one in members if one in known} <= set(names):
                word = group
        words.append(word)
    *most, end = dict.fromkeys(words) or [""]
    return f"{', '.join(most)} {last} {end}" if most else end
