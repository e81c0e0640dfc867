# SPDX-License-Identifier: GPL-2.0-or-later
"""So many directories that the honest ones could get lost among them."""

import asyncio
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kdumpd.model.readiness.verdict import find
from kdumpd.observe.captures.scan import read_crash_directory
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles
from tests.security.invariants import PATIENCE, attacked, be_honest
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.machine_facts import HEALTHY
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
                core = os.open(f"{name}/vmcore", os.O_CREAT | os.O_WRONLY, dir_fd=directory)
                os.fchown(core, NOBODY, NOBODY)
                os.close(core)
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


def left_in(crash: Path) -> list[str]:
    return sorted(str(path.relative_to(crash)) for path in crash.rglob("*"))


def strange_tree(crash: Path) -> list[str]:
    """Make what strangers and root may have there, and return what is root's or not counted."""
    crash.chmod(0o1777)
    theirs = ["202611230113/vmcore", "empty", "deep/below/vmcore.1", "vmcore.2", "-rf"]
    for name in theirs:
        make(crash, name, NOBODY)
    make(crash, "linux-image-6.1-202611230113.crash", NOBODY + 1)
    left = ["_usr_bin_foo.1000.crash", "notes.txt"]
    for name in left:
        make(crash, name, NOBODY)
    for name in ("202611230114/vmcore", "202611230115/own/vmcore"):
        make(crash, name, 0)
        os.chown(crash / name.partition("/")[0], NOBODY, NOBODY)
        make(crash, name.replace("vmcore", "dmesg"), 0)
    make(crash, "202611230116/vmcore", 0)
    kept = {path for path in left_in(crash) if path.startswith("20261123011")}
    return sorted({*left, *(path for path in kept if "230113" not in path)})


def make(crash: Path, name: str, owner: int) -> None:
    """Make a directory, or a file in it, with all above it of this owner where it is new."""
    path = crash / name
    for directory in reversed(path.relative_to(crash).parents[:-1]):
        if not (crash / directory).exists():
            (crash / directory).mkdir()
            os.chown(crash / directory, owner, owner)
    if "." in name or "/" in name:
        path.write_bytes(b"core")
    else:
        path.mkdir()
    os.chown(path, owner, owner)


def run_in(crash: Path, remedy: str) -> None:
    """Run the command that a remedy ends in, in this crash directory in place of the real one."""
    command = remedy.partition(": ")[2].replace("'/var/crash'", shlex.quote(str(crash)))
    subprocess.run(["/bin/sh", "-c", command], check=True)  # noqa: S603  # what a rule advises


@needs_root
def test_what_is_advised_removes_what_was_counted_and_nothing_of_root(crowded: Machine) -> None:
    left = strange_tree(crowded.crash)
    look = read_crash_directory(SharedFiles(Files(crowded.root)), b"/var/crash", {}, lambda _: None)
    assert [path for path, _, _ in look.facts.mixed] == [
        b"/var/crash/202611230114",
        b"/var/crash/202611230115",
    ]
    found = {one.code: one for one in find(replace(HEALTHY, directories=(look.facts,)))}
    for code in ("crash-directory-mixed", "crash-directory-strangers"):
        assert code in found
    run_in(crowded.crash, found["crash-directory-strangers"].remedy)
    assert left_in(crowded.crash) == left
    again = read_crash_directory(
        SharedFiles(Files(crowded.root)), b"/var/crash", {}, lambda _: None
    )
    assert again.facts.mixed == look.facts.mixed
    assert again.facts.strangers == ((NOBODY, 2, 0),)


@needs_root
def test_nothing_of_root_is_removed_that_was_saved_since_the_look(crowded: Machine) -> None:
    make(crowded.crash, "202611230113", NOBODY)
    crowded.crash.chmod(0o1777)
    look = read_crash_directory(SharedFiles(Files(crowded.root)), b"/var/crash", {}, lambda _: None)
    make(crowded.crash, "202611230113/vmcore", 0)
    (finding,) = find(replace(HEALTHY, directories=(look.facts,)))
    run_in(crowded.crash, finding.remedy)
    assert left_in(crowded.crash) == ["202611230113", "202611230113/vmcore"]


@needs_root
async def test_a_dump_in_the_directory_of_a_stranger_is_told(
    crowded: Machine, setup: Setup, journal: Journal
) -> None:
    """kdump-tools saves into the directory of its minute, whoever made that before."""
    crowded.crash.chmod(0o1777)
    setup = replace(setup, settle=1.0, prefix=journal.prefix)
    async with running(setup), dbus_next_client(setup.bus) as client:
        await asyncio.to_thread(crowd, crowded.crash, 10, strange=True, each=1)
        await journal.wait_for(1, UNTRUSTED)
        path = crowded.kdump_tools("202611302140", flattened(Crash()))
        os.chown(path.parent, NOBODY, NOBODY)
        told = (await journal.wait_for(2, UNTRUSTED))[1]
        assert "202611302140" in told["MESSAGE"]
        assert f"uid {NOBODY}" in told["MESSAGE"]
        assert "files of root" in told["MESSAGE"]
        await client.call("org.kdumpd1.Manager", "Revalidate")
        findings = {code: rest for code, *rest in (await client.manager())["Findings"]}
        severity, said, remedy, *_ = findings["crash-directory-mixed"]
        assert severity == "info"
        assert f"'/var/crash/202611302140' of uid {NOBODY} holds files of root" in said
        assert remedy.startswith("look into it before you remove it")


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
        assert f"'/var/crash' contains 1,100 directories of uid {NOBODY}:" in new[0][2]
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
