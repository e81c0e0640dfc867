# SPDX-License-Identifier: GPL-2.0-or-later
"""Rights of a crash directory that root gets wrong, and right again: nothing is told twice."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.cores import Crash, flattened, kdump, split
from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.namespace import ROOT

pytestmark = [
    pytest.mark.bus,
    pytest.mark.skipif(not ROOT, reason="only root can give files away"),
]

SOMEBODY = 65534
MANAGER = "/org/kdumpd1"
COMPLETE = "MESSAGE_ID=6bc3f018b40343559c7bccda6fc737c6"
INCOMPLETE = "MESSAGE_ID=a6a8bcf7df1243a49434241c1eae3353"
GONE = "MESSAGE_ID=350cce47a8c34764a4b50ff56b153b7c"
WHOLE, BROKEN = 4, 9
Properties = dict[str, Any]


def below(directory: Path) -> Iterator[Path]:
    """Yield a directory and all that lies in it."""
    yield directory
    yield from directory.rglob("*")


def give_away(paths: Iterator[Path], uid: int) -> None:
    for path in paths:
        os.chown(path, uid, -1)


def change_mode(paths: Iterator[Path], mode: int) -> None:
    for path in paths:
        path.chmod(mode | (0o600 if path.is_file() else 0o700))


@dataclass(frozen=True)
class Mistake:
    """What somebody with root's rights did to the crash directory, and how it is undone."""

    done: Callable[[Path], None]
    undone: Callable[[Path], None]


MISTAKES = {
    "mode": Mistake(lambda crash: crash.chmod(0o777), lambda crash: crash.chmod(0o755)),
    "parent": Mistake(
        lambda crash: crash.parent.chmod(0o777), lambda crash: crash.parent.chmod(0o755)
    ),
    "owner": Mistake(
        lambda crash: os.chown(crash, SOMEBODY, -1), lambda crash: os.chown(crash, 0, -1)
    ),
    "all modes": Mistake(
        lambda crash: change_mode(below(crash), 0o777), lambda crash: change_mode(below(crash), 0)
    ),
    "all owners": Mistake(
        lambda crash: give_away(below(crash), SOMEBODY), lambda crash: give_away(below(crash), 0)
    ),
}


def captures_of_all_sorts(machine: Machine) -> None:
    """Write captures of every layout: WHOLE ones and BROKEN ones."""
    machine.kdump_tools("202611230113", flattened(Crash(crash_time=1)), b"of Debian\n")
    machine.kdump_tools("202611230114", flattened(Crash(crash_time=2))[:-16], b"cut off\n")
    machine.kdump_tools("202611230115", b"", b"")
    machine.kdump_tools("202611230116", b"no core", b"of another\n")
    alone = machine.crash / "202611230117"
    alone.mkdir()
    (alone / "dmesg.202611230117").write_bytes(b"Kernel panic - not syncing: alone\n")
    machine.apport("202611220000", b"of Ubuntu\n")
    machine.kdump_utils("2026-11-23-01:13:34", kdump(Crash(crash_time=3)), b"of RHEL\n")
    machine.kdump_utils("2026-11-23-01:13:35", kdump(Crash(crash_time=4))[:-100], b"cut\n")
    machine.split("2026-11-23-02:00:00", split(Crash(crash_time=5), 3))
    machine.suse("2026-11-23-01-13", flattened(Crash(crash_time=6))[:-50], status=None)
    machine.steamos("202611230300", kdump(Crash(crash_time=7)), b"of Steam\n")
    notes = machine.crash / "from the archive"
    notes.mkdir()
    (notes / "dmesg.txt").write_bytes(
        b"<0>[    1.234567] Kernel panic - not syncing: Attempted to kill init!\n"
    )
    failed = machine.crash / "127.0.0.1-2026-11-23-04:00:00"
    failed.mkdir()
    (failed / "kexec-dmesg.log").write_bytes(b"mount failed\n")


async def until(client: DbusNextClient, number: int, *, trusted: bool) -> dict[str, Properties]:
    """Return the captures once there are so many, and all are trusted, or none."""
    async with asyncio.timeout(30):
        while True:
            await client.call("org.kdumpd1.Manager", "Rescan")
            captures = {one["Id"]: one for one in (await client.captures()).values()}
            settled = not (await client.manager())["Settling"]
            if settled and [one["Trusted"] for one in captures.values()] == [trusted] * number:
                return captures
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("restart", [False, True], ids=["", "restart"])
@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_that_is_undone(
    machine: Machine, setup: Setup, journal: Journal, mistake: str, *, restart: bool
) -> None:
    """All captures are the same captures, all the time, and nobody is told of them again.

    With a restart, it is made and undone while no daemon runs.
    """
    setup = replace(setup, prefix=journal.prefix)
    captures_of_all_sorts(machine)
    change_mode(below(machine.crash), 0)
    async with AsyncExitStack() as stack:

        async def begin() -> DbusNextClient:
            await stack.enter_async_context(running(setup))
            return await stack.enter_async_context(dbus_next_client(setup.bus))

        client = await begin()
        before = await until(client, WHOLE + BROKEN, trusted=True)
        await journal.wait_for(WHOLE, COMPLETE)
        await journal.wait_for(BROKEN, INCOMPLETE)
        for done, trusted in ((MISTAKES[mistake].done, False), (MISTAKES[mistake].undone, True)):
            if restart:
                await stack.aclose()
            done(machine.crash)
            if restart:
                client = await begin()
            client.signals.clear()
            after = await until(client, WHOLE + BROKEN, trusted=trusted)
            assert after.keys() == before.keys()
            for name in ("Class", "Reason", "KernelRelease", "FoundAt", "Host"):
                assert [after[id_][name] for id_ in before] == [before[id_][name] for id_ in before]
            changed = {signal.member for signal in client.signals if signal.path != MANAGER}
            assert changed == {"PropertiesChanged"}
            for member in ("InterfacesAdded", "InterfacesRemoved", "CrashReported"):
                assert not client.seen(member)
        # What is told comes in order: after this one nothing is still to come.
        machine.kdump_tools("202611240000", flattened(Crash(crash_time=8)))
        entries = await journal.wait_for(WHOLE + 1, COMPLETE)
        assert len({one["KDUMPD_CAPTURE"] for one in entries}) == WHOLE + 1
        assert len(await journal.entries(INCOMPLETE)) == BROKEN
        assert not await journal.entries(GONE)
