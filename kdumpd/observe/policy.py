# SPDX-License-Identifier: GPL-2.0-or-later
"""Read which events make this kernel panic."""

from collections.abc import Iterable, Mapping

from kdumpd.model.readiness.facts import NEEDS, PolicyFacts
from kdumpd.model.readiness.finding import Fact
from kdumpd.observe.files import Files

KERNEL = "proc/sys/kernel"
EVENTS = {
    "panic_on_oops": KERNEL,
    "oops_limit": KERNEL,
    "panic_on_warn": KERNEL,
    "warn_limit": KERNEL,
    "unknown_nmi_panic": KERNEL,
    "panic_on_unrecovered_nmi": KERNEL,
    "panic_on_io_nmi": KERNEL,
    "hardlockup_panic": KERNEL,
    "softlockup_panic": KERNEL,
    "hung_task_panic": KERNEL,
    "panic_on_rcu_stall": KERNEL,
    "panic_on_oom": "proc/sys/vm",
}


def read_policy(files: Files) -> PolicyFacts:
    """Return which events make this kernel panic; nothing is raised for what is wrong."""
    needs = sorted({name for names in NEEDS.values() for name in names})
    return PolicyFacts(
        events=_numbers(files, EVENTS.items()),
        needs=_numbers(files, ((name, KERNEL) for name in needs)),
        sysrq=files.number(f"{KERNEL}/sysrq"),
        timeout=files.number(f"{KERNEL}/panic"),
    )


def _numbers(files: Files, names: Iterable[tuple[str, str]]) -> Mapping[str, Fact[int]]:
    read = ((name, files.number(f"{folder}/{name}")) for name, folder in names)
    return {name: value for name, value in read if value is not None}
