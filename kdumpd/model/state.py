# SPDX-License-Identifier: GPL-2.0-or-later
"""What is seen in one look, and what is known after all of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kdumpd.model.capture import Capture, Sighting
from kdumpd.model.core import FileStamp
from kdumpd.model.facts.folder import FolderFacts
from kdumpd.model.facts.kernel import KernelFacts
from kdumpd.model.facts.machine import MachineFacts
from kdumpd.model.finding import Finding
from kdumpd.model.readiness import Readiness, troubles
from kdumpd.model.reading import Answer, Job, Reading
from kdumpd.model.retention import NOTHING_REMOVED, Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashFolder:
    """One look at one crash folder."""

    facts: FolderFacts
    sightings: tuple[Sighting, ...] = ()
    listed: bool = True  # whether what is neither sighted nor unread is not there
    unread: frozenset[bytes] = frozenset()  # directories that could not be looked into
    filesystem: int = 0  # the id of the one it lies on, or would if it existed


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at the machine."""

    number: int  # of the look; a look begun later has a larger one
    at: datetime
    clock: float  # seconds that never step back; CLOCK_BOOTTIME
    machine: MachineFacts
    folders: tuple[CrashFolder, ...]
    retention: Retention = NOTHING_REMOVED
    answers: tuple[Answer, ...] = ()  # what the reading of cores has brought since the last look

    @property
    def sightings(self) -> Iterator[Sighting]:
        """What was seen in all of the folders."""
        return (sighting for folder in self.folders for sighting in folder.sightings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A capture that does not prove complete: its files, and since when they have been so."""

    files: tuple[FileStamp, ...]
    since: float
    awaits_reading: bool = False  # whether it waits for nothing else any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Readiness as last judged."""

    at: datetime
    machine: MachineFacts
    readiness: Readiness
    checks: tuple[Finding, ...]  # what every rule said

    @property
    def kernel(self) -> KernelFacts:
        """What the running kernel says."""
        return self.machine.kernel

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The checks that are worth a word."""
        return troubles(self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that is known; every sink shows this one value."""

    captures: Mapping[str, Capture] = field(default_factory=dict)
    settling: Mapping[bytes, Growth] = field(default_factory=dict)
    resting: Mapping[bytes, Growth] = field(default_factory=dict)  # settled, though not complete
    missing: Mapping[str, float] = field(default_factory=dict)  # captures not seen; gone when
    readings: Mapping[str, Reading] = field(default_factory=dict)  # of cores, by their keys
    job: Job | None = None  # the core that is to be read now
    folders: tuple[bytes, ...] = ()
    verdict: Verdict | None = None
    validated_boot: str = ""  # the boot id whose validation was told
    told: Readiness | None = None  # what was last told of readiness in that boot


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait before something counts as settled, in seconds."""

    settle: float = 30.0
    mount: float = 3600.0  # until what was on a file system that is not there counts as gone


def next_look(state: State, clock: float, patience: Patience) -> float | None:
    """Return in how many seconds something is due to settle, None when nothing is."""
    due = [
        growth.since + patience.settle
        for growth in state.settling.values()
        if not growth.awaits_reading
    ]
    due += state.missing.values()
    return max(0.0, min(due) - clock) if due else None
