# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl, as people and scripts use it."""

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.background import in_background
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.machine import Machine
from tests.support.message_bus import Broker, Bus, private_bus

pytestmark = pytest.mark.bus


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: exit status, stdout, stderr."""

    status: int
    out: str
    words: str


async def kdumpdctl(*arguments: str) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kdumpd.ctl.main", *arguments),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env={"PATH": os.environ["PATH"], "TZ": "UTC"},
    )
    async with asyncio.timeout(20):
        out, words = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), words.decode())


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    (tmp_path / "bus").mkdir()
    async with private_bus(tmp_path / "bus", Broker.DBUS_DAEMON) as bus:
        yield bus


@asynccontextmanager
async def serving(machine: Machine, directory: Path) -> AsyncIterator[str]:
    """Run a daemon that knows two captures, on a bus whose address is yielded."""
    machine.kdump_tools("202611230113", flattened(Crash(crash_time=1_795_396_414)))
    machine.kdump_utils("2026-11-23-02:00:00", flattened(Crash(crash_time=1_795_399_200))[:-1])
    async with private_bus(directory, Broker.DBUS_DAEMON) as bus:
        setup = Setup(root=machine.root, state=directory / "state", bus=bus.address, settle=0.1)
        async with running(setup) as kdumpd:
            await kdumpd.wait_until_told("STATUS=ready; 2 captures")
            yield bus.address


@pytest.fixture
async def address(machine: Machine, tmp_path: Path) -> AsyncIterator[str]:
    async with serving(machine, tmp_path) as address:
        yield address


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """For tests that change nothing."""
    directory = tmp_path_factory.mktemp("shared")
    with in_background(serving(Machine(directory / "machine"), directory)) as address:
        yield address


async def test_status_is_the_default(shared: str) -> None:
    status = await kdumpdctl("--bus", shared)
    assert status == await kdumpdctl("status", f"--bus={shared}")
    assert (status.status, status.words) == (0, "")
    assert status.out.startswith("ready: The next kernel panic would leave a dump.\n")
    assert "256 MiB reserved, crashkernel=256M" in status.out
    assert "Captures: 2" in status.out
    assert "Last: kernel 6.1.0-56-amd64, Mon 2026-11-23 02:00:00 UTC, incomplete" in status.out


async def test_list_has_the_newest_last(shared: str) -> None:
    listed = await kdumpdctl("list", "--bus", shared)
    head, first, last = listed.out.splitlines()
    assert head.split() == ["TIME", "KERNEL", "CLASS", "STATE", "NEW", "SIZE", "ID", "DIRECTORY"]
    assert "2026-11-23 01:13:34 UTC" in first
    assert "complete" in first
    assert "2026-11-23 02:00:00 UTC" in last
    assert "incomplete" in last
    assert last.endswith("/var/crash/127.0.0.1-2026-11-23-02:00:00")
    assert listed.status == 0


async def test_info_of_the_newest_and_by_the_beginning_of_an_id(shared: str) -> None:
    newest = await kdumpdctl("info", "--bus", shared)
    assert "State: incomplete" in newest.out
    assert "Problem: " in newest.out
    captures = json.loads((await kdumpdctl("list", "--json=short", "--bus", shared)).out)
    first = captures[0]["id"]
    info = await kdumpdctl("info", first[:6], "--bus", shared)
    assert f"Capture: {first}\n" in info.out
    assert "Core: /var/crash/202611230113/dump.202611230113\n" in info.out
    assert "Crashed: Mon 2026-11-23 01:13:34 UTC\n" in info.out


async def test_json_of_every_verb(shared: str) -> None:
    status = json.loads((await kdumpdctl("status", "--json", "--bus", shared)).out)
    assert (status["readiness"], status["findings"], status["captures"]) == ("ready", [], 2)
    assert status["reserved_bytes"] == 256 << 20
    captures = json.loads((await kdumpdctl("--json=pretty", "list", "--bus", shared)).out)
    assert [capture["state"] for capture in captures] == ["complete", "incomplete"]
    assert captures[0]["core_file"] == "/var/crash/202611230113/dump.202611230113"
    assert captures[0]["crashed_at"] == 1_795_396_414_000_000
    short = await kdumpdctl("info", captures[0]["id"], "--json", "short", "--bus", shared)
    assert json.loads(short.out) == captures[0]
    assert short.out.count("\n") == 1
    off = await kdumpdctl("info", "--json=off", "--bus", shared)
    assert off == await kdumpdctl("info", "--bus", shared)


async def test_finding_says_what_to_do(machine: Machine, address: str) -> None:
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    async with asyncio.timeout(90):
        revalidate = await asyncio.create_subprocess_exec(
            *("busctl", f"--address={address}", "call", "org.kdumpd1", "/org/kdumpd1"),
            *("org.kdumpd1.Manager", "Revalidate"),
        )
        assert await revalidate.wait() == 0
    status = await kdumpdctl("--bus", address)
    assert status.status == 2
    assert status.out.startswith("not-ready: ")
    assert (
        "fatal: no crash kernel is loaded, so a panic leaves no dump [crash-kernel-unloaded]"
        in status.out
    )
    assert "what to do: kdump-config load" in status.out
    assert "Crash kernel: not loaded" in status.out


async def test_check_tells_what_is_wrong_and_counts_what_passed(
    machine: Machine, address: str
) -> None:
    """It looks now: nobody has to wait for the next minute."""
    checked = await kdumpdctl("check", "--bus", address)
    assert (checked.status, checked.words) == (0, "")
    assert checked.out.startswith("ready: The next kernel panic would leave a dump.\n")
    assert re.search(r"^\d+ checks passed \(-v lists them\)$", checked.out, re.MULTILINE)
    assert "a crash kernel is loaded" not in checked.out
    for option in ("-v", "--verbose"):
        verbose = await kdumpdctl("check", option, "--bus", address)
        assert re.search(r"^\d+ checks passed:\n", verbose.out, re.MULTILINE)
        assert "\n  a crash kernel is loaded\n" in verbose.out
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    checked = await kdumpdctl("check", "--bus", address)
    assert checked.status == 2
    assert (
        "no crash kernel is loaded, so a panic leaves no dump [crash-kernel-unloaded]\n"
        in checked.out
    )
    assert "what to do: kdump-config load" in checked.out


async def test_check_and_the_daemons_own_check_say_the_same(machine: Machine, address: str) -> None:
    told = json.loads((await kdumpdctl("check", "--json", "--bus", address)).out)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kdumpd.daemon", "--root", str(machine.root)),
        *("--check", "--json=short"),
        stdout=PIPE,
    )
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    own = json.loads(out)
    assert own.pop("checked_at") != told.pop("checked_at")
    assert own == told
    assert own["readiness"] == "ready"
    assert {one["outcome"] for one in own["checks"]} == {"ok"}


@pytest.mark.parametrize(
    ("ram", "reserved", "applies"), [("256M", 0, 0), ("1G", 64, 1), ("4G", 128, 2)]
)
async def test_check_reads_the_server_guides_example(
    machine: Machine, address: str, ram: str, reserved: int, applies: int
) -> None:
    """Three lines, of which one is about this machine (Ubuntu server guide, kernel crash dump)."""
    machine.write("proc/cmdline", "quiet crashkernel=384M-2G:64M,2G-:128M\n")
    machine.write("sys/kernel/kexec_crash_size", f"{reserved << 20}\n")
    end = {"256M": "0fffffff", "1G": "3fffffff", "4G": "ffffffff"}[ram]
    machine.write("proc/iomem", f"00000000-{end} : System RAM\n")
    checked = await kdumpdctl("check", "--bus", address)
    told = checked.out.splitlines()[-5:-3]
    reading = ["", *checked.out.splitlines()[-3:]]
    assert " ".join(told).startswith(
        "How the kernel reads crashkernel=384M-2G:64M,2G-:128M (here: "
    )
    assert [number for number, line in enumerate(reading[1:]) if "> " in line] == [applies]
    for line, words in zip(reading[1:], ("384M", "64M", "128M"), strict=True):
        assert words in line
    assert (checked.status == 2) == (reserved == 0)


async def test_no_such_capture(shared: str) -> None:
    info = await kdumpdctl("info", "ffffffffffffffff", "--bus", shared)
    assert (info.status, info.out) == (1, "")
    assert "No capture with the id 'ffffffffffffffff'" in info.words


async def test_no_captures(machine: Machine, tmp_path: Path, bus: Bus) -> None:
    setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus.address)
    async with running(setup):
        assert await kdumpdctl("list", "--bus", bus.address) == Outcome(
            1, "", "No captures found.\n"
        )
        assert await kdumpdctl("info", "--bus", bus.address) == Outcome(
            1, "", "No captures found.\n"
        )
        assert (await kdumpdctl("list", "--json=short", "--bus", bus.address)).out == "[]\n"
        for question in ("info", "report", "path"):
            assert await kdumpdctl(question, "--json", "--bus", bus.address) == Outcome(
                1, "", "No captures found.\n"
            )
        for option, out in (("--json=off", ""), ("--json=short", '{"acknowledged": []}\n')):
            assert await kdumpdctl("acknowledge", "--all", option, "--bus", bus.address) == Outcome(
                0, out, "There is no crash to acknowledge.\n"
            )


async def test_no_daemon(bus: Bus) -> None:
    status = await kdumpdctl("--bus", bus.address)
    assert (status.status, status.out) == (4, "")
    assert status.words == (
        f"kdumpd does not run on the bus '{bus.address}'.\n"
        "Without kdumpd running: kdumpd --check judges readiness once.\n"
    )
    listed = await kdumpdctl("list", "--bus", bus.address)
    assert listed.words == f"kdumpd does not run on the bus '{bus.address}'.\n"


@pytest.mark.parametrize(
    ("bus", "words"),
    [
        ("unix:path=/nowhere", "cannot connect to the bus at unix:path=/nowhere: No such file"),
        ("nonsense", "'nonsense' is not a bus"),
        ("tcp:nothing", "cannot connect to the bus at tcp:nothing"),
        ("unix:abstract", "cannot connect to the bus at unix:abstract"),
        ("session", "no session bus: DBUS_SESSION_BUS_ADDRESS is not set"),
    ],
)
async def test_no_bus(bus: str, words: str) -> None:
    status = await kdumpdctl("--bus", bus)
    assert (status.status, status.out) == (4, "")
    assert words in status.words
    assert "Traceback" not in status.words


async def test_wrong_command_line() -> None:
    assert (await kdumpdctl("explode")).status == 64
    assert (await kdumpdctl("--json=yaml")).status == 64


async def test_full_disk_behind_a_redirection_is_one_sentence(shared: str) -> None:
    script = f'exec "{sys.executable}" -m kdumpd.ctl.main list --bus "{shared}" >/dev/full'
    process = await asyncio.create_subprocess_exec("sh", "-c", script, stderr=PIPE)
    async with asyncio.timeout(20):
        _, words = await process.communicate()
    assert (process.returncode, words) == (74, b"cannot print: No space left on device\n")


async def test_help_documents_exit_status() -> None:
    shown = await kdumpdctl("--help")
    assert shown.status == 0
    assert "exit status" in shown.out
    assert "[--json [MODE]]" in shown.out
