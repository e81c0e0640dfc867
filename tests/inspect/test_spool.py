# SPDX-License-Identifier: GPL-2.0-or-later
"""What is unpacked lies on a disk with room, else in memory; no place that fails is the end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdumpd.inspect.unpack import (
    MAX_MEMORY_SPOOL_BYTES,
    MAX_SPOOL_BYTES,
    SPOOL_ROOM_DIVISOR,
    opened_spool,
)
from tests.support.namespace import MOUNTS_AS_ROOT, needs_root

GIB = 1 << 30
LARGE, SMALL = f"size={GIB}", f"size={SPOOL_ROOM_DIVISOR * MAX_MEMORY_SPOOL_BYTES - 4096}"
READ_ONLY = f"ro,{LARGE}"
FIRST, SECOND, MEMORY = "/var/tmp", "/tmp", "/"  # noqa: S108  # a file in memory is named /memfd:…
# Mounts a file system in each of the two places, and says in which one the spool's file lies, and
# whether a byte is kept that lies at, and before, the end of what it should keep.
LOOK = """
import os, subprocess, sys
from kdumpd.inspect.unpack import opened_spool
kept = int(sys.argv.pop(1))
for place, options in zip(("/var/tmp", "/tmp"), sys.argv[1:]):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "x", place], check=True)
with opened_spool() as spool:
    place = os.readlink(f"/proc/self/fd/{spool.fd}")
    spool.write(kept - 1, b"x")
    within = spool.complete
    spool.write(kept, b"x")
    print(os.path.dirname(place), spool.read(kept - 1, 1), within, spool.complete)
"""


@needs_root
@pytest.mark.parametrize(
    ("var_tmp", "tmp", "place", "kept"),
    [
        (LARGE, LARGE, FIRST, GIB // SPOOL_ROOM_DIVISOR),
        (LARGE, SMALL, FIRST, GIB // SPOOL_ROOM_DIVISOR),
        (f"size={2 * SPOOL_ROOM_DIVISOR * MAX_SPOOL_BYTES}", LARGE, FIRST, MAX_SPOOL_BYTES),
        (
            f"size={SPOOL_ROOM_DIVISOR * MAX_MEMORY_SPOOL_BYTES}",
            LARGE,
            FIRST,
            MAX_MEMORY_SPOOL_BYTES,
        ),
        (SMALL, LARGE, SECOND, GIB // SPOOL_ROOM_DIVISOR),
        (READ_ONLY, LARGE, SECOND, GIB // SPOOL_ROOM_DIVISOR),
        (SMALL, SMALL, MEMORY, MAX_MEMORY_SPOOL_BYTES),
        (READ_ONLY, SMALL, MEMORY, MAX_MEMORY_SPOOL_BYTES),
        (SMALL, READ_ONLY, MEMORY, MAX_MEMORY_SPOOL_BYTES),
        (READ_ONLY, READ_ONLY, MEMORY, MAX_MEMORY_SPOOL_BYTES),
    ],
)
def test_the_first_place_that_has_room(var_tmp: str, tmp: str, place: str, kept: int) -> None:
    root = str(Path(__file__).parents[2])
    script = f"import sys; sys.path.append({root!r})\n{LOOK}"
    done = subprocess.run(  # noqa: S603 - our own program
        [*MOUNTS_AS_ROOT, sys.executable, "-c", script, str(kept), var_tmp, tmp],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == f"{place} b'x' True False"


def test_nobody_finds_it_by_a_name() -> None:
    with opened_spool() as spool:
        assert os.fstat(spool.fd).st_nlink == 0
        assert os.fstat(spool.fd).st_mode & 0o077 == 0
