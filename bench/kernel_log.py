# SPDX-License-Identifier: GPL-2.0-or-later
"""How long it takes to get the kernel log out of a core: a usual one, and a very large one."""

import os
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import ParamSpec

from bench.figure import Figure
from bench.scale import Scale
from bench.started import MILLISECONDS
from tests.support import cores
from tests.support.image_cache import default_cache

P = ParamSpec("P")
OPENING = "import sys, drgn; drgn.Program().set_core_dump(sys.argv[1])"
RECORD = struct.Struct(">qq")  # of a flattened core: where its data belongs, and their size
RECORD_DATA = 4 << 20
HEADER = 4096


async def measure(work: Path, _: str, scale: Scale) -> AsyncIterator[Figure]:
    """Yield how long it takes, by makedumpfile and by opening the core with drgn."""
    found = real_cores(work)
    for format_, core in found.items():
        name = f"log of {format_}"
        ours, theirs, opened = [], [], []
        for _turn in range(scale.repeats):
            theirs.append(_timed(dump_dmesg, core, work))
            opened.append(_timed(drgn_opens, core))
            ours.append(_timed(inspect, core))
        yield Figure(name=name, against="makedumpfile --dump-dmesg", ours=ours, theirs=theirs)
        yield Figure(name=f"{name}, by drgn's opening", against="drgn", ours=ours, theirs=opened)
        large = grown(core, work / f"large-{format_}", scale.large)
        most: list[float] = []
        usual: list[float] = []
        for _turn in range(scale.repeats):
            usual.append(_timed(inspect, core))
            most.append(_timed(inspect, large))
        size = f"{scale.large >> 30} GiB by {core.stat().st_size // 1_000_000} MB"
        yield Figure(name=f"{name}, {size}", against="itself", ours=most, theirs=usual)
        large.unlink()


def real_cores(work: Path) -> dict[str, Path]:
    """Return cores by their format: those of a real crash, or small ones made by ourselves."""
    for directory in sorted(default_cache().glob("cores-*")):
        real = {
            "kdump-compressed": directory / "zlib",
            "flattened": directory / "flattened",
            "elf": directory / "elf",
        }
        if all(core.exists() for core in real.values()):
            return real
    return made_cores(work)


def made_cores(work: Path) -> dict[str, Path]:
    """Return small cores that hold no kernel log; reading one shows that measuring works."""
    crash = cores.Crash()
    made = {
        "kdump-compressed": cores.kdump(crash),
        "flattened": cores.flattened(crash),
        "elf": cores.elf(crash),
    }
    for name, content in made.items():
        (work / name).write_bytes(content)
    return {name: work / name for name in made}


def grown(core: Path, large: Path, size: int) -> Path:
    """Write a sparse core of that size which holds what a core does."""
    content = core.read_bytes()
    if not content.startswith(b"makedumpfile"):
        large.write_bytes(content)
        os.truncate(large, size)
        return large
    end = content[-RECORD.size :]  # of a flattened core, a record of its own
    with large.open("wb") as file:
        file.write(content[: -RECORD.size])
        at = size
        while file.tell() < size:
            file.write(RECORD.pack(at, RECORD_DATA))
            file.seek(RECORD_DATA, os.SEEK_CUR)
            at += RECORD_DATA
        file.write(end)
    return large


def inspect(core: Path) -> None:
    """Get the log as the daemon does."""
    with core.open("rb") as file:
        _run((sys.executable, "-m", "kdumpd.inspect.main", "--log"), stdin=file.fileno())


def dump_dmesg(core: Path, work: Path) -> None:
    """Get the log with makedumpfile, of a flattened core by way of a whole one."""
    log, whole = work / "dmesg", work / "reassembled"
    if core.read_bytes()[:12] == b"makedumpfile":
        with core.open("rb") as file:
            _run(("makedumpfile", "-R", str(whole)), stdin=file.fileno())
        core = whole
    _run(("makedumpfile", "--dump-dmesg", str(core), str(log)))
    log.unlink(missing_ok=True)
    whole.unlink(missing_ok=True)


def drgn_opens(core: Path) -> None:
    """Have drgn open the core and do no more."""
    _run((sys.executable, "-c", OPENING, str(core)))


def _run(command: Sequence[str], stdin: int = subprocess.DEVNULL) -> None:
    quiet = subprocess.DEVNULL
    # A core of ours has no log: that is an exit status of 1.
    subprocess.run(command, check=False, stdin=stdin, stdout=quiet, stderr=quiet)


def _timed(work: Callable[P, None], *args: P.args, **options: P.kwargs) -> float:
    begun = time.perf_counter()
    work(*args, **options)
    return (time.perf_counter() - begun) * MILLISECONDS
