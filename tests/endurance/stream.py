# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures that come at any moment, as capture tools write them, and some that go again."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from random import Random

from tests.support.cores import Crash, flattened, kdump
from tests.support.machine import Machine

FIRST_CRASH = 1_795_000_000  # seconds since 1970
FIRST_MINUTE = 202611230000  # as in the names of kdump-tools' directories
PAUSE = 1.0  # seconds between two captures, on the average
GROWING = 0.3  # seconds at most that a slow one takes


class Kind(Enum):
    """What comes of a capture."""

    WHOLE = auto()
    CUT = auto()  # its core is not complete, and never will be
    SLOW = auto()  # written in two pieces, and whole in the end
    OTHER = auto()  # of another tool, in another format


@dataclass(slots=True)
class Stream:
    """What has been written so far: how many crashes, and which of their directories are whole."""

    machine: Machine
    random: Random
    pause: float = PAUSE
    count: int = 0
    whole: set[bytes] = field(default_factory=set)
    cut: set[bytes] = field(default_factory=set)
    removed: set[bytes] = field(default_factory=set)
    growing: set[bytes] = field(default_factory=set)  # of the whole ones, those not whole yet

    usual = Kind.WHOLE

    @property
    def written(self) -> set[bytes]:
        """The directories of all captures that there were, as paths below the machine's root."""
        return self.whole | self.cut

    async def run(self, stop: asyncio.Event) -> None:
        """Write until it is time to stop; none is left half."""
        while not stop.is_set():
            await self.write(self.random.choice(tuple(Kind)))
            with suppress(TimeoutError):
                async with asyncio.timeout(self.random.expovariate(1 / self.pause)):
                    await stop.wait()

    async def write(self, kind: Kind) -> Path:
        """Write one more capture, and return its directory."""
        crash = Crash(crash_time=FIRST_CRASH + self.count)
        stamp = str(FIRST_MINUTE + self.count)
        self.count += 1
        log = f"[    1.0] crash {self.count}\n".encode()
        if kind is Kind.SLOW:
            return await self._grow(stamp, flattened(crash), log)
        if kind is Kind.OTHER:
            path = self.machine.kdump_utils(stamp, kdump(crash), log)
        else:
            core = flattened(crash)
            path = self.machine.kdump_tools(stamp, core if kind is Kind.WHOLE else core[:-1], log)
        (self.cut if kind is Kind.CUT else self.whole).add(self.below(path.parent))
        return path.parent

    def remove(self, directory: bytes) -> None:
        """Remove a capture's directory."""
        shutil.rmtree(self.machine.root / directory.decode().lstrip("/"))
        self.removed.add(directory)

    def below(self, directory: Path) -> bytes:
        """Return a directory as the machine has it."""
        return f"/{directory.relative_to(self.machine.root)}".encode()

    async def _grow(self, stamp: str, core: bytes, log: bytes) -> Path:
        directory = self.machine.crash / stamp
        directory.mkdir()
        self.whole.add(self.below(directory))
        self.growing.add(self.below(directory))
        growing = directory / "dump-incomplete"
        half = len(core) // 2
        growing.write_bytes(core[:half])
        await asyncio.sleep(self.random.uniform(0, GROWING))
        (directory / f"dmesg.{stamp}").write_bytes(log)
        with growing.open("ab") as file:
            file.write(core[half:])
        growing.rename(directory / f"dump.{stamp}")
        self.growing.remove(self.below(directory))
        return directory


@asynccontextmanager
async def streaming(stream: Stream) -> AsyncIterator[None]:
    """Write captures while the context lasts."""
    stop = asyncio.Event()
    writer = asyncio.create_task(stream.run(stop))
    try:
        yield
    finally:
        stop.set()
        await writer
