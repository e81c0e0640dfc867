# SPDX-License-Identifier: GPL-2.0-or-later
"""What is slow to make: kept outside the checkout, and made once, whoever wants it at once."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

WAIT = 1800.0  # seconds for another process to make it; a whole Debian takes five minutes


class NotMadeError(Exception):
    """Something could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Directories by name; the name of each changes with what it is made of."""

    directory: Path
    # Where the processes of one test session note what could not be made: none tries again.
    failures: Path | None = None

    async def make(self, name: str, maker: Callable[[Path], Awaitable[Path]]) -> Path:
        """Return the directory KIND-KEY of that name; what was made by an earlier call is kept.

        `maker` gets an empty directory, and returns the one below it that is to be kept. No two
        processes make the same kind at once. NotMadeError is the maker's, or the one that an
        earlier call in this session has met.
        """
        made = self.directory / name
        if not made.exists():
            async with self._alone(name.rpartition("-")[0]):
                self._recall(name)
                if not made.exists():
                    await self._make(name, maker)
        return made

    async def _make(self, name: str, maker: Callable[[Path], Awaitable[Path]]) -> None:
        with TemporaryDirectory(dir=self.directory, prefix="making-") as work:
            try:
                made = await maker(Path(work))
            except NotMadeError as error:
                self._note(name, str(error))
                raise
            settle(made, self.directory / name)

    @asynccontextmanager
    async def _alone(self, kind: str) -> AsyncIterator[None]:
        locks = self.directory / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        fd = os.open(locks / kind, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await _lock(fd, kind)
            yield
        finally:
            os.close(fd)  # which unlocks it: no other process has this descriptor

    def _recall(self, name: str) -> None:
        if self.failures and (noted := self.failures / name).exists():
            raise NotMadeError(
                f"'{name}' could not be made earlier in these tests:\n{_text(noted)}"
            )

    def _note(self, name: str, why: str) -> None:
        if self.failures:
            self.failures.mkdir(parents=True, exist_ok=True)
            (self.failures / name).write_text(why)


def default_cache() -> Path:
    """Return the directory for what is slow to make, outside the checkout."""
    if chosen := os.environ.get("KDUMPD_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kdumpd"


def settle(made: Path, directory: Path) -> None:
    """Rename what was made to its cached name; the first of two concurrent makers wins."""
    try:
        made.rename(directory)
    except OSError:
        if not directory.exists():
            raise


async def _lock(fd: int, kind: str) -> None:
    # Polled: flock(2) has no time limit, and a thread that waits in it cannot be called off.
    try:
        async with asyncio.timeout(WAIT):
            while not _locked(fd):  # noqa: ASYNC110 - the other one is a process
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        raise NotMadeError(f"another process has been making '{kind}' for {WAIT:.0f} s") from error


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _text(path: Path) -> str:
    return path.read_text(errors="replace")
