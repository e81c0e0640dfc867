# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon among its neighbours: service manager, bus, state directory, slow directories."""

import asyncio
import contextlib
import signal
import socket
import sqlite3
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from kdumpd.arguments import EXIT_CONFIG
from tests.support.busctl import Busctl
from tests.support.cores import Crash, flattened
from tests.support.daemon import READY, Kdumpd, Setup, running, started
from tests.support.dbus_next import dbus_next_client
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.namespace import needs_root

pytestmark = pytest.mark.bus

COMPLETE = "MESSAGE_ID=6bc3f018b40343559c7bccda6fc737c6"
INCOMPLETE = "MESSAGE_ID=a6a8bcf7df1243a49434241c1eae3353"

MORE_THAN_A_QUEUE = 30  # datagrams; net.unix.max_dgram_qlen is 10, 512 at most in the field


async def end_of(kdumpd: Kdumpd) -> int:
    """Return the exit status of a daemon that ends by itself."""
    async with asyncio.timeout(20):
        return await kdumpd.process.wait()


async def test_told_to_the_service_manager(machine: Machine, setup: Setup) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(replace(setup, environment={"WATCHDOG_USEC": "200000"})) as kdumpd:
        assert "STATUS=ready; 1 capture" in kdumpd.told
        await kdumpd.wait_until_told("WATCHDOG=1", count=3)
        assert await kdumpd.stop() == 0
        await kdumpd.wait_until_told("STOPPING=1")


async def test_service_manager_that_hangs_stalls_nobody(machine: Machine, setup: Setup) -> None:
    name = f"kdumpd-test-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(0)
        hung = replace(setup, environment={"NOTIFY_SOCKET": f"@{name}"})
        async with started(hung) as kdumpd, dbus_next_client(setup.bus) as client:
            await kdumpd.wait_until_logged("READY")
            for number in range(MORE_THAN_A_QUEUE):
                core = flattened(Crash(crash_time=1_795_396_400 + number))
                machine.kdump_tools(f"{202611230000 + number}", core)
                await client.call("org.kdumpd1.Manager", "Rescan")
            assert len(await client.captures()) == MORE_THAN_A_QUEUE
        assert manager.recv(4096).startswith(b"READY=1\nSTATUS=ready; 0 captures")
        assert manager.recv(4096).startswith(b"STATUS=ready; ")


async def test_ready_means_on_the_bus(setup: Setup) -> None:
    async with running(setup):
        assert await Busctl(setup.bus).get(
            "org.kdumpd1", "/org/kdumpd1", "org.kdumpd1.Manager", "Readiness"
        )


async def test_without_a_bus_it_says_so(setup: Setup, tmp_path: Path) -> None:
    async with started(replace(setup, bus=f"unix:path={tmp_path}/none")) as kdumpd:
        assert await end_of(kdumpd) == 1
        assert "cannot connect to the bus" in kdumpd.log
        assert "Traceback" not in kdumpd.log


async def test_second_daemon_leaves_the_first_alone(setup: Setup, tmp_path: Path) -> None:
    async with running(setup), started(replace(setup, state=tmp_path / "other")) as second:
        assert await end_of(second) == 1
        assert "the name org.kdumpd1 is taken: another program on this bus has it" in second.log
        assert not (tmp_path / "other").exists()


async def test_ledger_in_use_is_left_alone(machine: Machine, setup: Setup, tmp_path: Path) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    (tmp_path / "other").mkdir()
    async with (
        running(setup),
        private_bus(tmp_path / "other", Broker.DBUS_DAEMON) as other,
        started(replace(setup, bus=other.address)) as second,
    ):
        assert await end_of(second) == 1
        assert f"'{setup.ledger}' is in use: another kdumpd runs" in second.log
    async with running(setup), dbus_next_client(setup.bus) as client:
        assert len(await client.captures()) == 1


async def test_other_readers_of_the_ledger_are_no_obstacle(setup: Setup) -> None:
    async with running(setup):
        pass
    with contextlib.closing(sqlite3.connect(setup.ledger)) as reader:
        reader.execute("SELECT * FROM boot").fetchone()
        async with running(setup):
            assert reader.execute("SELECT count(*) FROM boot").fetchone() == (1,)


async def test_loss_of_the_bus_ends_it_with_an_error(setup: Setup, bus: Bus) -> None:
    async with running(setup) as kdumpd:
        await bus.stop()
        assert await end_of(kdumpd) == 1
        assert "the bus" in kdumpd.log
        assert "Traceback" not in kdumpd.log


