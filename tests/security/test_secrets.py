# SPDX-License-Identifier: GPL-2.0-or-later
"""What everybody may ask of a crash tells nobody where the kernel lies in memory."""

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from kdumpd.expose.motd import lines
from kdumpd.expose.prometheus import METRIC_PREFIX, exposition, measures
from kdumpd.model.crashlog.crash import parse_kernel_log
from kdumpd.model.state import State
from tests.security.address_leaks import is_telling
from tests.security.inputs import ERROR_LOG, LOG, OTHER_LOG, SAMPLES
from tests.support.busctl import Busctl
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.looks import as_listed, capture
from tests.support.machine import Machine
from tests.support.machine_file import read_machine
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.namespace import ROOT
from tests.support.process import Json, as_uid
from tests.support.sample_machines import machines
from tests.support.traps import NOBODY

pytestmark = pytest.mark.bus

EVERYBODY = '<policy context="default"><allow user="*"/></policy>'
AS_NOBODY = as_uid(NOBODY)
# Made of a hash, or told of the kernel's file; whoever started the task chose its name.
NO_ADDRESS = {"Id", "Signature", "BuildId", "BootId", "Command"}

SENTENCES = (
    "BUG: unable to handle page fault for address: ffff9d2f4123a000",
    "BUG: unable to handle kernel paging request at ffffffff81000010",
    "BUG: kernel NULL pointer dereference, address: 0000000000000010",
    "general protection fault, probably for non-canonical address 0xdead000000000122: 0000 [#1]",
    "Unable to handle kernel paging request at virtual address ffff800010d4f000",
    "Kernel panic - not syncing: corrupted stack end detected inside ffffffff9a801234 scheduler",
    "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: ffffffffc0a8b123",
    "Kernel panic - not syncing: Fatal hardware error! 0xffff9d2f4123a000 fef1ce4012345678",
    "Kernel panic - not syncing: VFS: Unable to mount root fs on 0xFFFF9D2F4123A000",
    "list_del corruption. prev->next should be ffff9d2f4123a000, but was dead000000000100",
    "BUG: KASAN: use-after-free in crash_now+0xffffffff81234567/0xffffffff89abcdef",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [ffff9d2f41230000:4242]",
    "INFO: task ffff9d2f4123a000:77 blocked for more than 120 seconds.",
    "kernel BUG at ffff9d2f4123a000:0xffffffff81234567!",
    "Oops: 0x00000000deadbeef [#1] ffff9d2f4123a000",
    "WARNING: CPU: 0 PID: 7 at 0xffffffff81234567 ffff9d2f4123a000+0x17/0x30 [ffff9d2f41230000]",
)
TAIL = """\
CPU: 1 PID: 4242 Comm: busybox Kdump: loaded Tainted: G   OE ffff9d2f4123a000 6.1.0 #1
RIP: 0010:0xffffffff81234567
RIP: 0010:ffff9d2f4123a000+0x17/0x30 [ffffffffc0a8b123]
RAX: ffff9d2f4123a000 RBX: 00000000deadbeef RCX: ffffffff81234567
pc : 0xffff800010d4f000
Call Trace:
 [<ffffffff81234567>] ffff9d2f4123a000+0x1/0x2
 ? 0xffffffffc0a8b123
 ffffffff81234567+0x10/0x20 [0xffff9d2f4123a000]
 write_crash+0x2a/0x60 [crasher]
Kernel panic - not syncing: Fatal exception 0xffff9d2f4123a000
"""


def logs() -> list[bytes]:
    """Return logs that are full of addresses, made up and of real kernels."""
    made = [
        "".join(f"[   13.{number:06}] {line}\n" for number, line in enumerate([first, *rest]))
        for first in SENTENCES
        for rest in (TAIL.splitlines(), [])
    ]
    real = [path.read_bytes() for path in sorted(SAMPLES.rglob("*.txt"))]
    said = [one.content for sample in machines().values() for one in read_machine(sample).commands]
    return [LOG, OTHER_LOG, ERROR_LOG, *(log.encode("ascii") for log in made), *real, *said]


@pytest.fixture
async def open_bus() -> AsyncIterator[Bus]:
    """A bus that other users reach, too: pytest's own directories are closed to them."""
    with tempfile.TemporaryDirectory() as directory:
        await asyncio.to_thread(os.chmod, directory, 0o755)
        async with private_bus(Path(directory), Broker.DBUS_DAEMON, config=EVERYBODY) as bus:
            yield bus


def texts(value: Json) -> list[str]:
    """Return each text in a property's value; bytes are one, too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and all(isinstance(byte, int) for byte in value):
        return [bytes(value).decode("latin-1")]
    return [text for one in value for text in texts(one)] if isinstance(value, list) else []


def test_addresses_are_recognised() -> None:
    assert is_telling("at ffffffff81234567")
    assert is_telling("at 0xdeadbeef")
    assert is_telling("FFFF9D2F4123A000:")
    assert not is_telling("PID 4242 of 1795396414 on 6.1.0-56-amd64")
    assert not is_telling("0123456789abcdef0123456789abcdef01234567")


def test_logs_are_full_of_them() -> None:
    assert all(is_telling(log.decode("latin-1")) for log in logs()[3:35])


@pytest.mark.parametrize("log", logs())
def test_no_file_for_everybody_holds_an_address(log: bytes) -> None:
    """Neither what is shown at each login, nor what the monitoring of a fleet is told."""
    crashed = replace(as_listed(capture()), crash=parse_kernel_log(log))
    state = State(captures={crashed.id: crashed})
    shown, told = list(lines(state)), exposition(METRIC_PREFIX, measures(state)).splitlines()
    assert bool(shown) is not crashed.was_intended
    assert not [line for line in (*shown, *told) if is_telling(line)]


@pytest.mark.skipif(not ROOT, reason="only root can ask as somebody else")
async def test_nobody_reads_no_address(machine: Machine, setup: Setup, open_bus: Bus) -> None:
    for number, log in enumerate(logs()):
        core = flattened(Crash(crash_time=1_795_396_414 + number))
        machine.kdump_tools(f"{202611230000 + number}", core, log)
    async with running(replace(setup, bus=open_bus.address)):
        busctl = Busctl(open_bus.address, AS_NOBODY)
        manager = ("org.kdumpd1", "/org/kdumpd1")
        (objects,) = await busctl.call(
            *manager, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"
        )
        (own,) = await busctl.call(
            *manager, "org.freedesktop.DBus.Properties", "GetAll", "s", "org.kdumpd1.Manager"
        )
        (path, *_) = objects
        assert await busctl.get("org.kdumpd1", path, "org.kdumpd1.Capture", "State") == "complete"
    captures = [interfaces["org.kdumpd1.Capture"] for interfaces in objects.values()]
    assert len(captures) == len(logs())
    assert any(capture["Reason"]["data"] for capture in captures)
    told = [
        (name, text)
        for properties in (own, *captures)
        for name, value in properties.items()
        if name not in NO_ADDRESS
        for text in texts(value["data"])
        if is_telling(text)
    ]
    assert not told
    assert all(
        re.fullmatch("[0-9a-f]*", str(properties[name]["data"]))
        for properties in captures
        for name in ("Id", "Signature", "BuildId")
    )
