# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a crash would leave a dump, and the machine come back."""

from collections.abc import Iterator
from datetime import timedelta

from kdumpd.model.readiness.finding import Finding, Severity, Unknown, fatal, unknown, warning
from kdumpd.trigger.facts import Facts

ROOM = {"storage-too-small", "storage-no-inodes"}  # codes of kdumpd's findings
MINUTE = timedelta(minutes=1)
RECENT = 10 * MINUTE
LOOP_SPAN, LOOP_CRASHES = 30 * MINUTE, 2
CHECK = "run kdumpdctl check, and do what it says"
ASK_AGAIN = "run kdumpdctl status, and see whether kdumpd answers: systemctl status kdumpd"


def kdumpd_absent(facts: Facts) -> Iterator[Finding]:
    """Object that nobody would record the test, nor look for what it left."""
    if facts.kdumpd.problem:
        yield fatal(
            "kdumpd-absent",
            f"kdumpd does not answer, and a test that is not recorded proves nothing:"
            f" {facts.kdumpd.problem}",
            "start it: systemctl start kdumpd; it tells what is wrong by journalctl -u kdumpd",
        )


def container(facts: Facts) -> Iterator[Finding]:
    """Object that this is a container: the kernel is its host's."""
    if facts.machine.container:
        yield fatal(
            "container",
            f"this is a container ({facts.machine.container}): the kernel that would be crashed is"
            " its host's",
            "test on the host",
        )


def live_system(facts: Facts) -> Iterator[Finding]:
    """Object that a live system forgets the dump, and all else."""
    if facts.machine.live:
        yield fatal(
            "live-system",
            f"this is a live system ({facts.machine.live}): it forgets everything when it is"
            " booted again, also the dump",
            "install the system, and test then",
        )


def capture_kernel_running(facts: Facts) -> Iterator[Finding]:
    """Object that the kernel that runs is the one that saves a dump."""
    if facts.machine.capturing:
        yield fatal(
            "capture-kernel-running",
            "the kernel that runs now is the crash kernel, and a dump is to be saved from"
            " /proc/vmcore",
            "wait for the dump to be saved, then reboot",
        )


def unsupported(facts: Facts) -> Iterator[Finding]:
    """Object that this kernel cannot capture its own crash."""
    if facts.kdumpd.readiness == "unsupported":
        yield fatal(
            "unsupported",
            f"this kernel cannot capture its own crash{_codes(facts)}",
            CHECK,
        )


def not_ready(facts: Facts) -> Iterator[Finding]:
    """Object that kdumpd expects no usable dump, or cannot tell."""
    code, readiness = "not-ready", facts.kdumpd.readiness
    if facts.kdumpd.problem:
        return
    if isinstance(readiness, Unknown):
        yield unknown(code, readiness, ASK_AGAIN)
    elif not readiness:
        yield warning(code, "kdumpd has not yet judged whether a crash would leave a dump", CHECK)
    elif readiness == "not-ready":
        yield warning(code, f"kdumpd expects no usable dump of a crash now{_codes(facts)}", CHECK)


def not_judged_anew(facts: Facts) -> Iterator[Finding]:
    """Object that kdumpd could not look once more, as its disks may not answer."""
    if facts.kdumpd.outdated and not facts.kdumpd.problem:
        yield warning(
            "not-judged-anew",
            "kdumpd has not looked at the machine once more, and what it says may be out of date:"
            f" {facts.kdumpd.outdated}",
            "see whether its disks answer, and what kdumpdctl check says",
        )


def crash_kernel_unloaded(facts: Facts) -> Iterator[Finding]:
    """Object that nothing would capture the crash, by the kernel's own word."""
    code, loaded = "crash-kernel-unloaded", facts.machine.loaded
    remedy = "load the crash kernel: restart the unit that does, as kdumpdctl check names it"
    if _waits(facts):
        return
    if isinstance(loaded, Unknown):
        yield unknown(code, loaded, severity=Severity.FATAL)
    elif loaded is None:
        yield fatal(code, "the kernel does not say that a crash kernel is loaded", remedy)
    else:
        yield fatal(code, "no crash kernel is loaded: a crash now leaves no dump", remedy)


