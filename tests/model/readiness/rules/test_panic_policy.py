# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

import pytest

from kdumpd.model.readiness.facts import PolicyFacts
from kdumpd.model.readiness.finding import Fact, Severity, Unknown
from kdumpd.model.readiness.reservation import with_reservation
from kdumpd.model.readiness.verdict import check, find
from tests.model.readiness.rules.broken_machine import Fault, broken
from tests.support.machine_facts import HEALTHY, POLICY

BAD = Unknown("'/proc/x' holds no number but '?'")
UNLOADED = replace(HEALTHY, kernel=replace(HEALTHY.kernel, crash_loaded=False))

FAULTS = [
    Fault(
        broken("policy", events={**POLICY.events, "panic_on_oops": 0}),
        "panic-on-oops-off",
        Severity.INFO,
        "leaves no dump (kernel.panic_on_oops=0)",
    ),
    Fault(
        broken("policy", events={**POLICY.events, "panic_on_warn": BAD}),
        "panic-policy",
        Severity.WARNING,
        "'/proc/x' holds no number",
        unknown=True,
    ),
    Fault(
        replace(UNLOADED, policy=replace(POLICY, timeout=0)),
        "panic-timeout",
        Severity.INFO,
        "hangs until you reset it",
        besides=("crash-kernel-unloaded", "service-proves-nothing"),
    ),
    Fault(
        broken("policy", timeout=BAD),
        "panic-timeout",
        Severity.INFO,
        "'/proc/x' holds no number",
        unknown=True,
    ),
    Fault(
        broken("policy", sysrq=BAD),
        "sysrq",
        Severity.INFO,
        "'/proc/x' holds no number",
        unknown=True,
    ),
]


def said(policy: PolicyFacts, code: str) -> list[str]:
    return [
        one.message
        for one in check(with_reservation(replace(HEALTHY, policy=policy)))
        if one.code == code
    ]


def test_which_events_panic() -> None:
    assert said(POLICY, "panic-policy") == [
        "the kernel panics on an oops, but not on hung tasks or running out of memory"
    ]


def test_no_event_at_all() -> None:
    (message,) = said(PolicyFacts(events={"panic_on_oom": 0}), "panic-policy")
    assert message == "the kernel does not panic on running out of memory"


def test_one_oops_is_enough() -> None:
    once = PolicyFacts(events={"panic_on_oops": 1, "oops_limit": 10_000})
    assert said(once, "panic-policy") == ["the kernel panics on an oops"]
    late = PolicyFacts(events={"panic_on_oops": 0, "oops_limit": 10_000})
    assert said(late, "panic-policy") == [
        "the kernel panics on too many oopses, but not on an oops"
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "SysRq-c is disabled on the keyboard (kernel.sysrq=0: nothing)"),
        (1, "SysRq-c is enabled on the keyboard (kernel.sysrq=1: everything)"),
        (48, "SysRq-c is disabled on the keyboard (kernel.sysrq=48: sync, remount read-only)"),
        (8, "SysRq-c is enabled on the keyboard (kernel.sysrq=8: debugging)"),
    ],
)
def test_what_the_keyboard_may_do(value: int, words: str) -> None:
    (message,) = said(PolicyFacts(sysrq=value), "sysrq")
    assert words in message
    assert message.endswith("root can always use /proc/sysrq-trigger")


def test_hanging_does_not_matter_where_a_crash_kernel_starts() -> None:
    assert find(broken("policy", timeout=0)) == ()


def test_nothing_known() -> None:
    assert find(replace(HEALTHY, policy=PolicyFacts())) == ()
    assert said(PolicyFacts(), "panic-policy") == []


@pytest.mark.parametrize(
    ("name", "value", "needs", "expected"),
    [
        ("panic_on_oops", 1, {}, True),
        ("panic_on_oops", 0, {}, False),
        ("panic_on_oom", 2, {}, True),
        ("panic_on_oops", BAD, {}, BAD),
        ("hardlockup_panic", 1, {"watchdog": 1, "nmi_watchdog": 1}, True),
        ("hardlockup_panic", 1, {"watchdog": 1, "nmi_watchdog": 0}, False),
        ("hardlockup_panic", 1, {"watchdog": 0, "nmi_watchdog": 1}, False),
        ("hardlockup_panic", 1, {"watchdog": 1, "nmi_watchdog": BAD}, BAD),
        ("hardlockup_panic", 1, {"watchdog": 0, "nmi_watchdog": BAD}, False),
        ("hardlockup_panic", 0, {"watchdog": 1, "nmi_watchdog": BAD}, False),
        ("softlockup_panic", 1, {"watchdog": 1, "soft_watchdog": 0}, False),
        ("softlockup_panic", 1, {}, True),
        ("hung_task_panic", 1, {"hung_task_timeout_secs": 0}, False),
        ("hung_task_panic", 1, {"hung_task_timeout_secs": 120}, True),
    ],
)
def test_a_trigger_needs_its_watchdog(
    name: str, value: Fact[int], needs: dict[str, Fact[int]], expected: Fact[bool]
) -> None:
    policy = PolicyFacts(events={name: value}, needs=needs)
    assert policy.triggers == {name: expected}


GROUPED = {
    "panic_on_oops": 1,
    "hardlockup_panic": 0,
    "softlockup_panic": 0,
    "panic_on_rcu_stall": 0,
    "unknown_nmi_panic": 0,
    "panic_on_io_nmi": 1,
    "warn_limit": 0,
}


def test_events_of_a_kind_are_told_as_one() -> None:
    (message,) = said(PolicyFacts(events=GROUPED), "panic-policy")
    assert message == (
        "the kernel panics on an oops and NMIs for device errors, but not on lockups or NMIs of"
        " unknown cause"
    )


def test_a_tool_that_sets_it_when_it_loads_is_not_doubted_before() -> None:
    policy = replace(POLICY, events={"panic_on_oops": 0})
    codes = {one.code for one in find(replace(UNLOADED, policy=policy))}
    assert "panic-on-oops-off" not in codes
    tool = replace(HEALTHY.crash_kernel, tool="kdump-utils")
    codes = {one.code for one in find(replace(UNLOADED, policy=policy, crash_kernel=tool))}
    assert "panic-on-oops-off" in codes
