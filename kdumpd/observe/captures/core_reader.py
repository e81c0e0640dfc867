# SPDX-License-Identifier: GPL-2.0-or-later
"""Read cores through, one at a time, each in a child process of its own."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from functools import cached_property

from kdumpd.model.captures.capture import place_of
from kdumpd.model.captures.core import FileStamp, Inspected, InspectionError, NotBegunError
from kdumpd.model.captures.reading import Answer, Job
from kdumpd.model.crashlog.scrub import plain_sentence
from kdumpd.model.formats.mounts import is_inside
from kdumpd.model.vocabulary import Crash
from kdumpd.observe.captures.open_files import CaptureFileError, CaptureFiles

Inspect = Callable[[int], Awaitable[Inspected]]


class CoreReader:
    """Reads the cores that it is given, one after the other."""

    def __init__(
        self,
        capture_files: CaptureFiles,
        directories: tuple[bytes, ...],
        inspect: Inspect,
        toolbox: Callable[[], str] = str,
    ) -> None:
        self._capture_files = capture_files
        self._directories = directories
        self._inspect = inspect
        self._toolbox = toolbox
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()

    @cached_property
    def tools(self) -> str:
        """What cores are read with."""
        return self._toolbox()

    def read(self, job: Job) -> None:
        """Have this core read."""
        self._jobs.put_nowait(job)

    async def answers(self) -> AsyncGenerator[Answer, None]:
        """Read, for ever, and yield what came of each core."""
        while True:
            yield await self._answer(await self._jobs.get())

    async def _answer(self, job: Job) -> Answer:
        failed = Answer(key=job.key, done=False, tools=self.tools)
        directory = next(one for one in self._directories if is_inside(job.directory, one))
        try:
            fd = await self._capture_files.open(directory, place_of(job.directory, job.core.name))
        except CaptureFileError as error:
            return replace(failed, began=False, problem=f"cannot be opened: {error}")
        try:
            if not _is_the_same(fd, job.core):
                return replace(failed, began=False, problem="was replaced before it was read")
            inspected = await self._inspect(fd)
            crash = await asyncio.to_thread(_crash, inspected)
        except NotBegunError as error:
            return replace(failed, began=False, problem=str(error))
        except InspectionError as error:
            return replace(failed, problem=str(error))
        finally:
            os.close(fd)
        return Answer(
            key=job.key,
            done=True,
            facts=inspected.facts,
            crash=crash,
            problem=plain_sentence(inspected.log_problem.encode()),
            tools=self.tools,
        )


def _is_the_same(fd: int, core: FileStamp) -> bool:
    status = os.fstat(fd)
    return (status.st_ino, status.st_size) == (core.inode, core.size)


def _crash(inspected: Inspected) -> Crash | None:
    from kdumpd.model.crashlog.crash import parse_kernel_log  # noqa: PLC0415  # most machines never crash

    return parse_kernel_log(inspected.log) if inspected.log else None
