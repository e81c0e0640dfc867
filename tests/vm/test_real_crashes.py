# SPDX-License-Identifier: GPL-2.0-or-later
"""What crashed, of real panics: told from the dump alone as from the kernel log beside it."""

import asyncio
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.image_cache import NotMadeError
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus
from tests.vm.deaths import DEATHS, IN_EVERY_RUN
from tests.vm.panics import Bench, Remains, real_panic

pytestmark = pytest.mark.vm

# Other deaths by the same fault: they are one crash that happened again.
ALIKE = (
    {"sysrq", "sysrq-keyboard"},
    {"null", "null-again", "null-notified"},
    {"rcu-stall", "rcu-stall-of-two"},
    {"soft-lockup", "soft-lockup-of-two"},
    {"out-of-memory", "out-of-memory-system", "out-of-victims"},
)
TOLD = (
    *("Class", "Reason", "Function", "Module", "Command", "Tainted"),
    *("CaptureArmed", "Signature", "Occurrence"),
)
SECONDS = 300.0  # for all cores to be read, on a machine that does other things too

Told = dict[str, dict[str, Any]]


async def died(bench: Bench, names: Iterable[str]) -> tuple[dict[str, Remains], list[str]]:
    """Return what was captured of each of these deaths, and which could not be brought about."""
    remains, alive = {}, []
    for name in names:
        try:
            remains[name] = await real_panic(bench, name)
        except NotMadeError:
            alive.append(name)
    return {name: one for name, one in remains.items() if one.core}, alive


async def told(panics: Mapping[str, Remains], work: Path, *, core: bool, log: bool) -> Told:
    """Return what a new kdumpd says of all these captures, by the names of the deaths."""
    machine = Machine(work / "machine")
    for name, remains in panics.items():
        directory = machine.crash / f"127.0.0.1-{name}"
        directory.mkdir()
        if log:
            shutil.copyfile(path(remains.dmesg), directory / "vmcore-dmesg.txt")
        if core:
            shutil.copyfile(path(remains.core), directory / "vmcore")
    (work / "bus").mkdir()
    async with private_bus(work / "bus", Broker.DBUS_DAEMON) as bus:
        setup = Setup(root=machine.root, state=work / "state", bus=bus.address)
        async with running(setup), dbus_next_client(bus.address) as client:
            captures = await until_all_are_told(client, len(panics))
    return {bytes(one["Directory"]).decode().partition("-")[2]: one for one in captures}


async def until_all_are_told(client: DbusNextClient, number: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(SECONDS):
        while True:
            captures = list((await client.captures()).values())
            if len(captures) == number and all(one["Signature"] for one in captures):
                return captures
            await asyncio.sleep(0.5)


def path(file: Path | None) -> Path:
    assert file is not None
    return file


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(IN_EVERY_RUN, id="in-every-run"),
        pytest.param(tuple(DEATHS), id="all", marks=pytest.mark.long),
    ],
)
async def test_what_crashed(bench: Bench, names: Iterable[str], tmp_path: Path) -> None:
    panics, alive = await died(bench, names)
    ways = {"core": (True, False), "sidecar": (True, True), "log": (False, True)}
    said = {}
    for way, (core, log) in ways.items():
        (tmp_path / way).mkdir()
        said[way] = await told(panics, tmp_path / way, core=core, log=log)
    for way, captures in said.items():
        assert captures.keys() == panics.keys(), way
        for name, capture in captures.items():
            assert (name, capture["Class"]) == (name, DEATHS[name].kind), way
            assert capture["Reason"]
            assert capture["State"] == ("dmesg-only" if way == "log" else "complete")
    for name in panics:
        of_core, of_sidecar = (
            {fact: said[way][name][fact] for fact in TOLD} for way in ("core", "sidecar")
        )
        assert of_core == of_sidecar, name
    check_signatures(said["core"])
    assert not alive


def check_signatures(captures: Told) -> None:
    groups = defaultdict(set)
    for name, capture in captures.items():
        groups[capture["Signature"]].add(name)
    several = {frozenset(names) for names in groups.values() if len(names) > 1}
    alike = {frozenset(names & captures.keys()) for names in ALIKE}
    assert several == {names for names in alike if len(names) > 1}
    for names in several:
        numbers = sorted(captures[name]["Occurrence"] for name in names)
        assert numbers == list(range(1, len(names) + 1))
