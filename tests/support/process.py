# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs as children of the test: found, run with a limit, read line by line, reaped."""

import asyncio
import json
import shutil
import signal
import subprocess
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import IO, Any

Json = Any  # what json.loads returns
Message = dict[str, Json]

# Put before a command: the kernel ends it should pytest itself be killed.
BOUND = ("setpriv", "--pdeathsig", "KILL", "--")
DIRECTORIES = (
    "/usr/bin:/usr/sbin:/bin:/sbin:/lib/systemd:/usr/lib/systemd:/usr/lib/polkit-1:/usr/libexec"
)
LINE_LIMIT = 64 << 20  # asyncio's own limit of 64 KiB is less than one D-Bus message


def as_uid(uid: int) -> tuple[str, ...]:
    """Return what, put before a command, runs it as that uid, with no other group."""
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--")


class ServiceError(Exception):
    """A real service, or a client of one, did not do what the test needs of it."""


def program(name: str, package: str) -> str:
    """Return the path of a program, or say which Debian package has it."""
    path = shutil.which(name, path=DIRECTORIES)
    if path is None:
        raise ServiceError(f"'{name}' is missing: install the Debian package '{package}'")
    return path


async def end(process: Process, number: signal.Signals = signal.SIGTERM) -> int:
    """End and reap a process: ask with the signal, after five seconds kill."""
    for attempt in (number, signal.SIGKILL):
        if process.returncode is None:
            process.send_signal(attempt)
        try:
            async with asyncio.timeout(5):
                return await process.wait()
        except TimeoutError:
            continue
    raise ServiceError(f"process {process.pid} outlives SIGKILL")


async def output(*argv: str, seconds: float = 10, descriptors: Sequence[int] = ()) -> bytes:
    """Return what a command prints; its words on stderr are the error when it fails.

    It is given these descriptors, by their numbers.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
    )
    try:
        async with asyncio.timeout(seconds):
            printed, words = await process.communicate()
    except TimeoutError:
        raise ServiceError(f"no answer in {seconds} s: {' '.join(argv)}") from None
    finally:
        await end(process, signal.SIGKILL)
    if process.returncode != 0:
        raise ServiceError(words.decode(errors="replace").strip() or f"{argv[0]} failed")
    return printed


class JsonLines:
    """What a running program has printed so far, one JSON object per line."""

    def __init__(self, process: Process, words: IO[bytes]) -> None:
        self.messages: list[Message] = []
        self._process = process
        self._words = words
        self._ended = False
        self._news = asyncio.Condition()

    async def wait_for(self, wanted: Callable[[], bool], what: str, seconds: float) -> None:
        """Return once `wanted`, asked again after every line, says yes."""
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: wanted() or self._ended)
        except TimeoutError:
            raise ServiceError(f"no {what} in {seconds} s, but {self.messages}") from None
        if not wanted():
            self.check()

    def check(self) -> None:
        """Raise, with its own words, if the program has ended by itself."""
        if self._ended:
            raise ServiceError(f"ended: {self.words()}")

    def words(self) -> str:
        """Return what the program wrote to stderr."""
        self._words.seek(0)
        return self._words.read().decode(errors="replace").strip()

    async def read(self) -> None:
        """Collect lines until the program closes its stdout."""
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                async with self._news:
                    self.messages.append(json.loads(line))
                    self._news.notify_all()
        finally:
            async with self._news:
                self._ended = True
                self._news.notify_all()


@asynccontextmanager
async def json_lines(*argv: str, stdin: int = subprocess.DEVNULL) -> AsyncIterator[JsonLines]:
    """Run a program that prints a JSON object per line."""
    with tempfile.TemporaryFile() as words:
        process = await asyncio.create_subprocess_exec(
            *BOUND, *argv, stdin=stdin, stdout=subprocess.PIPE, stderr=words, limit=LINE_LIMIT
        )
        lines = JsonLines(process, words)
        reader = asyncio.create_task(lines.read())
        try:
            yield lines
        finally:
            await end(process)
            await reader
