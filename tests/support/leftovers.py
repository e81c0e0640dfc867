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
    found: set[Child] = set()
    todo = [os.getpid() if pid is None else pid]
    while todo:
        parent = todo.pop()
        below = [] if parent == spared else _children(parent)
        found.update(below)
        todo += [child.pid for child in below]
    return frozenset(found)


def _children(pid: int) -> list[Child]:
    """Return those of a process, each of which one of its threads has started."""
    pids = [child for thread in _threads(pid) for child in _read(thread / "children").split()]
    stats = [_read(Path("/proc", child, "stat")) for child in pids]
    return [_child(stat) for stat in stats if stat]


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has ended meanwhile


def _child(stat: str) -> Child:
    # the name may hold blanks and parentheses: the last ")" closes it
    pid, _, rest = stat.partition(" (")
    name, _, fields = rest.rpartition(") ")
    return Child(int(pid), int(fields.split()[19]), name)


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended meanwhile


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
