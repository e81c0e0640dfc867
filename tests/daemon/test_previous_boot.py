# SPDX-License-Identifier: GPL-2.0-or-later
"""After a reboot the daemon says how the boot before ended, and tells of each crash once."""

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running, started
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.journal import Journal
from tests.support.journal_file import (
    SHUTDOWN,
    STOPPED,
    Boot,
    Fields,
    kernel,
    opening,
    orderly,
    write_boots,
)
from tests.support.machine import BOOT_ID, RELEASE, Machine
from tests.support.namespace import needs_root

pytestmark = pytest.mark.bus

THIS = BOOT_ID.replace("-", "")
BEFORE = "11111111-1111-4111-8111-111111111111"
DIED = 1_795_396_414
BEGAN = DIED + 80  # the boot that runs
CRASH = Crash(crash_time=DIED, release=RELEASE)
PANIC = "Kernel panic - not syncing: Fatal exception"
USER = {
    "_TRANSPORT": "journal",
    "_PID": "4242",
    "_UID": "1000",
    "_SYSTEMD_UNIT": "user@1000.service",
}
NO_JOURNAL = {"_TRANSPORT": "syslog", "SYSLOG_FACILITY": "0", "_UID": "1000", "MESSAGE": PANIC}


def boot(*entries: tuple[float, Fields], id_: str = BEFORE, died: int = DIED) -> Boot:
    """Return a boot of an hour that ends so; entries by their seconds before its end."""
    began = died - 3600
    last = [(3600.0 - before, fields) for before, fields in entries]
    return Boot(id_.replace("-", ""), began, [*opening(), (3590.0, kernel("at work")), *last])


def remake(machine: Machine, *boots: Boot, began: int = BEGAN) -> None:
    """Have the machine run since `began`, with a journal of these boots, the oldest first."""
    machine.write("proc/stat", f"cpu 1 2 3\nbtime {began}\n")
    this = Boot(THIS, began, opening())
    write_boots(machine.root / "var/log/journal", *boots, this)


def archive(machine: Machine, *, armed: bool) -> None:
    """Have a kernel log of the boot before archived at this one."""
    loaded = "Kdump: loaded " if armed else ""
    task = f"[ 3599.200000] CPU: 0 PID: 321 Comm: insmod {loaded}Not tainted {RELEASE} #1 Debian"
    cause = "[ 3599.100000] BUG: kernel NULL pointer dereference, address: 0"
    log = f"{cause}\n{task}\n[ 3599.300000] {PANIC}\n"
    directory = machine.pstore(str(DIED), log.encode())
    os.utime(directory / "dmesg.txt", (BEGAN + 9, BEGAN + 9))


async def answer(client: DbusNextClient) -> tuple[str, str]:
    """Return the word and the reason, once it is not looked for any more."""
    async with asyncio.timeout(20):
        while True:
            manager = await client.manager()
            if "does not know yet" not in manager["PreviousBootReason"]:
                return manager["PreviousBoot"], manager["PreviousBootReason"]
            await asyncio.sleep(0.1)


async def word_of(setup: Setup) -> str:
    async with running(setup), dbus_next_client(setup.bus) as client:
        word, reason = await answer(client)
        assert reason.endswith((".", "would tell."))
        return word


@pytest.fixture
def setup(setup: Setup) -> Setup:
    return replace(setup, directories=("/var/crash", "/var/lib/systemd/pstore"))


@pytest.fixture
def journaled(setup: Setup, journal: Journal) -> Setup:
    return replace(setup, prefix=journal.prefix)


# The eight answers


async def test_clean(machine: Machine, setup: Setup) -> None:
    remake(machine, boot(*((10 - at, fields) for at, fields in orderly(0))))
    assert await word_of(setup) == "clean"


async def test_unclean(machine: Machine, setup: Setup) -> None:
    remake(machine, boot())
    assert await word_of(setup) == "unclean"


async def test_unknown(machine: Machine, setup: Setup) -> None:
    remake(machine)
    assert await word_of(setup) == "unknown"


async def test_crash_captured(machine: Machine, setup: Setup) -> None:
    remake(machine, boot())
    machine.kdump_tools("202611230113", flattened(CRASH))
    assert await word_of(setup) == "crash-captured"


async def test_crash_incomplete(machine: Machine, setup: Setup) -> None:
    remake(machine, boot())
    machine.kdump_tools("202611230113", flattened(CRASH)[:-1])
    assert await word_of(setup) == "crash-incomplete"


@pytest.mark.parametrize(
    ("armed", "words"),
    [(True, "was loaded, but left no dump"), (False, "no crash kernel was loaded")],
)
async def test_crash_not_captured(
    machine: Machine,
    setup: Setup,
    armed: bool,  # noqa: FBT001  # what pytest gives
    words: str,
) -> None:
    remake(machine, boot())
    archive(machine, armed=armed)
    async with running(setup), dbus_next_client(setup.bus) as client:
        word, reason = await answer(client)
        assert (word, words in reason) == ("crash-not-captured", True)


