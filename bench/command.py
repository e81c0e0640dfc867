# SPDX-License-Identifier: GPL-2.0-or-later
"""How long `kdumpdctl status` takes."""

import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench.directory import machine_with
from bench.figure import Figure
from bench.scale import Scale
from bench.started import MILLISECONDS, kdumpd, started
from tests.support.process import output

LIBRARIES = "import argparse, asyncio; from dbus_fast.aio import MessageBus"


async def measure(work: Path, bus: str, scale: Scale) -> AsyncIterator[Figure]:
    """Yield how long it takes by a bare Python, by its libraries alone, and by busctl."""
    machine = machine_with(work / "command-machine", 3)
    status = (sys.executable, "-m", "kdumpd.ctl.main", "--json=short", "status", "--bus", bus)
    busctl = ("busctl", f"--address={bus}", "call", "org.kdumpd1", "/org/kdumpd1")
    get_all = (*busctl, "org.freedesktop.DBus.Properties", "GetAll", "s", "org.kdumpd1.Manager")
    others = {
        "kdumpdctl status": ("python3 -c pass", (sys.executable, "-c", "pass")),
        "kdumpdctl status by its libraries": (
            "asyncio and dbus-fast",
            (sys.executable, "-c", LIBRARIES),
        ),
        "kdumpdctl status by busctl": ("busctl call", get_all),
    }
    async with started(*kdumpd(machine.root, work / "command-state", bus)):
        for name, (against, other) in others.items():
            ours, theirs = [], []
            for _ in range(scale.repeats):
                theirs.append(await _timed(other))
                ours.append(await _timed(status))
            yield Figure(name=name, against=against, ours=ours, theirs=theirs)


async def _timed(command: tuple[str, ...]) -> float:
    begun = time.perf_counter()
    await output("sh", "-c", '"$@" || test $? -lt 4', "sh", *command)
    return (time.perf_counter() - begun) * MILLISECONDS
