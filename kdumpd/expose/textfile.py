# SPDX-License-Identifier: GPL-2.0-or-later
"""A small file for others to read: whole at every moment, and in nobody's way.

It is renamed into its place, so that a reader finds the old one or the new one. What a kill leaves
behind has a name that neither node_exporter (it reads *.prom) nor pam_motd (it is given one name)
reads, always the same one, and the next writing removes it. There is no fsync: after a crash of the
machine the file is written anew before anybody asks.
"""

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from kdumpd.expose.systemd import RecurringProblem

log = logging.getLogger(__name__)

FILE_MODE = 0o644  # whatever the umask: those who read are other users
WRITE_RETRY_S = 60.0
# What a sandbox says of a directory that it hides or keeps from being written, and a foreign
# directory.
REFUSAL_ERRNOS = {errno.ENOENT, errno.EROFS, errno.EACCES, errno.EPERM}


class WriteOutcome(NamedTuple):
    """A text that was to be written, and what kept it from being."""

    text: str
    problem: OSError | None


class FileWriter(Protocol):
    """Who does what may block: a directory can lie on a server that is dead."""

    async def run(self, work: Callable[[], WriteOutcome]) -> WriteOutcome:
        """Return what the work returns, or what late work did; OSError if it does not end."""


class TextFile:
    """One file that says the latest text; an empty text is no file."""

    def __init__(
        self, path: Path, writer: FileWriter, remedy: str = "", retry_seconds: float = WRITE_RETRY_S
    ) -> None:
        self._path = path
        self._writer = writer
        self._retry_seconds = retry_seconds
        self._remedy = remedy  # a sentence for where it may not be written
        self._text: str | None = None  # what it is to say; None as long as nobody has said
        self._news = asyncio.Event()
        self._problem = RecurringProblem(
            log,
            f"'{path}' cannot be written, and is tried again",
            f"'{path}' can be written again",
        )

    def put(self, text: str) -> None:
        """Have the file say this soon."""
        if text != self._text:
            self._text = text
            self._news.set()

    async def run(self) -> None:
        """Write whatever is put, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            problem = await self._write(self._text or "")
            self._problem.note(None if problem is None else self._words(problem))
            if problem is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._retry_seconds)
                self._news.set()

    async def _write(self, text: str) -> OSError | None:
        try:
            outcome = await self._writer.run(
                lambda: WriteOutcome(text, write_whole(self._path, text))
            )
        except OSError as stuck:
            return stuck
        if outcome.text != self._text:  # something was put meanwhile, or an older writing ended
            self._news.set()
        return outcome.problem

    def _words(self, problem: OSError) -> str:
        words = f"{problem.strerror or problem}"
        return (
            f"{words}. {self._remedy}"
            if self._remedy and problem.errno in REFUSAL_ERRNOS
            else words
        )


def write_whole(path: Path, text: str) -> OSError | None:
    """Make the file say the text, for everybody to read, and return what kept it from that.

    An empty text removes it. The directory must exist.
    """
    growing = path.with_name(f".{path.name}.new")
    try:
        growing.unlink(missing_ok=True)
        if not text:
            path.unlink(missing_ok=True)
            return None
        try:
            _write_new(growing, text.encode("utf-8", "backslashreplace"))
            growing.rename(path)
        except OSError:
            growing.unlink(missing_ok=True)
            raise
    except OSError as error:
        return error
    return None


def _write_new(path: Path, content: bytes) -> None:
    # O_EXCL follows no link, and opens nothing that somebody else has put there.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, FILE_MODE)
        file.write(content)
