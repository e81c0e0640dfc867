# SPDX-License-Identifier: GPL-2.0-or-later
"""Read from the machine's files what a crash would cut off, and whether anything captures it."""

import errno
import os
import re
from collections.abc import Iterator

from kdumpd.model.formats.memory import parse_meminfo
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.model.text import shown
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.kernel import CRASH_LOADED
from kdumpd.observe.readiness.system import read_surroundings
from kdumpd.trigger.facts import MachineFacts, MemoryFacts
from kdumpd.trigger.locks import read_locks

PANIC = "proc/sys/kernel/panic"
UPTIME, LOAD, MEMORY = "proc/uptime", "proc/loadavg", "proc/meminfo"
PROCESSORS = "sys/devices/system/cpu/online"
PRESSURE = "proc/pressure"
RESOURCES = ("cpu", "io", "memory")
ARRAYS = "proc/mdstat"
BTRFS, BTRFS_STATE = "sys/fs/btrfs", "var/lib/btrfs"
POOLS = "proc/spl/kstat/zfs"

FIRST_NUMBER = rb"([0-9]{1,12}(?:\.[0-9]{1,6})?)(?:[ \n]|$)"
RANGE = r"([0-9]{1,6})(?:-([0-9]{1,6}))?"
# Documentation/accounting/psi.rst
SOME = rb"(?m)^some .*\bavg60=([0-9]{1,3}\.[0-9]{2})\b"
# drivers/md/md.c, status_resync() and status_unused(): "resync", "recovery", "reshape", "check",
# with how far it is, or =DELAYED, =PENDING and =REMOTE.
AT_WORK = rb"\b(resync|recovery|reshape|check|repair) *= *(\S{1,12})"
ARRAY = rb"^(md\S{0,64}) :"
SCRUB = r"scrub\.progress\.\S{1,64}"


def read_machine(files: Files) -> MachineFacts:
    """Return what the machine's files say; nothing is raised for what is wrong."""
    surroundings = read_surroundings(files)
    return MachineFacts(
        container=surroundings.container,
        live=surroundings.live,
        capturing=surroundings.capturing,
        loaded=_loaded(files),
        panic_timeout=files.number(PANIC),
        uptime=_first_number(files, UPTIME),
        load=_first_number(files, LOAD),
        processors=_processors(files),
        pressure=_pressure(files),
        memory=_memory(files),
        arrays=_arrays(files),
        btrfs=_btrfs(files),
        pools=_pools(files),
        locks=read_locks(files),
    )


def _loaded(files: Files) -> Fact[bool]:
    found = (files.number(name) for name in CRASH_LOADED)
    number = next((one for one in found if one is not None), None)
    return number == 1 if isinstance(number, int) else number


def _first_number(files: Files, name: str) -> Fact[float]:
    content = files.content(name)
    if not isinstance(content, bytes):
        return content
    match = re.match(FIRST_NUMBER, content)
    return float(match[1]) if match else files.unknown(name, "does not begin with a number")


def _processors(files: Files) -> Fact[int]:
    """Return how many processors are online, by a list such as 0-3,6 (sysfs-devices-system-cpu)."""
    text = files.text(PROCESSORS)
    if not isinstance(text, str):
        return text
    ranges = [re.fullmatch(RANGE, part) for part in text.split(",")]
    count = sum(int(one[2] or one[1]) - int(one[1]) + 1 for one in ranges if one)
    return count if all(ranges) and count > 0 else files.unknown(PROCESSORS, "holds no list")


def _pressure(files: Files) -> Fact[tuple[tuple[str, float], ...]]:
    measured = []
    for resource in RESOURCES:
        name = f"{PRESSURE}/{resource}"
        content = files.content(name)
        if isinstance(content, Unknown) and _is_off(content):
            return None
        if isinstance(content, Unknown):
            return content
        match = re.search(SOME, content) if content is not None else None
        if content is not None and match is None:
            return files.unknown(name, "does not say how long something waited")
        if match:
            measured.append((resource, float(match[1])))
    return tuple(measured) or None


def _is_off(fact: Unknown) -> bool:
    # Kernels that are told not to measure (psi=0) have the files, and refuse to read them.
    return os.strerror(errno.EOPNOTSUPP) in fact.problem


def _memory(files: Files) -> Fact[MemoryFacts]:
    content = files.content(MEMORY)
    if not isinstance(content, bytes):
        return content
    amounts = parse_meminfo(content)
    try:
        dirty = amounts[b"Dirty"] + amounts[b"Writeback"]
        return MemoryFacts(total=amounts[b"MemTotal"], dirty=dirty)
    except KeyError:
        return files.unknown(MEMORY, "does not say what waits to be written")


def _arrays(files: Files) -> Fact[tuple[str, ...]]:
    content = files.content(ARRAYS)
    return tuple(parse_arrays(content)) if isinstance(content, bytes) else content


def parse_arrays(status: bytes) -> Iterator[str]:
    """Yield each array of /proc/mdstat that is at work, and what it is at."""
    name = "md"
    for line in status.splitlines():
        array, work = re.match(ARRAY, line), re.search(AT_WORK, line)
        if array:
            name = shown(array[1])
        if work:
            yield f"{name} ({shown(work[1])} {shown(work[2])})"


def _btrfs(files: Files) -> Fact[tuple[str, ...]]:
    """Return which file systems are at work; of a scrub only that there is one.

    The kernel tells of none. btrfs(8) has a socket while one is under way (btrfs-scrub(8)).
    """
    at_work = []
    for name in files.readable_names(BTRFS):
        operation = files.text(f"{BTRFS}/{name}/exclusive_operation")  # since Linux 5.10
        if isinstance(operation, Unknown):
            return operation
        if operation not in {None, "none"}:
            at_work.append(f"{shown(os.fsencode(name))} ({operation})")
    scrubs = [name for name in files.readable_names(BTRFS_STATE) if re.fullmatch(SCRUB, name)]
    return (*at_work, *(f"{shown(os.fsencode(name))[15:]} (scrub)" for name in scrubs))


def _pools(files: Files) -> Fact[tuple[str, ...]]:
    """Return the pools that are not ONLINE (zfs, module/os/linux/spl/spl-kstat.c)."""
    found = []
    for name in files.readable_names(POOLS):
        state = files.text(f"{POOLS}/{name}/state")
        if isinstance(state, Unknown):
            return state
        if state not in {None, "ONLINE"}:
            found.append(f"{shown(os.fsencode(name))} is {state}")
    return tuple(found)
