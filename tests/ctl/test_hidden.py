# SPDX-License-Identifier: GPL-2.0-or-later
"""What the machine keeps from a user, kdumpdctl does without, and says so once."""

import json
import pwd
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ctl.crashes import LOGS
from tests.ctl.terminal import Shown, printed
from tests.ctl.test_schema import validate
from tests.ctl.test_watch import watching
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.machine import DMESG_RESTRICT, Machine
from tests.support.message_bus import Broker
from tests.support.polkit import NOBODY, needs_polkit, public_directory, system_bus

pytestmark = [pytest.mark.bus, needs_polkit]

STAMP = "202611230113"
LOG = (LOGS / "null.txt").read_bytes()
SENTENCE = (
    "Hidden from you: reasons, commands, paths. On this machine they are for administrators, as the"
    " kernel's log or the crash directory is. To see them, run kdumpdctl as root.\n"
)
# In these words a secret would show.
SECRETS = (STAMP, "NULL pointer dereference, address", "modprobe", "insmod")


def as_stranger() -> tuple[str, ...]:
    """Return what, put before a command, runs it as a user who may at least read our Python."""
    user = pwd.getpwnam(NOBODY)
    return (
        *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search", "--"),
    )


async def kdumpdctl(bus: str, *arguments: str) -> Shown:
    return await printed(*arguments, "--bus", bus, prefix=as_stranger())


@pytest.fixture
async def bus(machine: Machine, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a bus, with a daemon that hides what it knows of one crash."""
    machine.write(DMESG_RESTRICT, "1\n")
    machine.kdump_tools(STAMP, flattened(Crash()), LOG)
    with public_directory() as public:
        async with system_bus(public, Broker.DBUS_DAEMON) as bus:
            setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address, settle=0.1)
            async with running(setup) as kdumpd:
                await kdumpd.wait_until_told("STATUS=ready; 1 capture")
                yield bus.address


def leaks(told: Shown) -> list[str]:
    return [one for one in SECRETS if one in told.out + told.words]


async def test_what_everybody_may_read_is_told(bus: str) -> None:
    for arguments in (("list",), ("info",), ("status",)):
        told = await kdumpdctl(bus, *arguments)
        assert leaks(told) == []
        assert told.words == SENTENCE
        known = await printed(*arguments, "--bus", bus)
        assert leaks(known) != []
        assert known.words == ""
    told = await kdumpdctl(bus, "info")
    assert "null-dereference in " in told.out
    assert "The dump is complete: " in told.out
    assert ": \n" not in told.out
    assert ", \n" not in told.out


async def test_json_names_it(bus: str) -> None:
    told = await kdumpdctl(bus, "info", "--json")
    validate("info", told.out)
    assert leaks(told) == []
    hidden = {"Command", "CoreFile", "Directory", "DmesgFile", "Reason"}
    assert {*json.loads(told.out)["hidden"]} == hidden
    validate("status", (await kdumpdctl(bus, "status", "--json")).out)


async def test_no_path_is_printed(bus: str) -> None:
    for options in ((), ("--directory",), ("--json",)):
        told = await kdumpdctl(bus, "path", *options)
        assert (told.status, told.out, told.words) == (1, "", SENTENCE)


async def test_a_stranger_watches(bus: str, machine: Machine) -> None:
    async with watching(bus, prefix=as_stranger()) as stranger, watching(bus) as root:
        for one in (stranger, root):
            await one.word("ready: ")
        machine.kdump_tools("202611230114", flattened(Crash(crash_time=1_795_396_500)), LOG)
        await stranger.word(SENTENCE.strip())
        line = await stranger.line("Captured: ")
        assert "null-dereference in " in line
        assert "202611230114" not in line
        assert "/202611230114 (" in await root.line("Captured: ")
        (directory,) = machine.crash.glob("*14")
        for file in directory.iterdir():
            file.rename(file.with_suffix(".202611230115"))
        directory.rename(machine.crash / "202611230115")
        assert "/202611230115" in await root.line("it lies in")
        await printed("acknowledge", "--all", "--bus", bus)
        await stranger.line(": it is acknowledged")
        assert not any("20261123011" in one for one in stranger.seen)
