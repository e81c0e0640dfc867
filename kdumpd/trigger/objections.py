# SPDX-License-Identifier: GPL-2.0-or-later
"""What speaks against a crash now: nothing that is read from the machine, only what follows."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from kdumpd.model.readiness.finding import Finding, Severity
from kdumpd.trigger.facts import Facts
from kdumpd.trigger.rules import capture, machine, people

Rule = Callable[[Facts], Iterator[Finding]]

RULES: Sequence[Rule] = (
    capture.kdumpd_absent,
    capture.container,
    capture.live_system,
    capture.capture_kernel_running,
    capture.unsupported,
    capture.crash_kernel_unloaded,
    capture.would_hang,
    capture.not_ready,
    capture.not_judged_anew,
    capture.too_little_space,
    capture.capture_being_written,
    capture.test_recently,
    capture.boot_loop,
    machine.machine_unread,
    machine.just_booted,
    machine.busy,
    machine.pressure,
    machine.dirty_pages,
    machine.md_rebuilding,
    machine.btrfs_busy,
    machine.zfs_degraded,
    machine.packages_changing,
    people.others_logged_in,
    people.inhibited,
)


def objections(facts: Facts, rules: Sequence[Rule] = RULES) -> tuple[Finding, ...]:
    """Return all that speaks against a crash, the rules in their order."""
    return tuple(objection for rule in rules for objection in rule(facts))


def standing(found: Iterable[Finding], overridden: Collection[str]) -> tuple[Finding, ...]:
    """Return what is left of objections when those with these codes are overridden.

    What is fatal cannot be.
    """
    return tuple(
        one for one in found if one.severity is Severity.FATAL or one.code not in overridden
    )


def fatal_ones(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the objections that nobody can override."""
    return tuple(one for one in found if one.severity is Severity.FATAL)


def sentence(found: Iterable[Finding]) -> str:
    """Return the objections as a person reads them in an error: code, what, and what to do."""
    return "; ".join(f"{one.code} ({one.severity}): {one.message}. {one.remedy}" for one in found)
