# SPDX-License-Identifier: GPL-2.0-or-later
"""A state directory that is full, read-only or on a failing disk: captures are still told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import pytest

from tests.endurance.conftest import Say
from tests.endurance.disk import Disk, formatted, mounted
from tests.endurance.listener import PATIENCE, Listener, copied
from tests.endurance.stream import Kind, Stream
from tests.support.daemon import READY, Kdumpd, Setup, started
from tests.support.dbus_next import dbus_next_client
from tests.support.journal import Journal
from tests.support.namespace import needs_root
from tests.support.process import output

pytestmark = [pytest.mark.endurance, pytest.mark.bus, needs_root]

FEW, MANY = 1, 8  # rounds
AT_ONCE = 3  # captures
# What ext4 keeps back from large files, small ones get.
FILL = """
cd "$0"
cat /dev/zero >filling 2>/dev/null
sync
number=0
while sh -c 'echo filling >"$0"' "filling-$number" 2>/dev/null && [ -s "filling-$number" ]; do
    number=$((number + 1))
    sync "filling-$number" 2>/dev/null
done
sync
"""


class Trouble(StrEnum):
    """What is wrong with the disk."""

    FULL = "full"
    READ_ONLY = "read-only"
    FAILING = "failing"


@dataclass(slots=True)
class Scene:
    """A daemon whose ledger is on a disk of its own."""

    setup: Setup
    listener: Listener
    work: Path
    disk: Disk

    @asynccontextmanager
    async def running(self, *options: str) -> AsyncIterator[Kdumpd]:
        """Run the daemon with its state directory on the disk, and kill it at the end."""
        prefix = self.listener.journal.prefix
        setup = replace(self.setup, state=self.work / "disk/state")
        async with mounted(self.disk, prefix, self.work, *options), started(setup) as kdumpd:
            await kdumpd.wait_until_told(READY, seconds=PATIENCE)
            yield kdumpd
            await kdumpd.kill()
            assert "Traceback" not in kdumpd.log

    async def crash(self) -> None:
        """Have captures come, and wait until the journal tells of all that there ever were."""
        for _ in range(AT_ONCE):
            await self.listener.stream.write(Kind.WHOLE)
        async with asyncio.timeout(PATIENCE):
            while len(await self._told()) < self.listener.stream.count:  # noqa: ASYNC110 - a journal
                await asyncio.sleep(0.1)

    async def _told(self) -> set[str]:
        return {entry["KDUMPD_CAPTURE"] for entry in await self.listener.entries()}

    async def live_in(self, trouble: Trouble) -> str:
        """Run the daemon while the disk is in trouble, and return what it logged."""
        options = ("-o", "ro") if trouble is Trouble.READ_ONLY else ()
        async with self.running(*options) as kdumpd:
            if trouble is Trouble.FULL:
                directory = str(self.work / "disk")
                await output(*self.listener.journal.prefix, "sh", "-c", FILL, directory, seconds=60)
            self.disk.failing = trouble is Trouble.FAILING
            await self.crash()
            return kdumpd.log

    async def recover(self, trouble: Trouble) -> None:
        """Have the disk in order again."""
        self.disk = Disk(bytes(self.disk.content))
        if trouble is Trouble.FULL:
            prefix = self.listener.journal.prefix
            async with mounted(self.disk, prefix, self.work) as directory:
                await output(*prefix, "sh", "-c", 'rm "$0"/filling*', str(directory))


@pytest.mark.parametrize("rounds", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
@pytest.mark.parametrize("trouble", Trouble)
async def test_a_disk_in_trouble(
    trouble: Trouble, rounds: int, scene: Scene, tmp_path: Path, say: Say
) -> None:
    for _ in range(rounds):
        async with scene.running():
            await scene.crash()
        log = await scene.live_in(trouble)
        assert "is not remembered, but told" in log or "is forgotten at the next restart" in log
        await scene.recover(trouble)
    prefix, listener = scene.listener.journal.prefix, scene.listener
    async with mounted(scene.disk, prefix, tmp_path) as directory:
        setup = replace(scene.setup, state=directory / "state")
        repeated = await listener.check(setup, lambda: copied(setup.state, prefix, tmp_path))
    say(f"{listener.stream.count} captures, 0 lost, {repeated} repeated by the same id")


@pytest.fixture
async def scene(
    setup: Setup, journal: Journal, stream: Stream, tmp_path: Path
) -> AsyncIterator[Scene]:
    disk = Disk(await formatted(journal.prefix, tmp_path))
    setup = replace(setup, settle=0.1, prefix=journal.prefix)
    async with dbus_next_client(setup.bus) as client:
        yield Scene(setup, Listener(client, journal, stream), tmp_path, disk)
