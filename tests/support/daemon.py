# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon as its users have it: a process of its own, asked over the bus."""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import uuid
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.process import BOUND, ServiceError, end
from tests.support.unit import DAEMON, environment_of

READY = "READY=1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How to start the daemon: its options, and what goes before the command."""

    root: Path
    state: Path
    bus: str
    settle: float = 0.5
    directories: Sequence[str] = ()
    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    more: str = ""  # lines of the configuration

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.state / "ledger.sqlite"


class Kdumpd:
    """A running daemon, and what it told the service manager and its log."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self.told: list[str] = []
        self._log = log
        self._news = asyncio.Condition()

    @property
    def log(self) -> str:
        """What the daemon wrote to stderr."""
        return self._log.read_text(errors="replace")

    @property
    def descriptors(self) -> int:
        """How many descriptors it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def files(self) -> list[Path]:
        """What it has open."""
        links = []
        for fd in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                links.append(fd.readlink())
        return links

    @property
    def written(self) -> int:
        """How many bytes it has had written to disks."""
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))

    async def listen(self, manager: socket.socket) -> None:
        """Collect what the daemon tells, for ever: the kernel keeps no more than ten datagrams."""
        loop = asyncio.get_running_loop()
        while True:
            datagram = await loop.sock_recv(manager, 4096)
            async with self._news:
                self.told += datagram.decode().splitlines()
                self._news.notify_all()

    async def wait_until_told(self, line: str, count: int = 1, seconds: float = 20) -> None:
        """Return once the daemon has told the service manager this line so many times."""
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self.told.count(line) >= count)
        except TimeoutError:
            raise ServiceError(f"not told {line}, but {self.told}: {self.log}") from None

    async def wait_until_logged(self, words: str, seconds: float = 20) -> None:
        """Return once the words stand in the daemon's log."""
        try:
            async with asyncio.timeout(seconds):
                while words not in self.log:  # noqa: ASYNC110  # a file has no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ServiceError(f"'{words}' is not logged: {self.log}") from None

    async def kill(self) -> None:
        """End the daemon as a crash of it would."""
        await end(self.process, signal.SIGKILL)

    async def stop(self) -> int:
        """End the daemon as the service manager does, and return its exit status."""
        return await end(self.process, signal.SIGTERM)


@asynccontextmanager
async def running(setup: Setup) -> AsyncIterator[Kdumpd]:
    """Run the daemon until the context ends; it has said READY when this begins."""
    async with started(setup) as kdumpd:
        await kdumpd.wait_until_told(READY)
        yield kdumpd


@asynccontextmanager
async def started(setup: Setup) -> AsyncIterator[Kdumpd]:
    """Run the daemon until the context ends, without waiting for it."""
    with (
        tempfile.TemporaryDirectory() as work,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        name = f"kdumpd-test-{uuid.uuid4()}"
        manager.settimeout(0)
        manager.bind(f"\0{name}")
        config = Path(work) / "kdumpd.conf"
        directories = "".join(f"CrashDirectories={directory}\n" for directory in setup.directories)
        config.write_text(f"[Manager]\nSettleSec={setup.settle:g}s\n{directories}{setup.more}")
        log = Path(work) / "log"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *setup.prefix,
                *BOUND,
                *(sys.executable, "-m", "kdumpd.daemon"),
                *("--root", str(setup.root), "--bus", setup.bus),
                *("--state-dir", str(setup.state), "--config", str(config)),
                stdin=DEVNULL,
                stdout=stderr,
                stderr=stderr,
                env={
                    **os.environ,
                    **environment_of(DAEMON),
                    "NOTIFY_SOCKET": f"@{name}",
                    **setup.environment,
                },
            )
        kdumpd = Kdumpd(process, log)
        listener = asyncio.create_task(kdumpd.listen(manager))
        try:
            yield kdumpd
        finally:
            await end(process)
            listener.cancel()
            await asyncio.wait([listener])
