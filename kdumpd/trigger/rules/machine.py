# SPDX-License-Identifier: GPL-2.0-or-later
"""What on the machine is in the middle of something that a crash would cut off."""

from collections.abc import Iterator

from kdumpd.model.readiness.finding import Finding, Unknown, unknown, warning
from kdumpd.model.text import human_size
from kdumpd.trigger.facts import Facts

YOUNGEST = 300.0  # seconds
LOAD_PER_PROCESSOR = 2.0
# Percent of the last minute in which something waited for it. A crash kernel does not mind, but
# whoever crashes a machine that is so busy has probably mistaken it for another.
MOST_PRESSURE = {"cpu": 80.0, "io": 50.0, "memory": 20.0}
MOST_DIRTY, MOST_DIRTY_SHARE = 1 << 30, 0.1
WAIT = "wait until it is done"


def machine_unread(facts: Facts) -> Iterator[Finding]:
    """Object that nothing could be read of the machine."""
    if facts.machine.problem:
        yield unknown(
            "machine-unread",
            Unknown(facts.machine.problem),
            "see whether its disks answer: journalctl -k -p err",
        )


def just_booted(facts: Facts) -> Iterator[Finding]:
    """Object that the machine is still starting, or may crash by itself in a loop."""
    code, uptime = "just-booted", facts.machine.uptime
    if isinstance(uptime, Unknown):
        yield unknown(code, uptime)
    elif uptime is None:
        yield from _silent(facts, code, "the kernel does not say how long it runs")
    elif uptime < YOUNGEST:
        yield warning(
            code,
            f"the machine was booted {uptime:.0f} s ago, and may not be done with it",
            f"wait until it has run for {YOUNGEST / 60:.0f} minutes",
        )


def busy(facts: Facts) -> Iterator[Finding]:
    """Object that the machine has more to do than it can."""
    code, load, processors = "busy", facts.machine.load, facts.machine.processors
    if isinstance(load, Unknown):
        yield unknown(code, load)
    elif isinstance(processors, Unknown):
        yield unknown(code, processors)
    elif load is None or processors is None:
        yield from _silent(facts, code, "the kernel does not say how much the machine has to do")
    elif load > LOAD_PER_PROCESSOR * processors:
        yield warning(
            code,
            f"the machine is busy: a load of {load:g} on {processors} processors",
            "see with top what it is at, and wait until it is done",
        )


def pressure(facts: Facts) -> Iterator[Finding]:
    """Object that programs wait for processors, disks or memory (a kernel may not measure it)."""
    code, measured = "pressure", facts.machine.pressure
    if isinstance(measured, Unknown):
        yield unknown(code, measured)
        return
    high = [
        f"{resource} in {percent:.0f} % of the last minute"
        for resource, percent in measured or ()
        if percent > MOST_PRESSURE[resource]
    ]
    if high:
        yield warning(
            code,
            f"programs wait for {', '.join(high)} (/proc/pressure)",
            "see with top what the machine is at, and wait until it is done",
        )


def dirty_pages(facts: Facts) -> Iterator[Finding]:
    """Object that much has to be written to disks before: a crash loses what is not."""
    code, memory = "dirty-pages", facts.machine.memory
    if isinstance(memory, Unknown):
        yield unknown(code, memory)
    elif memory is None:
        yield from _silent(facts, code, "the kernel does not say what waits to be written to disks")
    elif memory.dirty > min(MOST_DIRTY, memory.total * MOST_DIRTY_SHARE):
        yield warning(
            code,
            f"{human_size(memory.dirty)} wait to be written to disks, and may be lost",
            "run sync, and wait until it is done",
        )


def md_rebuilding(facts: Facts) -> Iterator[Finding]:
    """Object that an array of md is being rebuilt or checked."""
    code, arrays = "md-rebuilding", facts.machine.arrays
    if isinstance(arrays, Unknown):
        yield unknown(code, arrays)
    elif arrays:
        remedy = f"{WAIT}: cat /proc/mdstat"
        yield warning(code, f"md is at work: {', '.join(arrays)}", remedy)


def btrfs_busy(facts: Facts) -> Iterator[Finding]:
    """Object that a file system of btrfs is being balanced, resized, scrubbed and the like."""
    code, at_work = "btrfs-busy", facts.machine.btrfs
    if isinstance(at_work, Unknown):
        yield unknown(code, at_work)
    elif at_work:
        yield warning(
            code,
            f"btrfs is at work: {', '.join(at_work)}",
            f"{WAIT}: btrfs balance status, btrfs scrub status",
        )


def zfs_degraded(facts: Facts) -> Iterator[Finding]:
    """Object that a pool of ZFS is not whole."""
    code, pools = "zfs-degraded", facts.machine.pools
    if isinstance(pools, Unknown):
        yield unknown(code, pools)
    elif pools:
        remedy = "see zpool status, and let it become ONLINE"
        yield warning(code, f"ZFS: {', '.join(pools)}", remedy)


def packages_changing(facts: Facts) -> Iterator[Finding]:
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
            f"a package manager is at work: it holds a lock on {files}",
            f"{WAIT}; /proc/locks names the process",
        )


def _silent(facts: Facts, code: str, problem: str) -> Iterator[Finding]:
    """Yield that a thing which every kernel tells is not told here; nothing if nothing is."""
    if not facts.machine.problem:
        yield unknown(code, Unknown(problem), "see whether /proc is mounted: findmnt /proc")