async def test_state_directory_that_cannot_be_made_is_said_and_no_obstacle(
    machine: Machine, setup: Setup, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(replace(setup, state=tmp_path / "file/state")) as kdumpd:
        assert str(tmp_path / "file/state") in kdumpd.log
        assert "Traceback" not in kdumpd.log
        async with dbus_next_client(setup.bus) as client:
            assert len(await client.captures()) == 1


@needs_root
async def test_full_state_directory_loses_nothing(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    """A capture that has just filled the disk is the news that matters most."""
    small = ("sh", "-c", 'mount -t tmpfs -o size=512k tmpfs "$0"; exec "$@"', str(setup.state))
    setup.state.mkdir()
    setup = replace(setup, prefix=(*journal.prefix, *small))
    async with running(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        inside = Path(f"/proc/{kdumpd.process.pid}/root{setup.state}")
        with contextlib.suppress(OSError), (inside / "filling").open("wb", buffering=0) as filling:
            while True:
                filling.write(bytes(4096))
        machine.kdump_tools("202611230113", flattened(Crash())[:-1])
        await client.wait_for(1, "InterfacesAdded")
        await journal.wait_for(1, INCOMPLETE)
        assert "not remembered, but told" in kdumpd.log
        (inside / "filling").unlink()
        await client.call("org.kdumpd1.Manager", "Rescan")
        await kdumpd.wait_until_logged("can be written again")
        machine.kdump_tools("202611230114", flattened(Crash(crash_time=1_795_396_500)))
        await journal.wait_for(1, COMPLETE)
        assert len(await journal.entries(INCOMPLETE)) == 1


async def test_damaged_ledger_is_moved_aside_and_rebuilt(machine: Machine, setup: Setup) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        before = await client.captures()
    setup.ledger.write_bytes(b"this was a ledger once")
    async with running(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        assert (await client.captures()).keys() == before.keys()
        assert f"'{setup.ledger}' is damaged" in kdumpd.log
    assert list(setup.state.glob("ledger.sqlite.damaged-*"))


async def test_nothing_is_written_in_the_crash_directory(machine: Machine, setup: Setup) -> None:
    def contents() -> dict[Path, tuple[int, int, int]]:
        return {
            path: (path.stat().st_mode, path.stat().st_mtime_ns, path.stat().st_ctime_ns)
            for path in (machine.crash, *machine.crash.rglob("*"))
        }

    machine.kdump_tools("202611230113", flattened(Crash()))
    machine.kdump_tools("202611230114", flattened(Crash(crash_time=1_795_396_500))[:-1])
    before = contents()
    async with running(setup), dbus_next_client(setup.bus) as client:
        await client.wait_for(1, "InterfacesAdded")
    assert contents() == before


async def test_a_hundred_callers_at_once(machine: Machine, setup: Setup) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        looks = (client.call("org.kdumpd1.Manager", "Rescan") for _ in range(50))
        answers = await asyncio.gather(*looks, *(client.captures() for _ in range(50)))
        assert all(not getattr(answer, "error_name", None) for answer in answers)


async def test_no_descriptor_is_kept(machine: Machine, setup: Setup) -> None:
    async with running(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        counts = []
        for attempt in range(4):
            for number in range(20):
                crashtime = 1_795_396_400 + 20 * attempt + number
                machine.kdump_tools(
                    f"{202611230000 + crashtime}", flattened(Crash(crash_time=crashtime))
                )
            await client.call("org.kdumpd1.Manager", "Rescan")
            counts.append(kdumpd.descriptors)
        assert counts[1] == counts[-1]


async def test_quiet_machine_writes_nothing(machine: Machine, setup: Setup) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    machine.kdump_tools("202611230114", flattened(Crash(crash_time=1_795_396_500))[:-1])
    async with running(setup) as kdumpd, dbus_next_client(setup.bus) as client:
        await kdumpd.wait_until_told("STATUS=ready; 2 captures")
        await client.call("org.kdumpd1.Manager", "Rescan")
        seen = len(client.signals)
        written = kdumpd.written
        for _ in range(10):
            await client.call("org.kdumpd1.Manager", "Rescan")
        assert kdumpd.written == written
        assert len(client.signals) == seen


def configuration_of(kdumpd: Kdumpd) -> Path:
    words = Path(f"/proc/{kdumpd.process.pid}/cmdline").read_text().split("\0")
    return Path(words[words.index("--config") + 1])


def write(path: Path, text: str) -> None:
    path.write_text(text)


async def test_hangup_has_the_configuration_read_again(machine: Machine, setup: Setup) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    (machine.root / "srv").mkdir()
    (machine.root / "var/crash").rename(machine.root / "srv/crash")
    async with running(setup) as kdumpd:
        config = configuration_of(kdumpd)
        write(config, "[Manager]\nCrashDirectories=/srv/crash\nColour=blue\n")
        kdumpd.process.send_signal(signal.SIGHUP)
        await kdumpd.wait_until_told(READY, count=2)
        assert sum(line == "RELOADING=1" for line in kdumpd.told) == 1
        assert "STOPPING=1" not in kdumpd.told
        assert f"{config}:3: unknown key 'Colour'" in kdumpd.log
        async with dbus_next_client(setup.bus) as client:
            assert len(await client.captures()) == 1
        for _ in range(3):
            kdumpd.process.send_signal(signal.SIGHUP)
        assert await kdumpd.stop() == 0


async def test_ledger_of_a_newer_kdumpd_is_left_alone(setup: Setup) -> None:
    async with running(setup):
        pass
    with contextlib.closing(sqlite3.connect(setup.ledger)) as ledger:
        ledger.execute("PRAGMA user_version = 1000")
    before = setup.ledger.read_bytes()
    async with started(setup) as kdumpd:
        assert await end_of(kdumpd) == EXIT_CONFIG
        assert f"'{setup.ledger}' is from a newer kdumpd" in kdumpd.log
        assert "Traceback" not in kdumpd.log
    assert setup.ledger.read_bytes() == before


async def test_what_is_wrong_with_the_configuration_is_a_finding(
    setup: Setup, tmp_path: Path
) -> None:
    nowhere = tmp_path / "hidden/kdumpd.prom"
    more = f"CrashDirectory=/srv\n[Metrics]\nTextFile={nowhere}\n"
    async with running(replace(setup, more=more)) as kdumpd, dbus_next_client(setup.bus) as client:
        manager = await client.manager()
        (finding,) = (one for one in manager["Findings"] if one[0] == "configuration")
        _, severity, message, remedy = finding
        assert severity == "info"
        assert "kdumpd.conf:3: unknown key 'CrashDirectory' in section [Manager]" in message
        assert "systemctl reload kdumpd" in remedy
        await kdumpd.wait_until_logged(f"'{nowhere}' cannot be written")
        assert f"the lines [Service] and BindPaths={nowhere.parent}, and then type:" in kdumpd.log
