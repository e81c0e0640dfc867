# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl watch: what happens, as it happens."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kdumpd.ctl.watch import watch_events
from kdumpd.dbus.messages import Signal
from tests.ctl.crashes import LOGS
from tests.ctl.terminal import ENVIRONMENT
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus
from tests.support.namespace import MOUNTS_AS_SELF, needs_root
from tests.support.process import BOUND, end

pytestmark = pytest.mark.bus
SYSRQ_LOG = (LOGS / "sysrq.txt").read_bytes()


class Watcher:
    """A kdumpdctl watch that runs, line by line."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.seen: list[str] = []

    async def line(self, words: str) -> str:
        """Return the next result with these words."""
        return await self._next(self.process.stdout, words)

    async def word(self, words: str) -> str:
        """Return the next line on stderr with these words."""
        return await self._next(self.process.stderr, words)

    async def _next(self, stream: asyncio.StreamReader | None, words: str) -> str:
        assert stream is not None
        async with asyncio.timeout(30):
            while line := (await stream.readline()).decode():
                self.seen.append(line)
                if words in line:
                    return line
        raise AssertionError(f"'{words}' is not said, but: {self.seen}")


@asynccontextmanager
async def watching(bus: str, *more: str, prefix: Sequence[str] = ()) -> AsyncIterator[Watcher]:
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *(*BOUND, sys.executable, "-m", "kdumpd.ctl.main", "watch", "--bus", bus, *more),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=ENVIRONMENT,
    )
    try:
        yield Watcher(process)
    finally:
        if process.returncode is None:
            await end(process, signal.SIGKILL)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "bus").mkdir()
    async with private_bus(tmp_path / "bus", Broker.DBUS_DAEMON) as bus:
        yield bus.address


async def test_a_day(machine: Machine, tmp_path: Path, bus: str) -> None:
    """The daemon comes, a crash and a loss of the crash kernel are told, it goes and comes back."""
    setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus, settle=0.1)
    async with watching(bus) as watcher:
        await watcher.word("kdumpd does not run; waiting for it.")
        async with running(setup):
            await watcher.word("ready: The next kernel panic would leave a dump.")
            machine.kdump_tools("202611230113", flattened(Crash()), SYSRQ_LOG)
            captured = await watcher.line("Captured: kernel 6.1.0-56-amd64, Mon 2026-11-23")
            assert "complete, /var/crash/202611230113 (" in captured
            id_ = captured.rpartition("(")[2].rstrip(")\n")
            assert (await watcher.line("Crash: ")).endswith(f" ({id_})\n")
        await watcher.word("kdumpd is gone; waiting for its return.")
        machine.write("sys/kernel/kexec_crash_loaded", "0\n")
        async with running(setup):
            await watcher.word("not-ready: The next kernel panic would leave no usable dump.")
        await watcher.word("kdumpd is gone")
        watcher.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await watcher.process.wait() == 0


async def test_a_bus_that_is_lost_is_followed_on_when_it_returns(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "bus").mkdir()
    async with (
        private_bus(tmp_path / "bus", Broker.DBUS_DAEMON) as bus,
        watching(bus.address) as it,
    ):
        setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address, settle=0.1)
        await it.word("kdumpd does not run; waiting for it.")
        await bus.stop()
        await it.word("; waiting for its return.")
        await bus.start()
        await it.word("kdumpd does not run; waiting for it.")
        async with running(setup):
            await it.word("ready: The next kernel panic would leave a dump.")


async def test_json_has_a_line_for_each(machine: Machine, tmp_path: Path, bus: str) -> None:
    setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus, settle=0.1)
    async with running(setup), watching(bus, "--json=short") as watcher:
        await watcher.word("ready: ")
        core = machine.kdump_tools("202611230113", flattened(Crash()))
        told = json.loads(await watcher.line("capture-added"))
        assert told["properties"]["state"] == "complete"
        assert told["capture"] == told["properties"]["id"]
        for file in core.parent.iterdir():
            file.unlink()
        gone = json.loads(await watcher.line('"state": "gone"'))
        assert (gone["event"], gone["capture"]) == ("capture-changed", told["capture"])
        watcher.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await watcher.process.wait() == 0


async def test_a_stranger_tells_nothing(machine: Machine, tmp_path: Path, bus: str) -> None:
    setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus, settle=0.1)
    async with running(setup), watching(bus) as watcher:
        await watcher.word("ready: ")
        stranger = await asyncio.create_subprocess_exec(
            *("busctl", f"--address={bus}", "emit", "/org/kdumpd1", "org.kdumpd1.Manager"),
            *("ReadinessChanged", "ss", "ready", "lost"),
        )
        assert await stranger.wait() == 0
        machine.kdump_tools("202611230113", flattened(Crash()))
        await watcher.line("Captured: ")
        assert not any("lost" in line for line in watcher.seen)


# Takes the name, and ends at the first call without an answer: dbus/org.kdumpd1.service as a bus
# sees it where the ledger is of a newer kdumpd.
ENDS_AT_EACH_START = """
import asyncio, os, sys
from dbus_next.aio import MessageBus
from dbus_next.constants import MessageType

