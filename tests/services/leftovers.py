# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test leaves behind: processes not reaped, tasks not awaited."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Child:
    """A process, for certain: a pid is used again, with a start time it is not."""

    pid: int
    started: int  # clock ticks since boot
    name: str


def descendants(pid: int | None = None, *, spared: int | None = None) -> frozenset[Child]:
    """Return all processes below one, by default this; those not reaped yet included.

    Those below the one that is spared are left out.
    """
    children: dict[int, list[Child]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (stat := _read_stat(folder)) is not None:
            above, child = stat
            children.setdefault(above, []).append(child)
    found: list[Child] = []
    todo = [os.getpid() if pid is None else pid]
    while todo:
        parent = todo.pop()
        below = [] if parent == spared else children.get(parent, [])
        found += below
        todo += [child.pid for child in below]
    return frozenset(found)


def _read_stat(folder: Path) -> tuple[int, Child] | None:
    try:
        stat = (folder / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None  # it has ended meanwhile
    # the name may hold blanks and parentheses: the last ")" closes it
    name, _, rest = stat.partition(" (")[2].rpartition(") ")
    fields = rest.split()
    return int(fields[1]), Child(int(folder.name), int(fields[19]), name)


def check(before: frozenset[Child], *, spared: int | None = None) -> None:
    """Fail if there is a process that was not there before, or a task but the current."""
    new = descendants(spared=spared) - before
    processes = [f"{c.name} ({c.pid})" for c in sorted(new, key=lambda c: c.pid)]
    tasks = [str(task) for task in asyncio.all_tasks() - {asyncio.current_task()}]
    left = "\n".join((*processes, *tasks))
    assert not left, f"the test leaves behind:\n{left}"


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Run a test inside; for an autouse fixture, which is then the last to be torn down."""
    before = descendants()
    yield
    check(before)
