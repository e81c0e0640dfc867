# SPDX-License-Identifier: GPL-2.0-or-later
"""Gather the facts that objections follow from: files, kdumpd and logind, each within a bound."""

import asyncio
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from kdumpd.dbus.messages import BusError, CallError
from kdumpd.model.formats.memory import parse_meminfo
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.model.text import shown
from kdumpd.observe.files import CRASH_LOADED, MEMINFO, Files, first_told
from kdumpd.observe.readiness.shared_files import SharedFiles
from kdumpd.observe.readiness.system import read_system
from kdumpd.observe.threads import PatientThread, StuckError, ThreadError
from kdumpd.trigger.facts import MemoryFacts, PreflightAnswers, PreflightFacts
from kdumpd.trigger.kdumpd import Kdumpd
from kdumpd.trigger.logind import Logind

# dpkg and apt (apt-get(8), "FILES" of dpkg(1)); rpm before and after it moved its database.
LOCK_FILES = (
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/lock",
    "var/lib/apt/lists/lock",
    "var/cache/apt/archives/lock",
    "var/lib/rpm/.rpm.lock",
    "usr/lib/sysimage/rpm/.rpm.lock",
)
PROC_LOCKS = "proc/locks"
MAX_PROC_LOCKS_BYTES = 4 << 20  # a database may hold thousands of locks
# proc_locks(5): the numbers of the device are hexadecimal, the inode is decimal. What waits for a
# lock has an arrow before its kind.
HELD_LOCK_PATTERN = rb"^\d+: (?:POSIX|FLOCK|OFDLCK) .* ([0-9a-f]+):([0-9a-f]+):(\d+) \S+ \S+$"

Inode = tuple[int, int, int]  # major, minor, inode
PANIC_SYSCTL = "proc/sys/kernel/panic"
PROC_UPTIME, PROC_LOADAVG = "proc/uptime", "proc/loadavg"
ONLINE_PROCESSORS = "sys/devices/system/cpu/online"
PROC_PRESSURE = "proc/pressure"
PRESSURE_RESOURCES = ("cpu", "io", "memory")
PROC_MDSTAT = "proc/mdstat"
SYS_BTRFS, BTRFS_STATE_DIRECTORY = "sys/fs/btrfs", "var/lib/btrfs"
PROC_ZFS_POOLS = "proc/spl/kstat/zfs"
FIRST_NUMBER_PATTERN = rb"([0-9]{1,12}(?:\.[0-9]{1,6})?)(?:[ \n]|$)"
PROCESSOR_RANGE_PATTERN = r"([0-9]{1,6})(?:-([0-9]{1,6}))?"
# Documentation/accounting/psi.rst
SOME_PRESSURE_PATTERN = rb"(?m)^some .*\bavg60=([0-9]{1,3}\.[0-9]{2})\b"
# drivers/md/md.c, status_resync() and status_unused(): "resync", "recovery", "reshape", "check",
# with how far it is, or =DELAYED, =PENDING and =REMOTE.
ARRAY_WORK_PATTERN = rb"\b(resync|recovery|reshape|check|repair) *= *(\S{1,12})"
ARRAY_NAME_PATTERN = rb"^(md\S{0,64}) :"
BTRFS_SCRUB_PREFIX = "scrub.progress."
BTRFS_SCRUB_PATTERN = rf"{re.escape(BTRFS_SCRUB_PREFIX)}\S{{1,64}}"
FILES_TIMEOUT_S = 5.0


def read_locks(files: Files) -> Fact[tuple[str, ...]]:
    """Return the lock files that somebody holds a lock on; no right to the files is needed."""
    content = files.content(PROC_LOCKS, MAX_PROC_LOCKS_BYTES)
    if not isinstance(content, bytes):
        return content
    held = {inode for *_, inode in parse_locks(content)}
    return tuple(name for name in LOCK_FILES if _inode(files, name) in held)


def parse_locks(table: bytes) -> Iterator[Inode]:
    """Yield the device and inode of each file that somebody holds a lock on."""
    for line in table.splitlines():
        match = re.match(HELD_LOCK_PATTERN, line)
        if match:
            yield int(match[1], 16), int(match[2], 16), int(match[3])


def _inode(files: Files, name: str) -> int | None:
    # Without the device: that of a subvolume of btrfs is another in stat(2) than in /proc/locks
    # (btrfs_getattr gives the subvolume's own, fs/locks.c the file system's). A file of the same
    # number elsewhere that is locked as well is rare, and only a reason to look.
    status = files.status(name)
    return getattr(status, "st_ino", None)


def read_machine(files: Files) -> PreflightFacts:
    """Return what the machine's files say; nothing is raised for what is wrong."""
    return PreflightFacts(
        system=read_system(SharedFiles(files)),
        loaded=_loaded(files),
        panic_timeout=files.number(PANIC_SYSCTL),
        uptime=_first_number(files, PROC_UPTIME),
        load=_first_number(files, PROC_LOADAVG),
        processors=_processors(files),
        pressure=_pressure(files),
        memory=_memory(files),
        arrays=_arrays(files),
        btrfs=_btrfs(files),
        pools=_pools(files),
        locks=read_locks(files),
    )


def _loaded(files: Files) -> Fact[bool]:
    number = first_told(map(files.number, CRASH_LOADED))
    return number == 1 if isinstance(number, int) else number


def _first_number(files: Files, name: str) -> Fact[float]:
    content = files.content(name)
    if not isinstance(content, bytes):
        return content
    match = re.match(FIRST_NUMBER_PATTERN, content)
    return float(match[1]) if match else files.unknown(name, "does not begin with a number")


