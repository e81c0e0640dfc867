# SPDX-License-Identifier: GPL-2.0-or-later
"""inotify that drops events, or has no watches left: captures are found all the same."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.endurance.conftest import Say
from tests.endurance.listener import PATIENCE
from tests.endurance.stream import Kind, Stream
from tests.support.daemon import READY, Setup, started
from tests.support.dbus_next import dbus_next_client
from tests.support.machine import Machine
from tests.support.namespace import needs_root

pytestmark = [pytest.mark.endurance, pytest.mark.bus, needs_root]

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
CAPTURES = 20
SOON = 30.0  # seconds: less than the minute after which the daemon looks by itself
NO_WATCHES = (
    *("unshare", "--user", "--map-root-user", "--"),
    *("sh", "-c", 'echo 0 >/proc/sys/user/max_inotify_watches; exec "$0" "$@"'),
)


def overflow(directory: Path) -> int:
    """Have more happen in a directory than is queued, and return how much."""
    events = 2 * int(QUEUE.read_text())
    for _ in range(events // 3):  # created, closed after writing, deleted
        path = directory / "noise"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
        path.unlink()
    return events


async def test_events_that_were_dropped(
    machine: Machine, setup: Setup, stream: Stream, say: Say
) -> None:
    async with started(replace(setup, settle=0.1)) as kdumpd, dbus_next_client(setup.bus) as client:
        await kdumpd.wait_until_told(READY, seconds=PATIENCE)
        kdumpd.process.send_signal(signal.SIGSTOP)
        events = overflow(machine.crash)
        for _ in range(CAPTURES):
            await stream.write(Kind.WHOLE)
        kdumpd.process.send_signal(signal.SIGCONT)
        await client.wait_for(CAPTURES, "InterfacesAdded", seconds=SOON)
        assert len(await client.captures()) == CAPTURES
    say(f"{events} events, {CAPTURES} captures: 0 lost")


@pytest.mark.parametrize("asked", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_no_watches_left(setup: Setup, stream: Stream, say: Say, *, asked: bool) -> None:
    """Whoever does not ask waits for the look of each minute."""
    without = replace(setup, settle=0.1, prefix=NO_WATCHES)
    async with started(without) as kdumpd, dbus_next_client(setup.bus) as client:
        await kdumpd.wait_until_told(READY, seconds=PATIENCE)
        assert "no more watches" in kdumpd.log
        for _ in range(CAPTURES):
            await stream.write(Kind.WHOLE)
        if asked:
            await client.call("org.kdumpd1.Manager", "Rescan")
        await client.wait_for(CAPTURES, "InterfacesAdded", seconds=PATIENCE)
        assert "Traceback" not in kdumpd.log
    say(f"{CAPTURES} captures: 0 lost")
