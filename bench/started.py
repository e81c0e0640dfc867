# SPDX-License-Identifier: GPL-2.0-or-later
"""Start a service as the service manager does, and see how long it takes and what it needs."""

import asyncio
import os
import socket
import sys
import time
import uuid
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import BOUND, end
from tests.support.unit import DAEMON, environment_of

READY = b"READY=1"
LONGEST = 300.0  # seconds
MILLISECONDS = 1000
KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A service that is ready."""

    process: Process
    pid: int
    seconds: float  # that it took


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a process has done so far."""

    wakeups: int  # times that a thread of it waited and went on
    cpu_seconds: float


@asynccontextmanager
async def started(
    *command: str, environment: dict[str, str] | None = None
) -> AsyncIterator[Started]:
    """Run a service until the context ends; it has said READY when this begins.

    It has the environment of kdumpd's unit, whichever it is.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"kdumpd-bench-{uuid.uuid4()}"
        manager.settimeout(0)
        manager.bind(f"\0{name}")
        begun = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *BOUND,
            *command,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            env={
                **os.environ,
                **environment_of(DAEMON),
                "NOTIFY_SOCKET": f"@{name}",
                **(environment or {}),
            },
        )
        try:
            async with asyncio.timeout(LONGEST):
                while READY not in await asyncio.get_running_loop().sock_recv(manager, 4096):
                    pass
            seconds = time.perf_counter() - begun
            yield Started(process=process, pid=process.pid, seconds=seconds)
        finally:
            await end(process)


def kdumpd(root: Path, state: Path, bus: str, *more: str) -> tuple[str, ...]:
    """Return the command that runs the daemon on a machine below a directory."""
    config = state / "kdumpd.conf"
    state.mkdir(parents=True, exist_ok=True)
    config.write_text("[Manager]\nSettleSec=1s\nCrashDirectories=/var/crash\n")
    return (
        *(sys.executable, "-m", "kdumpd.daemon", "--root", str(root), "--bus", bus),
        *("--state-dir", str(state), "--config", str(config), *more),
    )


def floor(bus: str) -> tuple[str, ...]:
    """Return the command that runs the least that a service can be."""
    return sys.executable, "-m", "bench.floor", bus, f"org.bare.B{uuid.uuid4().hex}"


def memory(pid: int) -> tuple[float, float]:
    """Return the resident and the proportional memory of a process in MiB."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, size = line.partition(":")
        sizes[name] = int(size.split()[0])
    return sizes["Rss"] / KIB, sizes["Pss"] / KIB


def activity(pid: int) -> Activity:
    """Return what a process has done since it began, in all its threads that are there now."""
    wakeups = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                wakeups += int(line.split()[1])
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return Activity(wakeups=wakeups, cpu_seconds=ticks / os.sysconf("SC_CLK_TCK"))
