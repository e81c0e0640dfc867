# SPDX-License-Identifier: GPL-2.0-or-later
"""What is seen in one look, and what is known after all of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from kdumpd.model.boots.journal import PastBoots
from kdumpd.model.boots.record import BootRecord, CrashLoop
from kdumpd.model.captures.capture import Capture, Sighting
from kdumpd.model.captures.core import FileStamp
from kdumpd.model.captures.reading import Answer, Job, Reading
from kdumpd.model.captures.retention import NO_RETENTION, Retention
from kdumpd.model.crash_test import CrashTest
from kdumpd.model.readiness.facts import DirectoryFacts, LastReservation, MachineFacts
from kdumpd.model.readiness.verdict import Verdict
from kdumpd.model.vocabulary import Readiness


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long to wait before something counts as settled, in seconds."""

    settle: float = 30.0
    steady: float = 10.0  # until a changed readiness is told
    unit: float = 300.0  # the same, while a unit of kdump is at work
    boot: float = 120.0  # after the boot, until it is validated though nothing is loaded
    longest_boot: float = 900.0  # the same, while the service manager says that it starts
    mount: float = 3600.0  # until what was on a file system that is not there counts as gone


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashDirectory:
    """One look at one crash directory."""

    facts: DirectoryFacts
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
    directories: tuple[CrashDirectory, ...]
    retention: Retention = NO_RETENTION
    answers: tuple[Answer, ...] = ()  # what the reading of cores has brought since the last look
    past: PastBoots | None = None  # None where the journal of earlier boots was not asked

    @property
    def sightings(self) -> Iterator[Sighting]:
        """What was seen in all of the directories."""
        return (sighting for directory in self.directories for sighting in directory.sightings)

    def is_starting(self, delays: Delays) -> bool:
        """Return whether the boot is under way: the crash kernel may still be on its way."""
        if self.machine.service.starting is None:
            return self.clock < delays.boot
        return self.machine.service.starting and self.clock < delays.longest_boot


@dataclass(frozen=True, slots=True, kw_only=True)
class UnchangedFiles:
    """A capture that does not prove complete: its files, and since when they have been so."""

    files: tuple[FileStamp, ...]
    since: float
    awaits_reading: bool = False  # whether it waits for nothing else any more
    trusted: bool = True  # whether only the machine's owner can have changed them


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingReadiness:
    """A readiness that differs from what was told, and since when it has been so."""

    to: Readiness
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptWaits:
    """What is waited for, as the ledger keeps it: times are of CLOCK_BOOTTIME in one boot."""

    unchanged: Mapping[bytes, UnchangedFiles] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    change: PendingReadiness | None = None
    boot_id: str = field(default="", compare=False)
    # each writing pays for a time: they are free until this is too far ahead
    paid_until: float = field(default=0.0, compare=False)
    due: float | None = field(default=None, compare=False)  # when what was put off is written


NO_WAITS = KeptWaits()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnchangedLook:
    """What all that is known of captures was made of, when nothing of it was waited for.

    A look that shows this again leaves the captures as they are.
    """

    directories: tuple[CrashDirectory, ...]
    retention: Retention
    readings: Mapping[str, Reading]
    captures: Mapping[str, Capture]  # that came of it


class ToldCrowd(NamedTuple):
    """Whose captures that are not trusted were told of, and when."""

    at: datetime
    uids: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that is known; every sink shows this one value."""

    captures: Mapping[str, Capture] = field(default_factory=dict)
    settling: Mapping[bytes, UnchangedFiles] = field(default_factory=dict)
    # settled, though not complete
    resting: Mapping[bytes, UnchangedFiles] = field(default_factory=dict)
    # pending, where this run has not had an answer yet, or has none any more
    unseen: Mapping[bytes, UnchangedFiles] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)  # captures not seen; gone when
    readings: Mapping[str, Reading] = field(default_factory=dict)  # of cores, by their keys
    job: Job | None = None  # the core that is to be read now
    directories: tuple[bytes, ...] = ()
    unchanged_look: UnchangedLook | None = None  # by the last look, where the next may show no more
    verdict: Verdict | None = None
    validated_boot: str = ""  # the boot id whose validation was told
    told: Readiness | None = None  # what was last told of readiness in that boot
    change: PendingReadiness | None = None  # what is not told yet, as it may not last
    boots: tuple[LastReservation, ...] = ()  # what the last ones came to, the newest first
    tests: tuple[CrashTest, ...] = ()  # the newest first
    past: PastBoots | None = None  # the earlier boots, by the journal as it was read last
    history: tuple[BootRecord, ...] = ()  # this boot, and how those before ended; newest first
    previous: BootRecord | None = None  # the boot before this one; None before the first look
    attributed: Mapping[str, str] = field(default_factory=dict)  # captures, and the boots they end
    loops: tuple[CrashLoop, ...] = ()  # of crashes, the newest first
    crowds: tuple[ToldCrowd, ...] = ()  # the newest first, as far as no more is to be told for them
    crowd_due: float | None = None  # when the next is to be told
    waits: KeptWaits = NO_WAITS  # what goes on after a restart

    @property
    def log_restricted(self) -> bool:
        """Whether the kernel keeps its log from users; also where it does not say so."""
        return self.verdict is None or self.verdict.machine.policy.dmesg_restrict != 0

    @property
    def pending(self) -> Mapping[bytes, UnchangedFiles]:
        """The trusted captures that wait to settle, or for what is read out of their cores."""
        resting = {place: one for place, one in self.resting.items() if one.awaits_reading}
        return {
            place: replace(one, awaits_reading=False) if one.awaits_reading else one
            for place, one in {**self.unseen, **resting, **self.settling}.items()
            if one.trusted
        }

    @property
    def is_being_written(self) -> bool:
        """Whether a capture that may tell of a crash of this machine may still grow."""
        return any(one.trusted for one in self.settling.values())
