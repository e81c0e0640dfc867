# SPDX-License-Identifier: GPL-2.0-or-later
"""So many directories that the honest ones could get lost among them."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.security.invariants import PATIENCE, attacked, be_honest
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.namespace import ROOT, needs_root
from tests.support.traps import NOBODY

pytestmark = pytest.mark.bus

FEW, MANY = 1_100, 100_000
LOOKED_INTO = MANY - 10  # with the honest, not more than are looked into of the owner's
MOST_MEMORY = 400 << 20  # bytes; a name and a stamp for each of many


@pytest.fixture
def crowded(machine: Machine) -> Iterator[Machine]:
    yield machine
    shutil.rmtree(machine.crash)  # what pytest keeps of old runs would be very much


def crowd(crash: Path, count: int, *, strange: bool, each: int = 10, begin: int = 0) -> None:
    """Make directories, of a stranger with a core in each tenth or so, else empty ones."""
    crash.chmod(0o3777)
    directory = os.open(crash, os.O_RDONLY)
    for number in range(count):
        name = f"{202700000000 + begin + number}"
        os.mkdir(name, dir_fd=directory)
        if strange:
            if number % each == 0:
                os.close(os.open(f"{name}/vmcore", os.O_CREAT | os.O_WRONLY, dir_fd=directory))
            os.chown(name, NOBODY, NOBODY, dir_fd=directory)
    os.close(directory)


COUNTS = (FEW, pytest.param(MANY, marks=pytest.mark.long))


@pytest.mark.skipif(not ROOT, reason="only root can be somebody else")
@pytest.mark.parametrize("count", COUNTS)
async def test_strangers_crowd_out_nobody(count: int, crowded: Machine, setup: Setup) -> None:
    honest = be_honest(crowded)
    crowd(crowded.crash, count, strange=True)
    async with attacked(setup, honest, memory=MOST_MEMORY) as one:
        await one.until_honest_are_listed(honest)
        assert len(await one.captures()) <= 1_000 + honest


def put_away(crash: Path) -> None:
    for directory in list(crash.iterdir()):
        if directory.stat().st_uid == NOBODY:
            shutil.rmtree(directory)


@pytest.mark.skipif(not ROOT, reason="only root can be somebody else")
async def test_strangers_change_no_verdict(crowded: Machine, setup: Setup) -> None:
    """They are counted, and told as info; what is gone of root's among them is told as ever."""
    path = crowded.kdump_tools("202611190100", flattened(Crash()))
    crowded.crash.chmod(0o3777)
    async with running(setup), dbus_next_client(setup.bus) as client:
        before = await client.manager()
        crowd(crowded.crash, FEW, strange=True)
        await client.call("org.kdumpd1.Manager", "Revalidate")
        among = await client.manager()
        assert among["Readiness"] == before["Readiness"]
        new = [one for one in among["Findings"] if one not in before["Findings"]]
        assert [(code, severity) for code, severity, *_ in new] == [
            ("crash-directory-strangers", "info")
        ]
        assert f"1,100 directories of uid {NOBODY} in '/var/crash'" in new[0][2]
        shutil.rmtree(path.parent)
        await client.wait_for_property("State", "gone")
        put_away(crowded.crash)
        await client.call("org.kdumpd1.Manager", "Revalidate")
        assert (await client.manager())["Findings"] == before["Findings"]


UNTRUSTED = "MESSAGE_ID=ef7e508863b94064b0b9c25659675777"
COMPLETE = "MESSAGE_ID=6bc3f018b40343559c7bccda6fc737c6"


async def all_listed(client: DbusNextClient, count: int) -> None:
    """Return once so many captures are listed."""
    async with asyncio.timeout(PATIENCE):
        while len(await client.captures()) != count:  # noqa: ASYNC110 - as a user would
            await asyncio.sleep(0.1)


@needs_root
async def test_a_crowd_is_one_entry(crowded: Machine, setup: Setup, journal: Journal) -> None:
    """Nor more, when they go and others come, and the daemon begins anew in between."""
    crowded.crash.chmod(0o3777)
    setup = replace(setup, settle=1.0, prefix=journal.prefix)
    async with running(setup), dbus_next_client(setup.bus) as client:
        await asyncio.to_thread(crowd, crowded.crash, 900, strange=True, each=1)
        (entry,) = await journal.wait_for(1, UNTRUSTED)
        assert f"(and 899 more of uid {NOBODY})" in entry["MESSAGE"]
        assert f"kdumpd reports more of uid {NOBODY} only after 20" in entry["MESSAGE"]
        assert (entry["KDUMPD_UID"], entry["PRIORITY"]) == (str(NOBODY), "4")
        await all_listed(client, 900)
    async with running(setup), dbus_next_client(setup.bus) as client:
        for turn in (1, 2):
            await asyncio.to_thread(put_away, crowded.crash)
            await asyncio.to_thread(
                crowd, crowded.crash, 100, strange=True, each=1, begin=turn * 1000
            )
            await all_listed(client, 100)
            await asyncio.sleep(3 * setup.settle)  # in which a new crowd would be told
        # An honest one among them is told at once, in its place.
        crowded.kdump_tools("202611190100", flattened(Crash()))
        await journal.wait_for(1, COMPLETE)
    assert len(await journal.entries(UNTRUSTED)) == 1


@pytest.mark.parametrize(
    ("mode", "owner", "remedy"),
    [
        (0o777, 0, "chmod 0755 '/var/crash'"),
        pytest.param(
            *(0o755, NOBODY, "chown root:root '/var/crash'"),
            marks=pytest.mark.skipif(not ROOT, reason="only root can give it away"),
        ),
    ],
)
async def test_a_crash_directory_of_others_is_told(
    machine: Machine, setup: Setup, mode: int, owner: int, remedy: str
) -> None:
    if ROOT:
        os.chown(machine.crash, owner, -1)
    machine.crash.chmod(mode)
    async with running(setup), dbus_next_client(setup.bus) as client:
        findings = {code: rest for code, *rest in (await client.manager())["Findings"]}
        severity, _, said = findings["crash-directory-untrusted"]
        assert severity == "warning"
        assert said.startswith(remedy)


@pytest.mark.long
async def test_empty_directories_are_no_captures(crowded: Machine, setup: Setup) -> None:
    crowd(crowded.crash, LOOKED_INTO, strange=False)
    honest = be_honest(crowded)
    async with attacked(setup, honest, memory=MOST_MEMORY) as one:
        await one.until_honest_are_listed(honest)
        assert len(await one.captures()) == honest
