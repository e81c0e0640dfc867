# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a look at a crash directory takes."""

import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bench.directory import machine_with
from bench.figure import Figure
from bench.scale import Scale
from bench.started import MILLISECONDS
from kdumpd.observe.captures.scan import Known, read_crash_directory
from kdumpd.observe.captures.scan_cache import MAX_CLOCK_TICK_S, Visits
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles

CRASH = b"/var/crash"
NOTHING: Known = {}
MOST_FIRST_LOOKS = 3
FORMAT = r"%p %s %T@ %C@ %i %m %n %U\n"  # what kdumpd compares


async def measure(work: Path, _: str, scale: Scale) -> AsyncIterator[Figure]:
    """Yield how long the first look takes and one at an unchanged directory, by `find -printf`."""
    for captures in scale.looked_at:
        machine = machine_with(work / f"looked-at-{captures}", captures)
        looker = Looker(machine.root)
        looker.find()  # so that the kernel knows the directory by heart
        first: list[float] = []
        found: list[float] = []
        for number in range(scale.repeats):
            found.append(_timed(looker.find))
            if number < MOST_FIRST_LOOKS:
                first.append(_timed(looker.forget_and_look))
        time.sleep(MAX_CLOCK_TICK_S)  # noqa: ASYNC251  # nothing else runs
        looker.look()
        again = [_timed(looker.look) for _ in range(scale.repeats)]
        name = f"of {captures}"
        yield Figure(
            name=f"first scan {name}",
            against="find -printf",
            ours=first,
            theirs=found[: len(first)],
        )
        yield Figure(
            name=f"rescan {name} unchanged", against="find -printf", ours=again, theirs=found
        )


class Looker:
    """Looks at one machine's crash directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known = NOTHING
        self._visits = Visits()

    def find(self) -> None:
        """List it as an administrator would."""
        directory = self._root / "var/crash"
        subprocess.run(
            ["find", directory, "-printf", FORMAT], check=True, stdout=subprocess.DEVNULL
        )

    def forget_and_look(self) -> None:
        """Look at it for the first time."""
        self._known, self._visits = NOTHING, Visits()
        self.look()

    def look(self) -> None:
        """Look at it."""
        seen = read_crash_directory(
            SharedFiles(Files(self._root)), CRASH, self._known, lambda _: None, self._visits
        )
        self._known = {sighting.place: sighting for sighting in seen.sightings}


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * MILLISECONDS
