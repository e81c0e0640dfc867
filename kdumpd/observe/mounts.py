# SPDX-License-Identifier: GPL-2.0-or-later
"""Which names in a folder are other file systems: whoever mounted them can make every look hang."""

import os
from pathlib import Path

from kdumpd.model.formats.mounts import parse_mount_points

MOUNTINFO = Path("/proc/self/mountinfo")


def read_mount_points() -> frozenset[bytes]:
    """Return the paths of all mounts that this process sees; none where there is no procfs."""
    try:
        return frozenset(parse_mount_points(MOUNTINFO.read_bytes()))
    except FileNotFoundError:
        return frozenset()


def read_mount_points_below(fd: int) -> frozenset[bytes]:
    """Return the paths of the mounts that lie below an open folder."""
    inside = _inside(fd)
    return frozenset(point for point in read_mount_points() if point.startswith(inside))


def read_mounted_names(fd: int, points: frozenset[bytes]) -> frozenset[bytes]:
    """Return the names in the open folder that are mount points; nothing is asked of them."""
    if not points:
        return frozenset()
    inside = _inside(fd)
    names = (point.removeprefix(inside) for point in points if point.startswith(inside))
    return frozenset(name for name in names if b"/" not in name)


def _inside(fd: int) -> bytes:
    return os.fsencode(Path(f"/proc/self/fd/{fd}").readlink()).rstrip(b"/") + b"/"
