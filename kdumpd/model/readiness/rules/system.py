# SPDX-License-Identifier: GPL-2.0-or-later
"""What around the kernel forbids kexec or takes the dump away.

Also lines of kdumpd.conf(5) that cannot be used, and a crash test that failed.
"""

from collections.abc import Iterator

from kdumpd.model.readiness.facts import MachineFacts, SystemFacts
from kdumpd.model.readiness.finding import (
    Finding,
    Severity,
    Unknown,
    fatal,
    fine,
    info,
    unknown,
    warning,
)

LOAD_A_SIGNED_KERNEL = (
    "load a kernel signed by your distribution: kexec -s -p (for errors: journalctl -b -g kexec)"
)
TO_LEAVE_CRASH_KERNEL = "wait for the dump to be saved, then reboot"


def describe_container(system: SystemFacts) -> str:
    """Return what it means that this is a container, empty where it is none."""
    if not system.container:
        return ""
    return (
        f"this is a container ({system.container}): only its host can capture a crash of the kernel"
    )


def describe_crash_kernel(system: SystemFacts) -> str:
    """Return what it means that the crash kernel runs, empty where another one does."""
    if not system.capturing:
        return ""
    return (
        "the machine has crashed and now runs the crash kernel: the memory of the crashed kernel is"
        " in /proc/vmcore"
    )


def describe_live_system(system: SystemFacts) -> str:
    """Return what it means that this is a live system, empty where it is none."""
    if not system.live:
        return ""
    return (
        f"this is a live system ({system.live}): its files, including dumps, do not survive a"
        " reboot"
    )


def container(machine: MachineFacts) -> Iterator[Finding]:
    """Report that this is a container: the kernel is its host's."""
    if message := describe_container(machine.system):
        yield fatal("container", message, "run kdumpd on the host")


