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
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.process import BOUND, ServiceError, end

READY = "READY=1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How to start the daemon: its options, and what goes before the command."""

    root: Path
    state: Path
    bus: str
    settle: float = 0.5
    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.state / "ledger.sqlite"


class Kdumpd:
    """A running daemon, and what it told the service manager and its log."""

    def __init__(self, process: Process, manager: socket.socket, log: Path) -> None:
        self.process = process
        self.told: list[str] = []
        self._manager = manager
        self._log = log

    @property
    def log(self) -> str:
        """What the daemon wrote to stderr."""
        return self._log.read_text(errors="replace")

    async def wait_until_told(self, line: str, seconds: float = 20) -> None:
        """Return once the daemon has told the service manager this line, more often than before."""
        before = self.told.count(line)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                while self.told.count(line) == before:
                    datagram = await loop.sock_recv(self._manager, 4096)
                    self.told += datagram.decode().splitlines()
        except TimeoutError:
            raise ServiceError(f"not told {line}, but {self.told}: {self.log}") from None

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
        config.write_text(f"[Manager]\nSettleSec={setup.settle:g}s\n")
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
                env={**os.environ, "NOTIFY_SOCKET": f"@{name}", **setup.environment},
            )
        try:
            yield Kdumpd(process, manager, log)
        finally:
            await end(process)
