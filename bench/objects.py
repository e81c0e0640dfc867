# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a client waits for all objects, and for one, by a service in C."""

import asyncio
import shlex
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from bench.directory import machine_with
from bench.figure import Figure
from bench.scale import Scale
from bench.started import MILLISECONDS, kdumpd, started
from tests.support.process import output

SOURCE = Path(__file__).with_name("objects.c")
NAME, BARE = "org.kdumpd1", "org.bare.Objects"
ROOT, CAPTURES = "/org/kdumpd1", "/org/kdumpd1/capture"
CAPTURE = "org.kdumpd1.Capture"
LONGEST = 180.0  # seconds


async def measure(work: Path, bus: str, scale: Scale) -> AsyncIterator[Figure]:
    """Yield how long GetManagedObjects and GetAll take."""
    program = compiled(work)
    machine = machine_with(work / "objects-machine", scale.objects)
    command = kdumpd(machine.root, work / "objects-state", bus)
    async with (
        started(*command),
        started(program, "serve", bus, BARE, str(scale.objects)),
    ):
        all_, one = ("GetManagedObjects",), ("GetAll", CAPTURE)
        ours_one = await _first_of(bus, NAME, scale.objects)
        bare_one = await _first_of(bus, BARE, scale.objects)
        for name, ours_path, bare_path, question in (
            (f"GetManagedObjects of {scale.objects}", ROOT, ROOT, all_),
            ("GetAll of one capture", ours_one, bare_one, one),
        ):
            ours, bare = [], []
            for _ in range(scale.repeats):
                bare.append(await _asked(program, bus, BARE, bare_path, question))
                ours.append(await _asked(program, bus, NAME, ours_path, question))
            yield Figure(name=name, against="sd-bus in C", ours=ours, theirs=bare)


def compiled(work: Path) -> str:
    """Compile the service, and return its path."""
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libsystemd"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    program = work / "objects"
    subprocess.run(["gcc", "-O2", "-o", program, SOURCE, *shlex.split(flags)], check=True)
    return str(program)


async def _asked(program: str, bus: str, name: str, path: str, question: tuple[str, ...]) -> float:
    """Return how many milliseconds the answer took."""
    told = await output(program, "ask", bus, name, path, *question, seconds=LONGEST)
    return int(told) / MILLISECONDS  # from microseconds


async def _first_of(bus: str, name: str, count: int) -> str:
    """Return the path of a capture, once there are so many."""
    command = ("busctl", f"--address={bus}", "tree", "--list", name)
    async with asyncio.timeout(LONGEST):
        while True:
            listed = (await output(*command, seconds=LONGEST)).decode().split()
            paths = [path for path in listed if path.startswith(CAPTURES + "/")]
            if len(paths) == count:
                return paths[0]
            await asyncio.sleep(1)
