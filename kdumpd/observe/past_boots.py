# SPDX-License-Identifier: GPL-2.0-or-later
"""Read which boots there were before this one, and how they ended, as the journal has it."""

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from kdumpd.model.boots.journal import PastBoot, PastBoots, parse_boot
from kdumpd.observe.boots import MOST_BOOTS, read_boots
from kdumpd.observe.files import Files
from kdumpd.observe.kernel_journal import FOLDERS
from kdumpd.observe.readiness.boot_messages import read_boot_time
from kdumpd.observe.threads import PatientThread, Start, StuckError, start

PATIENCE = 5.0  # seconds that a look waits for the journal
LONGEST_READING = 20.0  # seconds, after which what was found must do
PAUSE = 10.0  # seconds from one reading to the next
ID = r"[0-9a-f]{32}"


class BootsObserver:
    """Reads the journal of earlier boots once, and again only when asked to."""

    def __init__(
        self,
        root: Path,
        on_late: Callable[[], object],
        patience: float = PATIENCE,
        pause: float = PAUSE,
        start: Start = start,
    ) -> None:
        self._files = Files(root)
        self._thread = PatientThread[PastBoots](patience, self._late, start)
        self._on_late = on_late
        self._pause = pause
        self._known: PastBoots | None = None
        self._read_at = 0.0
        self._stuck = False

    async def ask(self, *, again: bool) -> PastBoots:
        """Return the boots; read anew, if that is wanted and the last time is a while ago.

        A journal that does not answer says so as its problem, and is waited for once.
        """
        rested = time.monotonic() - self._read_at >= self._pause
        if self._known is not None and not (again and rested):
            return self._known
        if self._stuck:
            return self._known or PastBoots(problem="the journal does not answer")
        try:
            self._known = await self._thread.run(lambda: read_past_boots(self._files))
            self._read_at = time.monotonic()
        except StuckError as error:
            self._stuck = True
            return self._known or PastBoots(problem=f"the journal does not answer: {error}")
        return self._known

    def _late(self) -> None:
        self._stuck = False
        self._known, self._read_at = None, 0.0
        self._on_late()


def read_past_boots(files: Files) -> PastBoots:
    """Return the last boots before the one that runs."""
    running = _digits(files, "proc/sys/kernel/random/boot_id")
    machine_id = _digits(files, "etc/machine-id")
    deadline = time.monotonic() + LONGEST_READING
    boots: dict[str, PastBoot] = {}
    problems = []
    for folder in FOLDERS:
        path = files.resolve(folder)
        if not path.is_dir():
            continue
        try:
            found = read_boots(path, machine_id, running, lambda: time.monotonic() < deadline)
            _add(boots, (parse_boot(entries) for entries in found))
        except (OSError, ValueError) as error:
            problems.append(f"'{files.shown(folder)}' cannot be read: {error}")
    return PastBoots(
        boots=tuple(boots.values())[:MOST_BOOTS],
        began=read_boot_time(files),
        problem="; ".join(problems),
    )


def _add(boots: dict[str, PastBoot], found: Iterable[PastBoot | None]) -> None:
    """Add what is found; what was found before an error stays."""
    for boot in found:
        if boot is not None:
            boots.setdefault(boot.id, boot)


def _digits(files: Files, name: str) -> str:
    """Return an id as 32 hexadecimal digits, empty where the file holds none."""
    text = files.text(name)
    digits = text.replace("-", "") if isinstance(text, str) else ""
    return digits if re.fullmatch(ID, digits) else ""
