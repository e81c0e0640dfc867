# SPDX-License-Identifier: GPL-2.0-or-later
"""Control groups of a container's own: two systemds in one would kill each other's services."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")
PATIENCE = 5.0  # seconds, until the kernel has let go of the last process


@contextmanager
def own_groups(name: str) -> Iterator[list[Path]]:
    """Make a group in each hierarchy that this process is in, and remove them at the end."""
    groups = [directory / name for directory in _here()]
    for group in groups:
        group.mkdir()
        _inherit_processors(group)
    try:
        yield groups
    finally:
        for group in groups:
            _remove(group)


def _here() -> Iterator[Path]:
    """Yield the directory of this process in each hierarchy (cgroups(7), /proc/PID/cgroup)."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        names = [controllers.removeprefix("name=")] if controllers else ["unified", ""]
        found = [MOUNTED / one for one in names if (MOUNTED / one / "cgroup.procs").exists()]
        yield from (one / path.lstrip("/") for one in found[:1])


def _inherit_processors(group: Path) -> None:
    """Let a group of version 1's cpuset have what the one above has, or nothing can be in it."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (group / name).exists() and (group / "cgroup.clone_children").exists():
            (group / name).write_text((group.parent / name).read_text())


def _remove(group: Path) -> None:
    end = time.monotonic() + PATIENCE
    for directory, _, _ in os.walk(group, topdown=False):
        while True:
            try:
                Path(directory).rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
