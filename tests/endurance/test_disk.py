# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk itself forgets what was not flushed, and nothing else."""

from pathlib import Path
from random import Random

import pytest

from tests.endurance.disk import Disk, formatted, mounted
from tests.support.journal import Journal
from tests.support.namespace import needs_root
from tests.support.process import output

pytestmark = [pytest.mark.endurance, needs_root]


async def test_what_a_power_cut_leaves(tmp_path: Path, journal: Journal, random: Random) -> None:
    prefix = journal.prefix
    disk = Disk(await formatted(prefix, tmp_path))
    async with mounted(disk, prefix, tmp_path) as directory:
        for name, sync in (("safe", "sync"), ("lost", "true")):
            script = f'echo {name} > "$0/{name}"; {sync}'
            await output(*prefix, "sh", "-c", script, str(directory))
        position = disk.position
    for _ in range(5):
        left = Disk(disk.cut(position, random))
        async with mounted(left, prefix, tmp_path) as directory:
            there = (await output(*prefix, "ls", str(directory))).decode().split()
            assert there == ["lost+found", "safe"]
    whole = Disk(disk.cut(disk.position, random))
    async with mounted(whole, prefix, tmp_path) as directory:  # unmounting flushes
        assert "lost" in (await output(*prefix, "ls", str(directory))).decode().split()
