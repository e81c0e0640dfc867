# SPDX-License-Identifier: GPL-2.0-or-later
"""What speaks against a crash now: one function for each objection, named as its code is."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import timedelta

from kdumpd.model.readiness.finding import Finding, Severity, Unknown, fatal, unknown, warning
from kdumpd.model.readiness.rules.system import (
    TO_LEAVE_CRASH_KERNEL,
    describe_container,
    describe_crash_kernel,
    describe_live_system,
)
from kdumpd.model.text import human_size
from kdumpd.trigger.facts import PreflightAnswers

ROOM_FINDINGS = {"storage-too-small", "storage-no-inodes"}  # codes of kdumpd's findings
MINUTE = timedelta(minutes=1)
RECENT_TEST_SPAN = 10 * MINUTE
LOOP_SPAN, MIN_LOOP_CRASHES = 30 * MINUTE, 2
CHECK_REMEDY = "run kdumpdctl check, and fix what it reports"
STATUS_REMEDY = "check that kdumpd answers: systemctl status kdumpd"
MIN_UPTIME_S = 300.0
MAX_LOAD_PER_PROCESSOR = 2.0
# Percent of the last minute in which something waited for it. A crash kernel does not mind, but
# whoever crashes a machine that is so busy has probably mistaken it for another.
MAX_PRESSURE_PERCENT = {"cpu": 80.0, "io": 50.0, "memory": 20.0}
MAX_DIRTY_BYTES, MAX_DIRTY_SHARE = 1 << 30, 0.1
WAIT_REMEDY = "wait until it is done"
MAX_NAMES_TOLD = 10


def kdumpd_absent(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that nobody would record the test, nor look for what it left."""
    if facts.kdumpd.problem:
        yield fatal(
            "kdumpd-absent",
            f"kdumpd does not answer, so it cannot record the test: {facts.kdumpd.problem}",
            "run systemctl start kdumpd; if that fails, see journalctl -u kdumpd",
        )