def crash_kernel_running(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the kernel that runs is the one that saves a dump."""
    if message := describe_crash_kernel(machine.system):
        yield info("crash-kernel-running", message, TO_LEAVE_CRASH_KERNEL)


def live_system(machine: MachineFacts) -> Iterator[Finding]:
    """Report a system that forgets what is written to it, dumps as well."""
    if message := describe_live_system(machine.system):
        remedy = "install the system, or send dumps to another machine"
        yield warning("live-system", message, remedy)


def kexec_load_disabled(machine: MachineFacts) -> Iterator[Finding]:
    """Report that kernel.kexec_load_disabled was set: until the reboot nothing can be loaded.

    What was loaded before stays (Documentation/admin-guide/sysctl/kernel.rst).
    """
    code, disabled = "kexec-load-disabled", machine.system.load_disabled
    if isinstance(disabled, Unknown):
        yield unknown(code, disabled)
    elif disabled:
        yield _no_more_loads(machine, code, "kernel.kexec_load_disabled is set")
    elif disabled is False and machine.kernel.reserved:  # the kernel loads none elsewhere
        yield fine(code, "loading a crash kernel is allowed (kernel.kexec_load_disabled=0)")


def kexec_disabled_at_boot(machine: MachineFacts) -> Iterator[Finding]:
    """Report a setting by which the next boot allows no crash kernel any more.

    systemd-sysctl.service runs early in a boot, before the units that load a crash kernel.
    """
    code, facts = "kexec-disabled-at-boot", machine.system
    if isinstance(facts.disabled_at_boot, Unknown):
        yield unknown(code, facts.disabled_at_boot)
    elif facts.disabled_at_boot and facts.load_disabled is False:
        yield warning(
            code,
            f"the next boot may fail to load a crash kernel: '/{facts.disabled_at_boot}' sets"
            " kernel.kexec_load_disabled=1",
            f"remove kernel.kexec_load_disabled=1 from /{facts.disabled_at_boot}, or set it only"
            " after the crash kernel is loaded",
        )


def kexec_loads_used_up(machine: MachineFacts) -> Iterator[Finding]:
    """Report that kernel.kexec_load_limit_panic allows no further load; it can only be lowered."""
    code, left = "kexec-loads-used-up", machine.system.loads_left
    if isinstance(left, Unknown):
        yield unknown(code, left)
    elif left == 0:
        yield _no_more_loads(machine, code, "kernel.kexec_load_limit_panic is 0")


def kernel_lockdown(machine: MachineFacts) -> Iterator[Finding]:
    """Explain why a locked kernel has no crash kernel: it takes none that is not signed.

    Lockdown forbids kexec_load(2), and kexec_file_load(2) of an image without a good signature
    (kernel/kexec.c, kernel/kexec_file.c: LOCKDOWN_KEXEC, in both modes). What the crash kernel
    may read is not its matter: /proc/vmcore is on neither list (security/security.c).
    """
    code, facts = "kernel-lockdown", machine.system
    if isinstance(facts.lockdown, Unknown):
        yield unknown(code, facts.lockdown, severity=Severity.INFO)
    elif facts.locked:
        cause = " by Secure Boot" if facts.secure_boot is True else ""
        locked = f"the kernel is locked down{cause} (mode {facts.lockdown})"
        if machine.armed:
            yield fine(code, f"{locked}, but it accepted the crash kernel")
        else:
            yield info(
                code,
                f"{locked}: it only accepts a signed crash kernel",
                LOAD_A_SIGNED_KERNEL,
            )


def post_notifiers(machine: MachineFacts) -> Iterator[Finding]:
    """Report that a panic does other things first, any of which may hang it.

    crash_kexec_post_notifiers (Documentation/admin-guide/kernel-parameters.txt: "increases risks of
    kdump failure"); systemd 246 turned it on for all, and took that back (systemd#16661).
    """
    code, facts = "post-notifiers", machine.system
    message = (
        "on a panic, notifiers run before the crash kernel (crash_kexec_post_notifiers=Y), and may"
        " hang the machine"
    )
    if isinstance(facts.post_notifiers, Unknown):
        yield unknown(code, facts.post_notifiers)
    elif facts.post_notifiers is False:
        if machine.armed:
            message = "nothing runs before the crash kernel on a panic"
            yield fine(code, f"{message} (crash_kexec_post_notifiers=N)")
    elif facts.post_notifiers and machine.reservation.fadump:
        if machine.armed:
            yield fine(code, "on a panic, notifiers run first, and one of them starts fadump")
    elif facts.post_notifiers and facts.notifiers_wanted:
        remedy = "no action needed: the kernel turns this on itself"
        yield info(code, f"{message}; the kernel needs this for {facts.notifiers_wanted}", remedy)
    elif facts.post_notifiers:
        yield warning(
            code,
            message,
            "echo N > /sys/module/kernel/parameters/crash_kexec_post_notifiers, and remove it"
            " from the kernel command line and from tmpfiles.d",
        )


def xen_dom0(machine: MachineFacts) -> Iterator[Finding]:
    """Report that Xen runs below this kernel, and has the memory and the crash kernel."""
    if machine.system.xen_dom0:
        yield info(
            "xen-dom0",
            "this is dom0 of Xen: the command line of Xen, not of this kernel, reserves memory for"
            " the crash kernel",
            "set crashkernel= on the command line of Xen (to see it: xl info)",
        )


def _no_more_loads(machine: MachineFacts, code: str, cause: str) -> Finding:
    if machine.armed:
        return info(
            code,
            f"{cause}: the loaded crash kernel stays, but cannot be reloaded after an update",
            "reboot after each kernel update",
        )
    return fatal(
        code,
        f"{cause}: no crash kernel can be loaded until you reboot",
        "reboot, and load the crash kernel before this is set (see sysctl.d(5))",
    )


def configuration(machine: MachineFacts) -> Iterator[Finding]:
    """Report lines of kdumpd.conf(5) that cannot be used; they keep no dump from being saved."""
    for problem in machine.configuration:
        yield info(
            "configuration",
            f"{problem} (the default is used)",
            "fix the line (see kdumpd.conf(5)), then run systemctl reload kdumpd",
        )


def crash_test_failed(machine: MachineFacts) -> Iterator[Finding]:
    """Report that a crash of this machine, set up as it is now, has left no complete dump."""
    code, test = "crash-test-failed", machine.last_test
    if test is None:
        return
    day = f"{test.at:%Y-%m-%d}"
    if test.passed:
        yield fine(code, f"the crash test of {day} left a complete dump")
        return
    reason = test.reason.rstrip(".")
    because = f": {reason[:1].lower()}{reason[1:]}" if reason else ""
    yield Finding(
        code=code,
        severity=Severity.WARNING,
        message=f"the crash test of {day} failed{because}",
        remedy="fix the cause, then test again: kdumpdctl test",
        public_message=f"the crash test of {day} failed" if because and test.of_capture else "",
    )
