# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace
from typing import Any

from kdumpd.model.readiness.facts import FadumpFacts, MachineFacts
from kdumpd.model.readiness.finding import Severity, Unknown
from kdumpd.model.readiness.reservation import with_reservation
from kdumpd.model.readiness.verdict import check, find, judge
from kdumpd.model.vocabulary import Readiness
from tests.model.readiness.rules.broken_machine import Fault, broken
from tests.support.machine_facts import HEALTHY

UNLOADED = ("crash-kernel-unloaded", "service-proves-nothing")
BAD = Unknown("'/proc/x' holds no number but '?'")


def unloaded(**values: Any) -> MachineFacts:  # noqa: ANN401  # a row of a table
    """Return the healthy machine in these surroundings, without a crash kernel."""
    facts = broken("system", **values)
    return replace(facts, kernel=replace(facts.kernel, crash_loaded=False))


FAULTS = [
    Fault(
        broken("system", disabled_at_boot="etc/sysctl.d/hardening.conf"),
        "kexec-disabled-at-boot",
        Severity.WARNING,
        "'/etc/sysctl.d/hardening.conf' sets kernel.kexec_load_disabled=1",
    ),
    Fault(
        broken("system", disabled_at_boot=BAD),
        "kexec-disabled-at-boot",
        Severity.WARNING,
        "holds no number",
        unknown=True,
    ),
    Fault(
        broken("system", container="lxc"),
        "container",
        Severity.FATAL,
        "this is a container (lxc)",
    ),
    Fault(
        broken("system", capturing=True),
        "crash-kernel-running",
        Severity.INFO,
        "memory of the crashed kernel is in /proc/vmcore",
    ),
    Fault(
        broken("system", live="boot=live"),
        "live-system",
        Severity.WARNING,
        "a live system (boot=live)",
    ),
    Fault(
        broken("system", load_disabled=True),
        "kexec-load-disabled",
        Severity.INFO,
        "the loaded crash kernel stays",
    ),
    Fault(
        unloaded(load_disabled=True),
        "kexec-load-disabled",
        Severity.FATAL,
        "no crash kernel can be loaded until you reboot",
        besides=UNLOADED,
    ),
    Fault(
        broken("system", load_disabled=BAD),
        "kexec-load-disabled",
        Severity.WARNING,
        "'/proc/x' holds no number",
        unknown=True,
    ),
    Fault(
        broken("system", loads_left=0),
        "kexec-loads-used-up",
        Severity.INFO,
        "kexec_load_limit_panic is 0",
    ),
    Fault(
        unloaded(loads_left=0),
        "kexec-loads-used-up",
        Severity.FATAL,
        "kexec_load_limit_panic is 0",
        besides=UNLOADED,
    ),
    Fault(
        broken("system", loads_left=BAD),
        "kexec-loads-used-up",
        Severity.WARNING,
        "'/proc/x' holds no number",
        unknown=True,
    ),
    Fault(
        unloaded(lockdown="integrity", secure_boot=True),
        "kernel-lockdown",
        Severity.INFO,
        "locked down by Secure Boot (mode integrity): it only accepts",
        besides=UNLOADED,
    ),
    Fault(
        broken("system", lockdown=Unknown("'/sys/x' names no mode")),
        "kernel-lockdown",
        Severity.INFO,
        "'/sys/x' names no mode",
        unknown=True,
    ),
    Fault(
        broken("system", post_notifiers=True),
        "post-notifiers",
        Severity.WARNING,
        "may hang the machine",
    ),
    Fault(
        broken("system", post_notifiers=True, notifiers_wanted="Hyper-V"),
        "post-notifiers",
        Severity.INFO,
        "machine; the kernel needs this for Hyper-V",
    ),
    Fault(
        broken("system", post_notifiers=Unknown("'/sys/x' says neither Y nor N")),
        "post-notifiers",
        Severity.WARNING,
        "says neither Y nor N",
        unknown=True,
    ),
    Fault(
        broken("system", xen_dom0=True),
        "xen-dom0",
        Severity.INFO,
        "the command line of Xen",
    ),
]


def test_a_container_is_not_a_machine_to_mend() -> None:
    facts = broken("system", container="docker")
    assert judge(facts, check(with_reservation(facts))) is Readiness.UNSUPPORTED


def test_lockdown_is_no_fault_where_the_kernel_took_its_crash_kernel() -> None:
    """As with Secure Boot on most machines that are sold."""
    facts = broken("system", lockdown="confidentiality", secure_boot=True)
    assert find(facts) == ()
    (said,) = (one for one in check(with_reservation(facts)) if one.code == "kernel-lockdown")
    assert said.message.endswith("(mode confidentiality), but it accepted the crash kernel")


def test_loads_that_are_left_are_no_fault() -> None:
    assert find(broken("system", loads_left=3)) == ()


def test_nothing_known() -> None:
    """As below a tree that has none of these files."""
    nothing = broken(
        "system", lockdown=None, load_disabled=None, loads_left=None, post_notifiers=None
    )
    assert {one.code for one in check(with_reservation(nothing))} <= {
        one.code for one in check(with_reservation(HEALTHY))
    }
    assert find(nothing) == ()


def test_nothing_but_the_container_is_told_in_a_container() -> None:
    kernel = replace(HEALTHY.kernel, crash_loaded=False, reserved=0)
    inside = replace(HEALTHY.system, container="lxc")
    found = check(with_reservation(replace(HEALTHY, kernel=kernel, system=inside)))
    assert [one.code for one in found] == ["container"]


def test_fadump_is_started_by_a_notifier() -> None:
    facts = replace(HEALTHY.system, post_notifiers=True, notifiers_wanted="fadump")
    fadump = FadumpFacts(enabled=True, registered=True, reserved=1 << 30)
    reservation = replace(HEALTHY.reservation, fadump=fadump)
    found = find(replace(HEALTHY, system=facts, reservation=reservation))
    assert "post-notifiers" not in {one.code for one in found}