def container(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that this is a container: the kernel is its host's."""
    if message := describe_container(facts.machine.system):
        yield fatal("container", message, "test on the host")


def live_system(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that a live system forgets the dump, and all else."""
    if message := describe_live_system(facts.machine.system):
        yield fatal("live-system", message, "install the system, then test")


def crash_kernel_running(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that the kernel that runs is the one that saves a dump."""
    if message := describe_crash_kernel(facts.machine.system):
        yield fatal("crash-kernel-running", message, TO_LEAVE_CRASH_KERNEL)


def unsupported(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that this kernel cannot capture its own crash."""
    if facts.kdumpd.readiness == "unsupported":
        yield fatal(
            "unsupported",
            f"this kernel cannot capture its own crash{_codes(facts)}",
            CHECK_REMEDY,
        )


def not_ready(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that kdumpd expects no usable dump, or cannot tell."""
    code, readiness = "not-ready", facts.kdumpd.readiness
    if facts.kdumpd.problem:
        return
    if isinstance(readiness, Unknown):
        yield unknown(code, readiness, STATUS_REMEDY)
    elif not readiness:
        yield warning(
            code, "kdumpd has not checked yet whether a crash would leave a dump", CHECK_REMEDY
        )
    elif readiness == "not-ready":
        yield warning(code, f"a crash now would leave no usable dump{_codes(facts)}", CHECK_REMEDY)


def not_judged_anew(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that kdumpd could not look once more, as its disks may not answer."""
    if facts.kdumpd.outdated and not facts.kdumpd.problem:
        yield warning(
            "not-judged-anew",
            "kdumpd could not check the machine again, so its findings may be out of date:"
            f" {facts.kdumpd.outdated}",
            "check its disks for errors (journalctl -k -p err), then run kdumpdctl check",
        )


def crash_kernel_unloaded(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that nothing would capture the crash, by the kernel's own word."""
    code, loaded = "crash-kernel-unloaded", facts.machine.loaded
    remedy = "load the crash kernel as kdumpdctl check says"
    if _waits(facts):
        return
    if isinstance(loaded, Unknown):
        yield unknown(code, loaded, severity=Severity.FATAL)
    elif loaded is None:
        yield fatal(code, "the kernel does not say that a crash kernel is loaded", remedy)
    else:
        yield fatal(code, "no crash kernel is loaded: a crash now leaves no dump", remedy)


def would_hang(facts: PreflightAnswers) -> Iterator[Finding]:
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
            "the machine would hang after the crash until you reset it: no crash"
            " kernel is loaded, and kernel.panic is 0",
            "load the crash kernel, or have it reboot without one: sysctl -w kernel.panic=10",
        )


def capture_being_written(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that a crash would cut off a dump that is being saved."""
    code, settling = "capture-being-written", facts.kdumpd.settling
    if facts.kdumpd.problem:
        return
    if not isinstance(settling, int):
        problem = settling or Unknown("kdumpd does not say whether a capture is being written")
        yield unknown(code, problem, STATUS_REMEDY)
    elif settling:
        yield warning(
            code,
            "a capture may still be written to, and a crash would cut it off",
            "wait until kdumpdctl status shows none that is being written",
        )


def too_little_space(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that the disk may be full before the dump is whole."""
    code, findings = "too-little-space", facts.kdumpd.findings
    if facts.kdumpd.problem:
        return
    if not isinstance(findings, tuple):
        problem = findings or Unknown("kdumpd does not say whether there is room for a dump")
        yield unknown(code, problem, STATUS_REMEDY)
        return
    short = [
        one.message
        for one in findings
        if one.code in ROOM_FINDINGS and one.severity != Severity.INFO
    ]
    if short:
        yield warning(code, "; ".join(short), CHECK_REMEDY)


def test_recently(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that there was a test just now."""
    code, tested_at = "test-recently", facts.kdumpd.tested_at
    if isinstance(tested_at, Unknown):
        yield unknown(code, tested_at, STATUS_REMEDY)
    elif tested_at is not None and abs(facts.at - tested_at) < RECENT_TEST_SPAN:
        yield warning(
            code,
            f"the last test was {_ago(facts.at - tested_at)}",
            "see its result: kdumpdctl status",
        )


def boot_loop(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that the machine crashes again and again by itself."""
    code, crashes = "boot-loop", facts.kdumpd.crashes
    if facts.kdumpd.problem:
        return
    if not isinstance(crashes, tuple):
        problem = crashes or Unknown("kdumpd does not say what has crashed before")
        yield unknown(code, problem, STATUS_REMEDY)
        return
    recent = [one for one in crashes if abs(facts.at - one) < LOOP_SPAN]
    if len(recent) >= MIN_LOOP_CRASHES:
        yield warning(
            code,
            f"the machine has crashed {len(recent)} times in the last"
            f" {_minutes(LOOP_SPAN)} without a test",
            "find the cause first: kdumpdctl list and journalctl -t kdumpd",
        )


def _waits(facts: PreflightAnswers) -> bool:
    """Return whether something waits for the crash: a crash kernel, or fadump's firmware."""
    fadump = facts.kdumpd.mechanism == "fadump" and facts.kdumpd.loaded is True
    return facts.machine.loaded is True or fadump


def _codes(facts: PreflightAnswers) -> str:
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


def machine_unread(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that nothing could be read of the machine."""
    if facts.machine.problem:
        yield unknown(
            "machine-unread",
            Unknown(facts.machine.problem),
            "check its disks for errors: journalctl -k -p err",
        )


def just_booted(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that the machine is still starting, or may crash by itself in a loop."""
    code, uptime = "just-booted", facts.machine.uptime
    if isinstance(uptime, Unknown):
        yield unknown(code, uptime)
    elif uptime is None:
        yield from _silent(facts, code, "the kernel does not say how long it has been running")
    elif uptime < MIN_UPTIME_S:
        yield warning(
            code,
            f"the machine booted {uptime:.0f} s ago and may still be starting",
            f"wait until it has run for {MIN_UPTIME_S / 60:.0f} minutes",
        )


def busy(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that the machine has more to do than it can."""
    code, load, processors = "busy", facts.machine.load, facts.machine.processors
    if isinstance(load, Unknown):
        yield unknown(code, load)
    elif isinstance(processors, Unknown):
        yield unknown(code, processors)
    elif load is None or processors is None:
        yield from _silent(facts, code, "the kernel does not say how busy the machine is")
    elif load > MAX_LOAD_PER_PROCESSOR * processors:
        yield warning(
            code,
            f"the machine is busy: a load of {load:g} on {processors} processors",
            "see with top what runs, and wait until it is done",
        )


def pressure(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that programs wait for processors, disks or memory (a kernel may not measure it)."""
    code, measured = "pressure", facts.machine.pressure
    if isinstance(measured, Unknown):
        yield unknown(code, measured)
        return
    high = [
        f"{resource} in {percent:.0f} % of the last minute"
        for resource, percent in measured or ()
        if percent > MAX_PRESSURE_PERCENT[resource]
    ]
    if high:
        yield warning(
            code,
            f"programs wait for {', '.join(high)} (/proc/pressure)",
            "see with top what runs, and wait until it is done",
        )


def dirty_pages(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that much has to be written to disks before: a crash loses what is not."""
    code, memory = "dirty-pages", facts.machine.memory
    if isinstance(memory, Unknown):
        yield unknown(code, memory)
    elif memory is None:
        yield from _silent(
            facts, code, "the kernel does not say how much waits to be written to disk"
        )
    elif memory.dirty > min(MAX_DIRTY_BYTES, memory.total * MAX_DIRTY_SHARE):
        yield warning(
            code,
            f"{human_size(memory.dirty)} is not written to disk yet, and may be lost",
            "run sync, and wait until it is done",
        )


def md_rebuilding(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that an array of md is being rebuilt or checked."""
    code, arrays = "md-rebuilding", facts.machine.arrays
    if isinstance(arrays, Unknown):
        yield unknown(code, arrays)
    elif arrays:
        remedy = f"{WAIT_REMEDY}: cat /proc/mdstat"
        yield warning(code, f"md is rebuilding or checking: {', '.join(arrays)}", remedy)


def btrfs_busy(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that a file system of btrfs is being balanced, resized, scrubbed and the like."""
    code, at_work = "btrfs-busy", facts.machine.btrfs
    if isinstance(at_work, Unknown):
        yield unknown(code, at_work)
    elif at_work:
        yield warning(
            code,
            f"btrfs is busy: {', '.join(at_work)}",
            f"{WAIT_REMEDY}: btrfs balance status, btrfs scrub status",
        )


def zfs_degraded(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that a pool of ZFS is not whole."""
    code, pools = "zfs-degraded", facts.machine.pools
    if isinstance(pools, Unknown):
        yield unknown(code, pools)
    elif pools:
        remedy = "repair it until zpool status shows ONLINE"
        yield warning(code, f"ZFS has a pool that is not healthy: {',  '.join(pools)}", remedy)


def packages_changing(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that packages are being installed: a crash leaves half of one."""
    code, locks = "packages-changing", facts.machine.locks
    if isinstance(locks, Unknown):
        yield unknown(code, locks)
    elif locks is None:
        yield from _silent(facts, code, "the kernel does not say which files are locked")
    elif locks:
        files = ", ".join(f"/{one}" for one in locks)
        yield warning(
            code,
            f"a package manager is running: it holds a lock on {files}",
            f"{WAIT_REMEDY}; /proc/locks names the process",
        )


def _silent(facts: PreflightAnswers, code: str, problem: str) -> Iterator[Finding]:
    """Yield that a thing which every kernel tells is not told here; nothing if nothing is."""
    if not facts.machine.problem:
        yield unknown(code, Unknown(problem), "check that /proc is mounted: findmnt /proc")


def others_logged_in(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that others are logged in, who lose what they have not saved."""
    code, sessions = "others-logged-in", facts.people.sessions
    if isinstance(sessions, Unknown):
        yield unknown(code, sessions, "check that logind answers: loginctl")
        return
    names = sorted({one.name for one in sessions or () if one.uid != facts.uid})
    if names:
        yield warning(
            code,
            f"other users are logged in, and would lose unsaved work: {_listed(names)}",
            "ask them to log out; to see who is left: loginctl",
        )


def inhibited(facts: PreflightAnswers) -> Iterator[Finding]:
    """Object that a program has asked for the machine not to be shut down now."""
    code, inhibitors = "inhibited", facts.people.inhibitors
    if isinstance(inhibitors, Unknown):
        yield unknown(code, inhibitors, "check that logind answers: systemd-inhibit --list")
    elif inhibitors:
        told = [f"{one.who} ({one.why})" for one in inhibitors or ()]
        yield warning(
            code,
            f"programs block a shutdown: {_listed(told)}",
            "wait until they are done: systemd-inhibit --list",
        )


def _listed(names: list[str]) -> str:
    more = len(names) - MAX_NAMES_TOLD
    return ", ".join(names[:MAX_NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")


ObjectionRule = Callable[[PreflightAnswers], Iterator[Finding]]

RULES: Sequence[ObjectionRule] = (
    kdumpd_absent,
    container,
    live_system,
    crash_kernel_running,
    unsupported,
    crash_kernel_unloaded,
    would_hang,
    not_ready,
    not_judged_anew,
    too_little_space,
    capture_being_written,
    test_recently,
    boot_loop,
    machine_unread,
    just_booted,
    busy,
    pressure,
    dirty_pages,
    md_rebuilding,
    btrfs_busy,
    zfs_degraded,
    packages_changing,
    others_logged_in,
    inhibited,
)


def objections(
    facts: PreflightAnswers, rules: Sequence[ObjectionRule] = RULES
) -> tuple[Finding, ...]:
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
