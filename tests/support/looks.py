# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at a machine, made by hand: what the model is given by those who observe."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kdumpd.model.boots.journal import PastBoots
from kdumpd.model.captures.capture import (
    Capture,
    Layout,
    Sighting,
    capture_from,
    capture_id,
    files_id,
)
from kdumpd.model.captures.core import CoreFacts, FileStamp, Format
from kdumpd.model.captures.reading import Answer
from kdumpd.model.captures.retention import NO_RETENTION
from kdumpd.model.events import Event
from kdumpd.model.readiness.facts import DirectoryFacts, KernelFacts, MachineFacts, ServiceFacts
from kdumpd.model.state import CrashDirectory, Delays, Observation, State
from kdumpd.model.step import step
from kdumpd.model.text import MIB
from kdumpd.model.vocabulary import Crash

BOOT = "0f8e1a3c-5b7d-4e2f-9a6c-d4b8f0e2c1a5"
CRASH = b"/var/crash"
DIRECTORY = b"/var/crash/202611230113"
START = datetime(2026, 11, 23, 1, 15, tzinfo=UTC)
DELAYS = Delays(settle=30.0)

KERNEL = KernelFacts(
    boot_id=BOOT,
    release="6.1.0-56-amd64",
    supported=True,
    crashkernel="256M",
    crash_loaded=True,
    reserved=256 * MIB,
)

UNSEEN = ServiceFacts()

FACTS = CoreFacts(
    format=Format.FLATTENED,
    compression="zlib",
    complete=True,
    crashed_at=datetime(2026, 11, 23, 1, 13, 34, tzinfo=UTC),
    host="crashed.example",
    kernel_release="6.1.0-56-amd64",
    architecture="x86_64",
    build_id="eb4fbcd037e7253717950bf2b93bd5566f47c56f",
    identity=b"a crash",
)
# A core that says which crash it is, but is not whole; and one that does not even say that.
CUT = replace(FACTS, complete=False, problem="has no end record")
STUMP = CoreFacts(format=Format.FLATTENED, problem="ends at 5000 bytes")


def stamp(name: bytes, *, size: int = 1000, mode: int = 0o100600, inode: int = 7) -> FileStamp:
    """Return what stat says of a file; whoever writes to it changes its size."""
    return FileStamp(
        name=name,
        inode=inode,
        size=size,
        modified_ns=1,
        changed_ns=1,
        mode=mode,
        links=1,
        owner=0,
    )


def capture(
    facts: CoreFacts | None = FACTS,
    *,
    name: bytes = b"dump.202611230113",
    directory: bytes = DIRECTORY,
    dmesg: bytes = b"last words",
    size: int = 1000,
) -> Sighting:
    """Return the sighting of a capture; without facts of its kernel log alone."""
    log = stamp(b"dmesg.202611230113") if dmesg else None
    core = stamp(name, size=size) if facts else None
    read = facts or CoreFacts()
    files = tuple(file for file in (core, log) if file)
    return Sighting(
        directory=directory,
        layout=Layout.KDUMP_TOOLS,
        trusted=True,
        files=files,
        files_id=files_id(files),
        core=core,
        dmesg=log,
        facts=read,
        crash=Crash() if log else None,
        id=capture_id(read.identity or dmesg or directory_name(directory)),
    )


def directory_name(directory: bytes) -> bytes:
    """Return the last component of a path."""
    return directory.rpartition(b"/")[2]


def distrusted(sighting: Sighting, problem: str = "belongs to uid 1000") -> Sighting:
    """Return what is seen of the same files when they are not read."""
    return replace(
        sighting,
        trusted=False,
        problem=problem,
        facts=CoreFacts(),
        id=capture_id(directory_name(sighting.directory)),
    )


def of_another_crash(sighting: Sighting, identity: bytes) -> Sighting:
    """Return what the same place shows when another crash lies there."""
    return replace(
        sighting, facts=replace(sighting.facts, identity=identity), id=capture_id(identity)
    )


class Watched:
    """A machine that is looked at again and again, and what was told of it."""

    def __init__(self, state: State | None = None) -> None:
        self.state = state or State()
        self.clock = 1000.0
        self.told: list[Event] = []
        self.past = PastBoots()
        self.retention = NO_RETENTION
        self._looks = 0

    def look(
        self,
        *sightings: Sighting,
        after: float = 0.0,
        kernel: KernelFacts = KERNEL,
        service: ServiceFacts = UNSEEN,
        problem: str = "",
        answers: Sequence[Answer] = (),
    ) -> list[Event]:
        """Look at a crash directory with these captures, and return the events.

        With a problem it does not answer.
        """
        facts = DirectoryFacts(path=CRASH, present=True, problem=problem)
        directory = CrashDirectory(facts=facts, sightings=sightings, listed=not problem)
        return self.look_at(directory, after=after, kernel=kernel, service=service, answers=answers)

    def look_at(
        self,
        *directories: CrashDirectory,
        after: float = 0.0,
        kernel: KernelFacts = KERNEL,
        service: ServiceFacts = UNSEEN,
        answers: Sequence[Answer] = (),
    ) -> list[Event]:
        """Look at all these crash directories, and return the events."""
        self.clock += after
        self._looks += 1
        seen = Observation(
            number=self._looks,
            at=START + timedelta(seconds=self.clock - 1000),
            clock=self.clock,
            machine=MachineFacts(
                kernel=kernel,
                directories=tuple(directory.facts for directory in directories),
                service=service,
            ),
            directories=directories,
            retention=self.retention,
            answers=tuple(answers),
            past=self.past,
        )
        self.state, events = step(self.state, seen, DELAYS)
        self.told += events
        return list(events)

    @property
    def listed(self) -> Sequence[Capture]:
        """The captures that are known."""
        return tuple(self.state.captures.values())

    @property
    def only(self) -> Capture:
        """The only capture."""
        (listed,) = self.listed
        return listed


def as_listed(sighting: Sighting, found_at: datetime = START) -> Capture:
    """Return the capture that a sighting is listed as."""
    return capture_from(sighting, found_at)
