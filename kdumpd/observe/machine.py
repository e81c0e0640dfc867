# SPDX-License-Identifier: GPL-2.0-or-later
"""Look at the whole machine, whenever there is a reason to, and never longer than a bound."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from kdumpd.model.captures.capture import Sighting
from kdumpd.model.captures.retention import Retention
from kdumpd.model.readiness.facts import FolderFacts, MachineFacts
from kdumpd.model.state import CrashFolder, Observation
from kdumpd.model.text import shown
from kdumpd.observe.captures.retention import read_retention
from kdumpd.observe.captures.scan import read_crash_folder
from kdumpd.observe.captures.scan_cache import Visits
from kdumpd.observe.conditions import Asking, Conditions
from kdumpd.observe.files import Files
from kdumpd.observe.foreign import ForeignFolders
from kdumpd.observe.hints import Hints
from kdumpd.observe.pace import Pace
from kdumpd.observe.readiness.units import ServiceManager
from kdumpd.observe.threads import PatientThread, StuckError
from kdumpd.observe.watcher import Unwatched, Watcher
from kdumpd.observe.worker import Worker

LOOK_PATIENCE = 10.0  # seconds for one look at one crash folder
POLL = 60.0  # seconds; sysfs does not tell when a crash kernel is loaded or unloaded


def clock() -> float:
    """Return seconds since the boot: they never step back, and go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


Known = Mapping[bytes, Sighting]
Rest = tuple[MachineFacts, Retention]  # what is to be seen besides the crash folders


class FolderObserver:
    """Looks at one crash folder, remembering what was read so that only changes are read again."""

    # state: what the last look sighted, whose unchanged files are not read again, and the visits

    def __init__(
        self,
        root: Path,
        path: bytes,
        watcher: Watcher,
        asking: Asking,
        patience: float = LOOK_PATIENCE,
    ) -> None:
        self._root = root
        self._path = path
        self._watcher = watcher
        self._visits = Visits(watcher.keep, ForeignFolders().say)
        self._known: Known = {}
        self._thread = PatientThread[CrashFolder](patience, asking.on_late, asking.start)

    async def look(self) -> CrashFolder:
        """Return what lies in the folder; one that does not answer says so as its problem."""
        try:
            folder = await self._thread.run(self._read)
        except StuckError as error:
            problem = f"'{shown(self._path)}' does not answer: {error}"
            facts = FolderFacts(path=self._path, present=True, problem=problem)
            return CrashFolder(facts=facts, listed=False)
        self._known = {sighting.place: sighting for sighting in folder.sightings}
        return folder

    @property
    def busy(self) -> bool:
        """Whether a look is still under way that nobody waits for."""
        return self._thread.busy

    def _read(self) -> CrashFolder:
        return read_crash_folder(
            self._root,
            self._path,
            self._known,
            self._watcher.folder,
            self._visits,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchers:
    """Who is told of the folders: those of captures, and those that readiness depends on."""

    captures: Watcher = field(default_factory=Unwatched)
    conditions: Watcher = field(default_factory=Unwatched)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the configuration says to look at, and what is wrong with it."""

    folders: tuple[bytes, ...]  # of crashes
    problems: tuple[str, ...] = ()


class Machine:
    """The machine below one root, looked at once, or whenever there is a hint."""

    # state: the last answer about all but the crash folders, for looks that ask only about these

    def __init__(
        self,
        files: Files,
        plan: Plan,
        hints: Hints,
        watchers: Watchers,
        services: ServiceManager,
    ) -> None:
        self._root = files.root
        self._watcher = watchers.captures
        self._services = services
        self._problems = plan.problems
        asking = Asking(start=Worker().start, on_late=self.look_again)
        self._conditions = Conditions(files, watchers.conditions, asking)
        self._rest: Rest | None = None  # as it was when all was asked last
        self._jobs = PatientThread[Retention](LOOK_PATIENCE, asking.on_late, asking.start)
        self._hints = hints
        self._looks = 0
        self._folders = [
            FolderObserver(files.root, path, watchers.captures, asking) for path in plan.folders
        ]

    def look_again(self) -> int:
        """Ask for another look, and return its number; many calls during one look make one more."""
        self._hints.everything()
        return self._looks + 1

    async def look(self, *, everything: bool = True) -> Observation:
        """Return one look at every crash folder; at the rest if `everything` may have changed.

        The rest, what the machine's own jobs remove among it, is as it was when all was asked last.
        """
        self._looks += 1
        number = self._looks
        folders, rest = await asyncio.gather(
            self._look_at_folders(), self._ask(everything=everything)
        )
        facts, retention = rest
        return Observation(
            number=number,
            at=datetime.now(UTC),
            clock=clock(),
            machine=replace(facts, folders=tuple(folder.facts for folder in folders)),
            folders=folders,
            retention=retention,
        )

    async def _look_at_folders(self) -> tuple[CrashFolder, ...]:
        folders = await asyncio.gather(*(folder.look() for folder in self._folders))
        if not any(folder.busy for folder in self._folders):
            self._watcher.forget_others()
        return tuple(folders)

    async def _ask(self, *, everything: bool) -> Rest:
        if everything or self._rest is None:
            facts, service, retention = await asyncio.gather(
                self._conditions.ask(), self._services.read(), self._look_at_jobs()
            )
            machine = replace(facts, service=service, configuration=self._problems)
            self._rest = machine, retention
        return self._rest

    async def _look_at_jobs(self) -> Retention:
        try:
            return await self._jobs.run(lambda: read_retention(self._root))
        except StuckError:
            return Retention()

    async def observations(self, due: Callable[[], float | None]) -> AsyncIterator[Observation]:
        """Yield a look now, at each hint, in `due()` seconds where it says so, and each minute."""
        everything, pace = True, Pace()
        while True:
            everything = self._hints.take() or everything
            began = clock()
            seen = await self.look(everything=everything)
            ended = clock()
            yield seen
            await asyncio.sleep(pace.pause(began, ended))
            wait = due()
            everything = False
            try:
                async with asyncio.timeout(POLL if wait is None else min(wait, POLL)):
                    await self._hints.wait()
            except TimeoutError:
                everything = True
