# SPDX-License-Identifier: GPL-2.0-or-later
"""Every block of the pages that can be run here is, and says what the page says that it does."""

import re
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.example import environment, following
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.dbus_next import dbus_next_client
from tests.support.journal import private_journal
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus
from tests.support.namespace import needs_root
from tests.support.page import Block, all_blocks
from tests.support.process import output, program
from tests.support.trigger import TriggerSetup, running_trigger

pytestmark = [pytest.mark.bus, needs_root]

LOG = (Path(__file__).parents[1] / "samples/logs/null.txt").read_bytes()
MANAGER = "org.kdumpd1 /org/kdumpd1 org.kdumpd1.Manager"
SHELL = 'PATH="$0:$PATH"; export PATH; set -e; eval "$1"'
# By the block's first line; a block without a row fails the test.
SAID = {
    "kdumpdctl": (
        r"\Aready: (.|\n)*^Last: (.|\n)*^\d+ checks passed \(-v (.|\n)*^TIME .*\n"
        r".* null-dereference"
    ),
    "kdumpdctl check": r"\Aready: .*\n(.|\n)*^\d+ checks passed \(-v lists them\)$",
    "kdumpdctl status": r"\Aready: (.|\n)*^Not acknowledged: 1 (.|\n)*^Last: kernel 6\.1",
    "kdumpdctl list": (
        r"\ATIME .*\n.* null-dereference (.|\n)*^     Capture: \w{16}(.|\n)*^\[ .*\n\Z"
    ),
    "kdumpdctl acknowledge --all": r"\A\Z",
    "kdumpdctl dmesg | tail -5": r"\A(\[ .*\n){5}\Z",
    "journalctl -t kdumpd -x": (
        r"kdumpd\[.*: Kernel 6\.1.* crashed (.|\n)*^\{.*\"KDUMPD_CLASS\"(.|\n)* would leave a dump"
    ),
    f"busctl get-property {MANAGER} Readiness": r'\As "ready"\n\{\n\s+"type" : "a\(ssss\)"',
    "busctl tree org.kdumpd1": r'/org/kdumpd1/capture/\w{16}\n(.|\n)*"type":"a\{oa\{sa\{sv\}\}\}"',
    f"busctl call {MANAGER} AcknowledgeAll": r"\Au 0\n\Z",
    "busctl --json=pretty call org.kdumpd1.Trigger /org/kdumpd1/trigger org.kdumpd1.Trigger"
    " Prepare": r'"type" : "sa\(ssss\)t"',
}


@pytest.fixture
async def address(machine: Machine, tmp_path: Path) -> AsyncIterator[tuple[str, tuple[str, ...]]]:
    """A machine that has crashed once, with all that asks it; and what goes before a command."""
    journal_directory = tmp_path / "journal"
    journal_directory.mkdir()
    core = machine.kdump_tools("202611230113", flattened(Crash()), LOG)
    core.chmod(0o600)
    async with (
        private_journal(journal_directory) as journal,
        private_bus(tmp_path, Broker.DBUS_DAEMON) as bus,
    ):
        setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)
        trigger = TriggerSetup(root=machine.root, bus=bus.address)
        async with running(replace(setup, prefix=journal.prefix)), running_trigger(trigger):
            await journal.wait_for(2, "SYSLOG_IDENTIFIER=kdumpd")
            yield bus.address, journal.prefix


async def said(block: Block, address: str, prefix: tuple[str, ...]) -> str:
    """Return what a block prints; it fails where one of its commands does."""
    variables = [f"{name}={value}" for name, value in environment(address).items()]
    ours = str(Path(sys.executable).parent)
    argv = (*prefix, "env", *variables, program("sh", "dash"), "-c", SHELL, ours, block.text)
    return (await output(*argv, seconds=60)).decode()


def test_each_has_something_to_say() -> None:
    assert {block.text.splitlines()[0] for block in all_blocks("sh", "here")} == SAID.keys()


async def test_what_is_said(address: tuple[str, tuple[str, ...]]) -> None:
    for block in all_blocks("sh", "here"):
        first = block.text.splitlines()[0]
        assert re.search(SAID[first], await said(block, *address), re.MULTILINE), first


async def test_what_goes_on(address: tuple[str, tuple[str, ...]], machine: Machine) -> None:
    (block,) = all_blocks("sh", "here", "follow")
    async with following(address[0], "sh", "-c", block.text) as follower:
        await follower.wait_for("Monitoring signals on object /org/kdumpd1 owned by org.kdumpd1")
        async with dbus_next_client(address[0]) as client:
            machine.kdump_tools("202611230200", flattened(Crash(crash_time=1_795_400_000)), LOG)
            await client.wait_for(1, "CrashReported")
        await follower.wait_for_words("org.kdumpd1.Manager.CrashReported")
