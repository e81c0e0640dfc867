# SPDX-License-Identifier: GPL-2.0-or-later
"""Which names in a folder are other file systems: whoever mounted them can make every look hang."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
MOUNT_POINT = 4  # the field's place in a line (proc(5))
ESCAPE = re.compile(rb"\\([0-7]{3})")


def read_mounted_names(fd: int) -> frozenset[bytes]:
    """Return the names in the open folder that are mount points; nothing is asked of them."""
    try:
        folder = os.fsencode(Path(f"/proc/self/fd/{fd}").readlink())
        table = MOUNTINFO.read_bytes()
    except FileNotFoundError:  # no procfs here
        return frozenset()
    inside = folder.rstrip(b"/") + b"/"
    below = (point for point in parse_mount_points(table) if point.startswith(inside))
    names = (point.removeprefix(inside) for point in below)
    return frozenset(name for name in names if b"/" not in name)


def parse_mount_points(table: bytes) -> Iterator[bytes]:
    """Yield the path of each mount; blanks and the like are written there in octal."""
    for line in table.split(b"\n"):  # a carriage return is not escaped, and is no end of a line
        fields = line.split(b" ")
        if len(fields) > MOUNT_POINT:
            yield ESCAPE.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), fields[MOUNT_POINT])