def _processors(files: Files) -> Fact[int]:
    """Return how many processors are online, by a list such as 0-3,6 (sysfs-devices-system-cpu)."""
    text = files.text(ONLINE_PROCESSORS)
    if not isinstance(text, str):
        return text
    ranges = [re.fullmatch(PROCESSOR_RANGE_PATTERN, part) for part in text.split(",")]
    count = sum(int(one[2] or one[1]) - int(one[1]) + 1 for one in ranges if one)
    return count if all(ranges) and count > 0 else files.unknown(ONLINE_PROCESSORS, "holds no list")


def _pressure(files: Files) -> Fact[tuple[tuple[str, float], ...]]:
    measured = []
    for resource in PRESSURE_RESOURCES:
        name = f"{PROC_PRESSURE}/{resource}"
        content = files.content(name)
        if isinstance(content, Unknown) and _is_off(content):
            return None
        if isinstance(content, Unknown):
            return content
        match = re.search(SOME_PRESSURE_PATTERN, content) if content is not None else None
        if content is not None and match is None:
            return files.unknown(name, "does not say how long something waited")
        if match:
            measured.append((resource, float(match[1])))
    return tuple(measured) or None


def _is_off(fact: Unknown) -> bool:
    # Kernels that are told not to measure (psi=0) have the files, and refuse to read them.
    return os.strerror(errno.EOPNOTSUPP) in fact.problem


def _memory(files: Files) -> Fact[MemoryFacts]:
    content = files.content(MEMINFO)
    if not isinstance(content, bytes):
        return content
    amounts = parse_meminfo(content)
    try:
        dirty = amounts[b"Dirty"] + amounts[b"Writeback"]
        return MemoryFacts(total=amounts[b"MemTotal"], dirty=dirty)
    except KeyError:
        return files.unknown(MEMINFO, "does not say what waits to be written")


def _arrays(files: Files) -> Fact[tuple[str, ...]]:
    content = files.content(PROC_MDSTAT)
    return tuple(parse_arrays(content)) if isinstance(content, bytes) else content


def parse_arrays(status: bytes) -> Iterator[str]:
    """Yield each array of /proc/mdstat that is at work, and what it is at."""
    name = "md"
    for line in status.splitlines():
        array, work = re.match(ARRAY_NAME_PATTERN, line), re.search(ARRAY_WORK_PATTERN, line)
        if array:
            name = shown(array[1])
        if work:
            yield f"{name} ({shown(work[1])} {shown(work[2])})"


def _btrfs(files: Files) -> Fact[tuple[str, ...]]:
    """Return which file systems are at work; of a scrub only that there is one.

    The kernel tells of none. btrfs(8) has a socket while one is under way (btrfs-scrub(8)).
    """
    at_work = []
    for name in files.readable_names(SYS_BTRFS):
        operation = files.text(f"{SYS_BTRFS}/{name}/exclusive_operation")  # since Linux 5.10
        if isinstance(operation, Unknown):
            return operation
        if operation not in {None, "none"}:
            at_work.append(f"{shown(os.fsencode(name))} ({operation})")
    scrubs = [
        name.removeprefix(BTRFS_SCRUB_PREFIX)
        for name in files.readable_names(BTRFS_STATE_DIRECTORY)
        if re.fullmatch(BTRFS_SCRUB_PATTERN, name)
    ]
    return (*at_work, *(f"{shown(os.fsencode(name))} (scrub)" for name in scrubs))


def _pools(files: Files) -> Fact[tuple[str, ...]]:
    """Return the pools that are not ONLINE (zfs, module/os/linux/spl/spl-kstat.c)."""
    found = []
    for name in files.readable_names(PROC_ZFS_POOLS):
        state = files.text(f"{PROC_ZFS_POOLS}/{name}/state")
        if isinstance(state, Unknown):
            return state
        if state not in {None, "ONLINE"}:
            found.append(f"{shown(os.fsencode(name))} is {state}")
    return tuple(found)


class Preflight(Protocol):
    """Somebody who knows what there is to know before a crash."""

    async def look(self, uid: int) -> PreflightAnswers:
        """Return what is known now, for a crash that this user asks for."""

    async def look_anew(self, uid: int) -> PreflightAnswers:
        """Return the same, after kdumpd has looked at the machine once more."""


class MachinePreflight:
    """The machine below one root, and who answers on the bus."""

    def __init__(self, root: Path, kdumpd: Kdumpd, logind: Logind) -> None:
        self._files = Files(root)
        self._kdumpd = kdumpd
        self._logind = logind
        self._thread = self._new_thread()

    async def look(self, uid: int) -> PreflightAnswers:
        """Return what is known now, for a crash that this user asks for."""
        machine, kdumpd, people = await asyncio.gather(
            self._machine(), self._kdumpd.read(), self._logind.read()
        )
        at = datetime.now(UTC)
        return PreflightAnswers(at=at, uid=uid, machine=machine, kdumpd=kdumpd, people=people)

    async def look_anew(self, uid: int) -> PreflightAnswers:
        """Return the same, after kdumpd has looked at the machine once more."""
        outdated = ""
        try:
            await self._kdumpd.look()
        except (BusError, CallError) as error:
            outdated = str(error)
        facts = await self.look(uid)
        return replace(facts, kdumpd=replace(facts.kdumpd, outdated=outdated))

    async def _machine(self) -> PreflightFacts:
        try:
            return await self._thread.run(lambda: read_machine(self._files))
        except (StuckError, ThreadError) as error:
            return PreflightFacts(
                problem=f"the machine's files do not tell what they should: {error}"
            )

    def _renew(self) -> None:
        """Have the next look read all anew: what came too late is no answer to it."""
        self._thread = self._new_thread()

    def _new_thread(self) -> PatientThread[PreflightFacts]:
        return PatientThread(FILES_TIMEOUT_S, self._renew)
