# SPDX-License-Identifier: GPL-2.0-or-later
"""Read cores through, one at a time, each in a child process of its own."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from kdumpd.model.capture import FileStamp
from kdumpd.model.crash import Crash, parse_kernel_log
from kdumpd.model.inspection import Inspected, InspectionError
from kdumpd.model.reading import Answer, Job
from kdumpd.model.text import shown
from kdumpd.observe.folder import FolderError, open_crash_folder, untrusted_reason
from kdumpd.observe.thread import PatientThread, StuckError

OPEN_PATIENCE = 10.0  # seconds

Inspect = Callable[[int], Awaitable[Inspected]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the cores are: the root, and the crash folders below it."""

    root: Path
    folders: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The core of a job as a descriptor, or why there is none."""

    key: str
    fd: int = -1
    problem: str = ""


class CoreReader:
    """Reads the cores that it is given, one after the other."""

    def __init__(self, place: Place, inspect: Inspect) -> None:
        self._place = place
        self._inspect = inspect
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()
        self._thread = PatientThread[Opened](OPEN_PATIENCE, lambda: None)

    def read(self, job: Job) -> None:
        """Have this core read."""
        self._jobs.put_nowait(job)

    async def answers(self) -> AsyncGenerator[Answer, None]:
        """Read, for ever, and yield what came of each core."""
        while True:
            yield await self._answer(await self._jobs.get())

    async def _answer(self, job: Job) -> Answer:
        failed = Answer(key=job.key, done=False)
        try:
            opened = await self._open(job)
        except StuckError as error:
            return replace(failed, problem=f"cannot be opened: {error}")
        if opened.problem:
            return replace(failed, problem=f"cannot be opened: {opened.problem}")
        try:
            inspected = await self._inspect(opened.fd)
            crash = await asyncio.to_thread(_crash, inspected)
        except InspectionError as error:
            return replace(failed, problem=str(error))
        finally:
            os.close(opened.fd)
        return Answer(
            key=job.key,
            done=True,
            facts=inspected.facts,
            crash=crash,
            problem=inspected.log_problem,
        )

    async def _open(self, job: Job) -> Opened:
        while True:
            opened = await self._thread.run(lambda: _open(self._place, job))
            if opened.key == job.key:
                return opened
            # Of an earlier job, which nobody waits for any more.
            if not opened.problem:
                os.close(opened.fd)


def _open(place: Place, job: Job) -> Opened:
    try:
        return Opened(key=job.key, fd=open_core(place, job.directory, job.core))
    except FolderError as error:
        return Opened(key=job.key, problem=str(error))
    except OSError as error:
        return Opened(key=job.key, problem=str(error.strerror))


def open_core(place: Place, directory: bytes, core: FileStamp) -> int:
    """Return a descriptor of the file that a look saw there; FolderError if it is another now."""
    inside = [
        one for one in place.folders if (directory + b"/").startswith(one.rstrip(b"/") + b"/")
    ]
    if not inside:
        raise FolderError(f"'{shown(directory)}' is in no crash folder")
    path = max(inside, key=len)
    with ExitStack() as opened:
        folder = opened.enter_context(open_crash_folder(place.root, path, lambda _: None))
        if folder is None:
            raise FolderError(f"'{shown(path)}' does not exist")
        for name in filter(None, directory[len(path) :].split(b"/")):
            folder = opened.enter_context(folder.open_folder(name))
        fd = opened.enter_context(folder.open_file(core))
        reason = folder.distrust or untrusted_reason(core, folder.owner)
        if reason:
            raise FolderError(reason)
        return os.dup(fd)


def _crash(inspected: Inspected) -> Crash | None:
    return parse_kernel_log(inspected.log) if inspected.log else None