async def main():
    with open(sys.argv[1], "a") as starts:
        starts.write("started\\n")
    bus = await MessageBus(bus_address=os.environ["DBUS_STARTER_ADDRESS"]).connect()
    bus.add_message_handler(
        lambda message: message.message_type is MessageType.METHOD_CALL and os._exit(0)
    )
    await bus.request_name("org.kdumpd1")
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_daemon_that_ends_at_each_start_is_started_once_and_told_once(
    tmp_path: Path,
) -> None:
    program, starts, services = tmp_path / "ends.py", tmp_path / "starts", tmp_path / "services"
    program.write_text(ENDS_AT_EACH_START)
    services.mkdir()
    (services / "org.kdumpd1.service").write_text(
        f"[D-BUS Service]\nName=org.kdumpd1\nExec={sys.executable} {program} {starts}\n"
    )
    config = f"<servicedir>{services}</servicedir>"
    async with (
        private_bus(tmp_path, Broker.DBUS_DAEMON, config=config) as bus,
        watching(bus.address) as watcher,
    ):
        line = await watcher.word("kdumpd ended before it answered; waiting for it.")
        assert "journalctl -u kdumpd" in line
        await asyncio.sleep(3)
        watcher.process.send_signal(signal.SIGINT)
        _, words = await watcher.process.communicate()
    assert (watcher.seen, words) == ([line], b"")
    assert starts.read_text() == "started\n"


MASKED_UNIT = """
mount -t tmpfs tmpfs /run/systemd
mkdir /run/systemd/system
ln -s /dev/null /run/systemd/system/kdumpd.service
export DBUS_SYSTEM_BUS_ADDRESS="$1"
shift
exec "$@"
"""


@needs_root
async def test_a_unit_that_is_masked_is_to_be_unmasked(bus: str) -> None:
    """Of one that is not enabled the bus does not say that it is masked."""
    prefix = (*MOUNTS_AS_SELF, "sh", "-ec", MASKED_UNIT, "sh", bus)
    async with watching("system", prefix=prefix) as watcher:
        line = await watcher.word("waiting for it.")
    assert line == (
        "kdumpd does not run, as its unit is masked; waiting for it."
        " To allow its start: systemctl unmask kdumpd\n"
    )


async def test_a_bus_that_is_none_is_said() -> None:
    async with watching("unix:path=/nowhere") as watcher:
        await watcher.word("cannot connect to the bus")
        async with asyncio.timeout(20):
            assert await watcher.process.wait() == 4


def told(path: str, member: str, signature: str, *body: object) -> list[str]:
    """Return the texts of what a signal of the daemon tells."""
    signal_ = Signal(path=path, interface="", member=member, signature=signature, body=body)
    return [one.text for one in watch_events(signal_)]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"State": "gone"}, "it is gone"),
        (
            {"Reason": "Oops", "Class": "kernel-bug", "Signature": "7b40", "Occurrence": 2},
            "the crash is of class kernel-bug, the kernel said: Oops",
        ),
        ({"Acknowledged": True}, "it is acknowledged"),
        ({"Acknowledged": False}, "it is not acknowledged any more"),
        ({"Trusted": False}, "others than root can change it"),
        ({"Directory": b"/var/crash/a\n\x1b"}, "it lies in /var/crash/a\\n\\x1b"),
        ({"Problem": ""}, "more is known of it"),
        ({"Problem": "was cut off"}, "the core was cut off"),
        (
            {"Problem": "'/var/crash' is writable by others than its owner (mode 0777)"},
            "'/var/crash' is writable by others than its owner (mode 0777)",
        ),
        ({"Size": 4711, "Reason": ""}, "more is known of it"),
    ],
)
def test_a_change_of_a_capture_is_told_in_words(changed: dict[str, object], words: str) -> None:
    path = "/org/kdumpd1/capture/0123456789abcdef"
    body: tuple[object, ...] = ("org.kdumpd1.Capture", changed, [])
    assert told(path, "PropertiesChanged", "sa{sv}as", *body) == [
        f"Capture 0123456789abcdef: {words}"
    ]


def test_a_crash_is_told_with_its_capture_or_that_there_is_none() -> None:
    capture = "/org/kdumpd1/capture/0123456789abcdef"
    assert told("/org/kdumpd1", "CrashReported", "oss", capture, "sysrq", "") == [
        "Crash: sysrq (0123456789abcdef)"
    ]
    assert told("/org/kdumpd1", "CrashReported", "oss", "/", "unknown", "It hung") == [
        "Crash: unknown, It hung, nothing was captured"
    ]