def would_hang(facts: Facts) -> Iterator[Finding]:
    """Object that nothing would boot the machine again.

    With kernel.panic=0 a panic without a crash kernel loops for ever (kernel/panic.c).
    """
    code, timeout = "would-hang", facts.machine.panic_timeout
    if _waits(facts):
        return
    if not isinstance(timeout, int):
        problem = timeout or Unknown("the kernel does not say what it does after a panic")
        yield unknown(code, problem, severity=Severity.FATAL)
    elif timeout == 0:
        yield fatal(
            code,
            "the machine would stand still after the crash until somebody resets it: no crash"
            " kernel is loaded, and kernel.panic is 0",
            "load the crash kernel; sysctl kernel.panic=10 makes a panic reboot without one",
        )


def capture_being_written(facts: Facts) -> Iterator[Finding]:
    """Object that a crash would cut off a dump that is being saved."""
    code, settling = "capture-being-written", facts.kdumpd.settling
    if facts.kdumpd.problem:
        return
    if not isinstance(settling, int):
        problem = settling or Unknown("kdumpd does not say whether a capture is being written")
        yield unknown(code, problem, ASK_AGAIN)
    elif settling:
        yield warning(
            code,
            "a capture is being written, or may be, and would be cut off",
            "wait until kdumpdctl status names none that is being written",
        )


def too_little_space(facts: Facts) -> Iterator[Finding]:
    """Object that the disk may be full before the dump is whole."""
    code, findings = "too-little-space", facts.kdumpd.findings
    if facts.kdumpd.problem:
        return
    if not isinstance(findings, tuple):
        problem = findings or Unknown("kdumpd does not say whether there is room for a dump")
        yield unknown(code, problem, ASK_AGAIN)
        return
    short = [one.message for one in findings if one.code in ROOM and one.severity != Severity.INFO]
    if short:
        yield warning(code, "; ".join(short), CHECK)


def test_recently(facts: Facts) -> Iterator[Finding]:
    """Object that there was a test just now."""
    code, tested_at = "test-recently", facts.kdumpd.tested_at
    if isinstance(tested_at, Unknown):
        yield unknown(code, tested_at, ASK_AGAIN)
    elif tested_at is not None and abs(facts.at - tested_at) < RECENT:
        yield warning(
            code,
            f"the last test was {_ago(facts.at - tested_at)}",
            "see what it has proven: kdumpdctl status",
        )


def boot_loop(facts: Facts) -> Iterator[Finding]:
    """Object that the machine crashes again and again by itself."""
    code, crashes = "boot-loop", facts.kdumpd.crashes
    if facts.kdumpd.problem:
        return
    if not isinstance(crashes, tuple):
        problem = crashes or Unknown("kdumpd does not say what has crashed before")
        yield unknown(code, problem, ASK_AGAIN)
        return
    recent = [one for one in crashes if abs(facts.at - one) < LOOP_SPAN]
    if len(recent) >= LOOP_CRASHES:
        yield warning(
            code,
            f"the machine has crashed {len(recent)} times in the last"
            f" {_minutes(LOOP_SPAN)} without a test",
            "find out why before you crash it once more: kdumpdctl list, and journalctl -t kdumpd",
        )


def _waits(facts: Facts) -> bool:
    """Return whether something waits for the crash: a crash kernel, or fadump's firmware."""
    fadump = facts.kdumpd.mechanism == "fadump" and facts.kdumpd.loaded is True
    return facts.machine.loaded is True or fadump


def _codes(facts: Facts) -> str:
    findings = facts.kdumpd.findings
    told = findings if isinstance(findings, tuple) else ()
    codes = [one.code for one in told if one.severity != Severity.INFO]
    return f" ({', '.join(codes)})" if codes else ""


def _ago(span: timedelta) -> str:
    if span < timedelta():
        return "in the future, by this machine's clock"
    return f"{_minutes(span)} ago" if span >= MINUTE else "less than a minute ago"


def _minutes(span: timedelta) -> str:
    minutes = span // MINUTE
    return "a minute" if minutes == 1 else f"{minutes} minutes"
