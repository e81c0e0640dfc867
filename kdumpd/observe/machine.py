# SPDX-License-Identifier: GPL-2.0-or-later
"""Look at the whole machine, whenever there is a reason to, and never longer than a bound."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar

from kdumpd.model.captures.capture import Sighting
from kdumpd.model.captures.retention import Retention
from kdumpd.model.readiness.facts import (
    CrashKernelFacts,
    DirectoryFacts,
    MachineFacts,
    NextBootFacts,
    PolicyFacts,
    ReservationFacts,
    StorageFacts,
    SystemFacts,
)
from kdumpd.model.state import CrashDirectory, Observation
from kdumpd.model.text import shown
from kdumpd.observe.captures.retention import read_retention
from kdumpd.observe.captures.scan import ForeignDirectories, read_crash_directory
from kdumpd.observe.captures.scan_cache import Unwatched, Visits, Watcher
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.crash_kernel import read_crash_kernel
from kdumpd.observe.readiness.kernel import read_kernel_facts, read_policy, unread_kernel
from kdumpd.observe.readiness.next_boot import read_next_boot
from kdumpd.observe.readiness.reservation import ReservationReader
from kdumpd.observe.readiness.shared_files import SharedFiles
from kdumpd.observe.readiness.storage import read_storage
from kdumpd.observe.readiness.system import read_system
from kdumpd.observe.readiness.units import ServiceManager
from kdumpd.observe.threads import PatientThread, Start, StuckError, Worker

FACTS_TIMEOUT_S = 5.0  # a caller waits for these and for captures
WATCHED_DIRECTORIES = (
    "boot",
    "boot/grub",
    "boot/grub2",
    "boot/loader/entries",
    "etc/default",
    "etc/default/grub.d",
    "etc/sysconfig",
    "var/lib/kdump",
)
T = TypeVar("T")
Unread = Callable[[str], T]  # returns the facts of what could not be asked, given why


def watch_directories(files: Files, watcher: Watcher) -> None:
    """Watch the directories in which kernels, initrds and their configuration are installed."""
    for name in WATCHED_DIRECTORIES:
        try:
            fd = os.open(files.resolve(name), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            watcher.directory(fd)
        finally:
            os.close(fd)
    watcher.forget_others()


class Asking(NamedTuple):
    """How questions are asked, and who is told on the loop when an answer comes too late."""

    start: Start
    on_late: Callable[[], object]


class Question(Generic[T]):
    """One group of facts: how it is read, and what stands for it when nothing answers in time."""

    def __init__(
        self,
        read: Callable[[SharedFiles], T],
        unread: Unread[T],
        asking: Asking,
        timeout: float = FACTS_TIMEOUT_S,
    ) -> None:
        self._read = read
        self._unread = unread
        self._thread = PatientThread[T](timeout, asking.on_late, asking.start)

    async def ask(self, shared: SharedFiles) -> T:
        """Return the facts."""
        try:
            return await self._thread.run(lambda: self._read(shared))
        except StuckError as error:
            return self._unread(f"the machine's files do not answer: {error}")


class Conditions:
    """All groups of facts of the machine below one root."""

    def __init__(self, files: Files, watcher: Watcher, asking: Asking) -> None:
        self._watching = Question(
            lambda _: watch_directories(files, watcher), lambda _: None, asking
        )
        self._kernel = Question(lambda _: read_kernel_facts(files), unread_kernel, asking)
        reservation = ReservationReader(files)
        self._reservation = Question(
            lambda _: reservation.read(), lambda why: ReservationFacts(problem=why), asking
        )
        self._crash_kernel = Question(
            read_crash_kernel, lambda why: CrashKernelFacts(problem=why), asking
        )
        self._next_boot = Question(
            lambda _: read_next_boot(files), lambda why: NextBootFacts(problem=why), asking
        )
        self._storage = Question(read_storage, lambda why: StorageFacts(problem=why), asking)
        self._policy = Question(
            lambda _: read_policy(files), lambda why: PolicyFacts(problem=why), asking
        )
        self._system = Question(read_system, lambda why: SystemFacts(problem=why), asking)

    async def ask(self, shared: SharedFiles) -> MachineFacts:
        """Return what is known of the machine now, but for its crash directories and its services.

        What does not answer says so.
        """
        async with asyncio.TaskGroup() as group:
            # First: a change during the look brings another one.
            group.create_task(self._watching.ask(shared))
            kernel = group.create_task(self._kernel.ask(shared))
            reservation = group.create_task(self._reservation.ask(shared))
            crash_kernel = group.create_task(self._crash_kernel.ask(shared))
            next_boot = group.create_task(self._next_boot.ask(shared))
            storage = group.create_task(self._storage.ask(shared))
            policy = group.create_task(self._policy.ask(shared))
            system = group.create_task(self._system.ask(shared))
        return MachineFacts(
            kernel=kernel.result(),
            directories=(),
            reservation=reservation.result(),
            crash_kernel=crash_kernel.result(),
            next_boot=next_boot.result(),
            storage=storage.result(),
            policy=policy.result(),
            system=system.result(),
        )


class Hints:
    """What came in since the last look. Captures come in storms, and are no reason to ask all."""

    def __init__(self) -> None:
        self._any = asyncio.Event()
        self._everything = False

    def directories(self) -> None:
        """Say that a crash directory may have changed."""
        self._any.set()

    def everything(self) -> None:
        """Say that anything may have changed."""
        self._everything = True
        self._any.set()

    def take(self) -> bool:
        """Return whether anything may have changed, and begin anew."""
        everything, self._everything = self._everything, False
        self._any.clear()
        return everything

    async def wait(self) -> None:
        """Return when a hint has come in."""
        await self._any.wait()


REST_RATIO = 2.0  # seconds of rest for each of looking, so that looks get a third of one processor
# Seconds of rest that may be owed: what comes after quiet, as a dump does, is looked at at once.
MAX_REST_OWED_S = 1.0
MAX_PAUSE_S = 2.0  # of one pause, also after a look at a directory that hardly answers


class ScanThrottle:
    """Counts what is owed in rest."""

    def __init__(self) -> None:
        self._owed = 0.0
        self._ended = 0.0

    def pause(self, began: float, ended: float) -> float:
        """Return how many seconds to rest after a look that took from `began` to `ended`."""
        rested = max(0.0, began - self._ended)
        owed = max(0.0, self._owed - rested) + REST_RATIO * (ended - began)
        self._owed = min(MAX_REST_OWED_S + MAX_PAUSE_S, owed)
        self._ended = ended
        return max(0.0, self._owed - MAX_REST_OWED_S)


DIRECTORY_LOOK_TIMEOUT_S = 10.0  # for one look at one crash directory
POLL_INTERVAL_S = 60.0  # sysfs does not tell when a crash kernel is loaded or unloaded


def clock() -> float:
    """Return seconds since the boot: they never step back, and go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


