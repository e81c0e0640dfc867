# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known when somebody wants the kernel crashed: plain values, as they were read."""

from dataclasses import dataclass, field
from datetime import datetime

from kdumpd.model.readiness.facts import SystemFacts
from kdumpd.model.readiness.finding import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class KdumpdFinding:
    """A finding of kdumpd about the next capture, as it is told on the bus."""

    code: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KdumpdFacts:
    """What kdumpd says; None where it does not have what would tell the fact."""

    problem: str = ""  # why it says nothing at all
    outdated: str = ""  # why it has not looked at the machine once more
    readiness: Fact[str] = None
    findings: Fact[tuple[KdumpdFinding, ...]] = None
    mechanism: Fact[str] = None
    loaded: Fact[bool] = None  # CrashKernelLoaded
    settling: Fact[int] = None  # captures that are being written
    tested_at: Fact[datetime] = None  # None also where there was no test
    # When the kernel died: by the captures that are trusted and no tests, and without a capture.
    crashes: Fact[tuple[datetime, ...]] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFacts:
    """What waits in memory to be written to disks, in bytes."""

    total: int
    dirty: int  # and under writeback


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightFacts:
    """What the machine's own files say; None where the machine does not have such a thing."""

    problem: str = ""  # why nothing of it could be read
    system: SystemFacts = field(default_factory=SystemFacts)
    loaded: Fact[bool] = None  # a crash kernel, by kexec
    panic_timeout: Fact[int] = None  # kernel.panic: seconds until a reboot, 0 never
    uptime: Fact[float] = None  # seconds
    load: Fact[float] = None  # average of the last minute
    processors: Fact[int] = None
    pressure: Fact[tuple[tuple[str, float], ...]] = None  # by resource, percent of the last minute
    memory: Fact[MemoryFacts] = None
    arrays: Fact[tuple[str, ...]] = None  # of md, with what each is at
    btrfs: Fact[tuple[str, ...]] = None  # what each file system is at, where it is at something
    pools: Fact[tuple[str, ...]] = None  # of ZFS that are not ONLINE
    locks: Fact[tuple[str, ...]] = None  # files of package managers that are locked


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person who is logged in."""

    uid: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibitor:
    """Who does not want the machine to be shut down now, and why."""

    who: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleFacts:
    """What logind says; None where there is no logind."""

    sessions: Fact[tuple[Session, ...]] = None
    inhibitors: Fact[tuple[Inhibitor, ...]] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightAnswers:
    """All that the objections follow from."""

    at: datetime
    uid: int  # of whoever asks
    kdumpd: KdumpdFacts = field(default_factory=KdumpdFacts)
    machine: PreflightFacts = field(default_factory=PreflightFacts)
    people: PeopleFacts = field(default_factory=PeopleFacts)