async def test_crash_not_captured_by_the_crash_kernel_in_the_journal(
    machine: Machine, setup: Setup
) -> None:
    line = "root=/dev/vda reset_devices nr_cpus=1 elfcorehdr=883456K"
    remake(machine, boot(), Boot("c" * 32, DIED + 5, opening(command_line=line)))
    async with running(setup), dbus_next_client(setup.bus) as client:
        word, reason = await answer(client)
        assert (word, "the crash kernel started" in reason) == ("crash-not-captured", True)
        manager = await client.manager()
        (at,) = manager["UncapturedCrashes"]  # by which the trigger knows a loop of crashes
        assert DIED - 60 <= at / 1e6 <= BEGAN


async def test_test_captured(machine: Machine, setup: Setup) -> None:
    remake(machine, boot())
    machine.kdump_test("kdump-test-1-1", flattened(CRASH))
    assert await word_of(setup) == "test-captured"


async def test_test_not_captured(machine: Machine, setup: Setup) -> None:
    remake(machine, boot())
    machine.kdump_test("kdump-test-1-1", flattened(CRASH)[:-1])
    assert await word_of(setup) == "test-not-captured"


async def test_by_the_ledger_alone(machine: Machine, setup: Setup) -> None:
    machine.write("proc/stat", f"btime {DIED - 3600}\n")
    async with running(setup):
        pass
    machine.write("proc/sys/kernel/random/boot_id", f"{BEFORE}\n")
    machine.write("proc/stat", f"btime {BEGAN}\n")
    assert await word_of(setup) == "unclean"


# What users can write


@pytest.mark.parametrize(
    "forged",
    [
        {**SHUTDOWN, **USER},
        {**STOPPED, **USER},
        NO_JOURNAL,
        {**kernel(PANIC), "SYSLOG_FACILITY": "1"},
    ],
    ids=["shutdown", "stopped", "syslog", "kmsg"],
)
async def test_what_users_log_changes_nothing(
    machine: Machine, setup: Setup, forged: Fields
) -> None:
    remake(machine, boot((1, forged)))
    assert await word_of(setup) == "unclean"


@pytest.mark.parametrize("content", [b"", b"LPKSHHRH" + bytes(300), bytes(range(256)) * 20])
async def test_a_journal_of_garbage(machine: Machine, setup: Setup, content: bytes) -> None:
    machine.write("proc/stat", f"btime {BEGAN}\n")
    path = machine.root / "var/log/journal" / ("8" * 32) / "system.journal"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    async with running(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        assert (await answer(client))[0] == "unknown"
        assert "Traceback" not in kdumpd.log


# Told in order, each once


def row(number: int) -> Sequence[Boot]:
    """Return boots that panicked five minutes after one another, the oldest first."""
    return [
        Boot(
            f"{back:032x}",
            BEGAN - 300 * back,
            [*opening(), (200.0, kernel("at work")), (201.0, kernel(PANIC))],
        )
        for back in range(number, 0, -1)
    ]


@needs_root
async def test_several_crashed_boots_and_their_loop(
    machine: Machine, journaled: Setup, journal: Journal
) -> None:
    remake(machine, *row(4))
    expected = [f"{back:032x}" for back in (4, 3, 2, 1)]
    async with started(journaled) as kdumpd, dbus_next_client(journaled.bus) as client:
        entries = await journal.wait_for(5, "PRIORITY=2")
        assert [entry.get("KDUMPD_BOOT") for entry in entries] == [*expected, None]
        assert "crashed 4 times within 15 minutes" in str(entries[-1]["MESSAGE"])
        reports = await client.wait_for(4, "CrashReported")
        assert [report.body for report in reports] == [["/", "unknown", "Fatal exception"]] * 4
        await kdumpd.kill()
    async with running(journaled), dbus_next_client(journaled.bus) as client:
        assert (await answer(client))[0] == "crash-not-captured"
        await client.call("org.kdumpd1.Manager", "Rescan")
        assert client.seen("CrashReported") == []
        assert len(await journal.entries("PRIORITY=2")) == 5
    for file in journaled.state.iterdir():
        file.unlink()
    async with running(journaled):
        again = await journal.wait_for(10, "PRIORITY=2")
        ids = [entry["KDUMPD_EVENT"] for entry in again]
        assert ids[:5] == ids[5:]


@needs_root
async def test_an_unclean_end_is_told_once(
    machine: Machine, journaled: Setup, journal: Journal
) -> None:
    remake(machine, boot())
    for _ in range(2):
        async with running(journaled), dbus_next_client(journaled.bus) as client:
            await answer(client)
            (entry,) = await journal.wait_for(1, f"KDUMPD_BOOT={BEFORE.replace('-', '')}")
            assert entry["PRIORITY"] == "4"


async def test_a_capture_is_reported_once(machine: Machine, setup: Setup) -> None:
    remake(machine, boot())
    async with running(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        machine.kdump_tools("202611230113", flattened(CRASH))
        (report,) = await client.wait_for(1, "CrashReported")
        (path,) = await client.captures()
        assert report.body[0] == path
        await kdumpd.kill()
    async with running(setup), dbus_next_client(setup.bus) as client:
        await client.call("org.kdumpd1.Manager", "Rescan")
        assert client.seen("CrashReported") == []


async def test_the_word_is_kept(machine: Machine, setup: Setup) -> None:
    remake(machine, boot())
    assert await word_of(setup) == "unclean"
    with closing(sqlite3.connect(setup.ledger)) as ledger:
        rows = dict(ledger.execute("SELECT id, facts FROM history"))
    assert rows.keys() == {BEFORE, BOOT_ID}
    assert '"end": "unclean"' in rows[BEFORE]