Known = Mapping[bytes, Sighting]
Rest = tuple[MachineFacts, Retention]  # what is to be seen besides the crash directories


class DirectoryObserver:
    """Looks at one crash directory, remembering what was read so that only changes are read.

    It keeps what the last look sighted, and the visits.
    """

    def __init__(
        self,
        path: bytes,
        watcher: Watcher,
        asking: Asking,
        timeout: float = DIRECTORY_LOOK_TIMEOUT_S,
    ) -> None:
        self._path = path
        self._watcher = watcher
        self._visits = Visits(watcher.keep, ForeignDirectories().say)
        self._known: Known = {}
        self._timeout = timeout
        # what the last look came to; not that anything is not there
        self._last = CrashDirectory(facts=DirectoryFacts(path=path, present=True), listed=False)
        self._thread = PatientThread[CrashDirectory](timeout, asking.on_late, asking.start)

    async def look(self, shared: SharedFiles) -> CrashDirectory:
        """Return what lies in the directory; one that does not answer says so as its problem."""
        try:
            directory = await self._thread.run(lambda: self._read(shared))
        except StuckError as error:
            if self._visits.goes_on(self._timeout / 2):
                return self._last
            problem = f"'{shown(self._path)}' does not answer: {error}"
            facts = DirectoryFacts(path=self._path, present=True, problem=problem)
            return CrashDirectory(facts=facts, listed=False)
        self._known = {sighting.place: sighting for sighting in directory.sightings}
        self._last = replace(directory, listed=False)
        return directory

    @property
    def busy(self) -> bool:
        """Whether a look is still under way that nobody waits for."""
        return self._thread.busy

    def _read(self, shared: SharedFiles) -> CrashDirectory:
        return read_crash_directory(
            shared,
            self._path,
            self._known,
            self._watcher.directory,
            self._visits,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchers:
    """Who is told of the directories: those of captures, and those that readiness depends on."""

    captures: Watcher = field(default_factory=Unwatched)
    conditions: Watcher = field(default_factory=Unwatched)


class Plan(NamedTuple):
    """What the configuration says to look at, and what is wrong with it."""

    directories: tuple[bytes, ...]  # of crashes
    problems: tuple[str, ...] = ()


class Machine:
    """The machine below one root, looked at once, or whenever there is a hint.

    It keeps the last answer about all but the crash directories, for looks that ask only about
    these.
    """

    def __init__(
        self,
        files: Files,
        plan: Plan,
        hints: Hints,
        watchers: Watchers,
        services: ServiceManager,
    ) -> None:
        self._files = files
        self._watcher = watchers.captures
        self._services = services
        self._problems = plan.problems
        asking = Asking(start=Worker().start, on_late=self.look_again)
        self._conditions = Conditions(files, watchers.conditions, asking)
        self._rest: Rest | None = None  # as it was when all was asked last
        self._jobs = PatientThread[Retention](
            DIRECTORY_LOOK_TIMEOUT_S, asking.on_late, asking.start
        )
        self._hints = hints
        self._looks = 0
        self._directories = [
            DirectoryObserver(path, watchers.captures, asking) for path in plan.directories
        ]

    def look_again(self) -> int:
        """Ask for another look, and return its number; many calls during one look make one more."""
        self._hints.everything()
        return self._looks + 1

    async def look(self, *, everything: bool = True) -> Observation:
        """Return one look at every crash directory; at the rest if `everything` may have changed.

        The rest, what the machine's own jobs remove among it, is as it was when all was asked last.
        """
        self._looks += 1
        number, shared = self._looks, SharedFiles(self._files)
        directories, rest = await asyncio.gather(
            self._look_at_directories(shared), self._ask(shared, everything=everything)
        )
        facts, retention = rest
        return Observation(
            number=number,
            at=datetime.now(UTC),
            clock=clock(),
            machine=replace(facts, directories=tuple(directory.facts for directory in directories)),
            directories=directories,
            retention=retention,
        )

    async def _look_at_directories(self, shared: SharedFiles) -> tuple[CrashDirectory, ...]:
        directories = await asyncio.gather(
            *(directory.look(shared) for directory in self._directories)
        )
        if not any(directory.busy for directory in self._directories):
            self._watcher.forget_others()
        return tuple(directories)

    async def _ask(self, shared: SharedFiles, *, everything: bool) -> Rest:
        if everything or self._rest is None:
            facts, service, retention = await asyncio.gather(
                self._conditions.ask(shared), self._services.read(), self._look_at_jobs(shared)
            )
            machine = replace(facts, service=service, configuration=self._problems)
            self._rest = machine, retention
        return self._rest

    async def _look_at_jobs(self, shared: SharedFiles) -> Retention:
        try:
            return await self._jobs.run(lambda: read_retention(shared))
        except StuckError:
            return Retention()

    async def observations(
        self, due: Callable[[], float | None], now: Callable[[], float] = clock
    ) -> AsyncIterator[Observation]:
        """Yield a look now, at each hint, in `due()` seconds where it says so, and each minute.

        All is asked at least once a minute, however many hints at crash directories come in.
        """
        everything, throttle, poll_at = True, ScanThrottle(), now()
        while True:
            began = now()
            everything = self._hints.take() or everything or began >= poll_at
            if everything:
                poll_at = began + POLL_INTERVAL_S
            seen = await self.look(everything=everything)
            ended = now()
            yield seen
            await asyncio.sleep(throttle.pause(began, ended))
            wait, left = due(), max(0.0, poll_at - now())
            everything = False
            try:
                async with asyncio.timeout(left if wait is None else min(wait, left)):
                    await self._hints.wait()
            except TimeoutError:
                everything = True
