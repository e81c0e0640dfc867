# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl dmesg, path and acknowledge, as people and scripts use them."""

import asyncio
import json
import os
import pty
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kdumpd.ctl.dmesg import terminal_text
from tests.ctl.test_main import Outcome, kdumpdctl
from tests.support.background import in_background
from tests.support.cores import Crash, flattened
from tests.support.daemon import Kdumpd, Setup, running
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus
from tests.support.rights import as_root
from tests.support.yielding_polkit import yielding_polkit

# Without polkit only root has rights.
pytestmark = [pytest.mark.bus, as_root]

LOG = "[    0.0] Linux version…\n[    1.5]\tKernel panic \x1b[31m\x07\n"
ESCAPED = "[    0.0] Linux version…\n[    1.5]\tKernel panic \\x1b[31m\\x07\n"
FIRST = "202611230113"
LAST = "127.0.0.1-2026-11-23-02:00:00"


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "bus").mkdir()
    async with private_bus(tmp_path / "bus", Broker.DBUS_DAEMON) as bus:
        yield bus.address


@asynccontextmanager
async def serving(machine: Machine, directory: Path, bus: str) -> AsyncIterator[Kdumpd]:
    """Run a daemon that knows two captures."""
    core = flattened(Crash(crash_time=1_795_396_414))
    machine.kdump_tools(FIRST, core, LOG.encode())
    core = flattened(Crash(crash_time=1_795_399_200))
    machine.kdump_utils(LAST.partition("-")[2], core, b"the newest\xff\n")
    setup = Setup(root=machine.root, state=directory / "state", bus=bus, settle=0.1)
    async with running(setup) as kdumpd:
        await kdumpd.wait_until_told("STATUS=ready; 2 captures")
        yield kdumpd


@pytest.fixture
async def kdumpd(machine: Machine, tmp_path: Path, bus: str) -> AsyncIterator[Kdumpd]:
    async with serving(machine, tmp_path, bus) as kdumpd:
        yield kdumpd


@asynccontextmanager
async def serving_on_a_bus(directory: Path) -> AsyncIterator[str]:
    async with (
        private_bus(directory, Broker.DBUS_DAEMON) as bus,
        serving(Machine(directory / "machine"), directory, bus.address),
    ):
        yield bus.address


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """For tests that change nothing."""
    with in_background(serving_on_a_bus(tmp_path_factory.mktemp("shared"))) as bus:
        yield bus


async def ids(bus: str) -> list[str]:
    listed = await kdumpdctl("list", "--json=short", "--bus", bus)
    return [capture["id"] for capture in json.loads(listed.out)]


async def acknowledged(bus: str) -> list[bool]:
    listed = await kdumpdctl("list", "--json=short", "--bus", bus)
    return [capture["acknowledged"] for capture in json.loads(listed.out)]


async def printed(*arguments: str) -> bytes:
    """Return what kdumpdctl prints into a pipe."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kdumpd.ctl.main", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return out


async def on_a_terminal(*arguments: str) -> str:
    """Return what kdumpdctl shows on a terminal, which it also reads from."""
    master, terminal = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kdumpd.ctl.main", *arguments),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        async with asyncio.timeout(20):
            await process.wait()
        return os.read(master, 65536).decode().replace("\r\n", "\n")
    finally:
        os.close(terminal)
        os.close(master)


async def test_log_goes_into_a_pipe_as_it_is(shared: str) -> None:
    first, _ = await ids(shared)
    assert await printed("dmesg", first[:8], "--bus", shared) == LOG.encode()
    assert await printed("dmesg", "--bus", shared) == b"the newest\xff\n"


async def test_log_does_nothing_to_a_terminal(shared: str) -> None:
    first, _ = await ids(shared)
    assert await on_a_terminal("dmesg", first, "--bus", shared) == ESCAPED
    assert await on_a_terminal("dmesg", "--bus", shared) == "the newest\\xff\n"


def test_letters_are_whole_wherever_the_log_is_cut() -> None:
    log = LOG.encode()
    for cut in range(len(log)):
        assert "".join(terminal_text([log[:cut], log[cut:]])) == ESCAPED


async def test_a_person_is_asked_only_at_a_terminal(shared: str) -> None:
    async with yielding_polkit(shared) as polkit:
        for asking in (printed, on_a_terminal):
            answer = asyncio.create_task(polkit.answer())
            await asking("dmesg", "--bus", shared)
            await answer
        assert [flags for _, _, _, flags, _ in polkit.questions] == [0, 1]


async def test_refusal_is_a_sentence(shared: str) -> None:
    async with yielding_polkit(shared) as polkit:
        for verb in ("dmesg", "acknowledge"):
            answer = asyncio.create_task(polkit.answer(body=[False, False, {}]))
            refused = await kdumpdctl(verb, "--bus", shared)
            await answer
            assert (refused.status, refused.out) == (1, "")
            assert refused.words.startswith("You may not ")
            assert refused.words.endswith("Run it as root, or ask an administrator.\n")


async def test_path_leads_to_the_core(shared: str) -> None:
    first, _ = await ids(shared)
    core = f"/var/crash/{FIRST}/dump.{FIRST}\n".encode()
    assert await printed("path", first, "--bus", shared) == core
    assert await printed("path", "--bus", shared) == f"/var/crash/{LAST}/vmcore\n".encode()
    directory = await printed("path", "--directory", first[:4], "--bus", shared)
    assert directory == f"/var/crash/{FIRST}\n".encode()


async def test_path_that_leads_nowhere_is_not_printed(
    machine: Machine, kdumpd: Kdumpd, bus: str
) -> None:
    first, _ = await ids(bus)
    for file in (machine.crash / FIRST).iterdir():
        file.unlink()
    await kdumpd.wait_until_logged("is gone")
    gone = await kdumpdctl("path", first, "--bus", bus)
    words = f"Capture {first} is gone. It was '/var/crash/{FIRST}/dump.{FIRST}'.\n"
    assert gone == Outcome(1, "", words)
    log = await kdumpdctl("dmesg", first, "--bus", bus)
    assert log == Outcome(1, "", f"The files of capture {first} are gone.\n")


async def test_what_is_gone_is_not_meant_without_an_id(
    machine: Machine, kdumpd: Kdumpd, bus: str
) -> None:
    _, last = await ids(bus)
    for directory, left in ((LAST, 1), (FIRST, 0)):
        shutil.rmtree(machine.crash / directory)
        await kdumpd.wait_until_logged(f"is gone from /var/crash/{directory}")
        shown = await kdumpdctl("path", "--bus", bus)
        if left:
            assert shown == Outcome(0, f"/var/crash/{FIRST}/dump.{FIRST}\n", "")
    words = "All captures are gone. To see what is known of one, name its id: kdumpdctl list\n"
    for verb in ("info", "dmesg", "report", "path", "acknowledge"):
        assert await kdumpdctl(verb, "--bus", bus) == Outcome(1, "", words)
    assert f"Capture: {last}\n" in (await kdumpdctl("info", last, "--bus", bus)).out


@pytest.mark.usefixtures("kdumpd")
async def test_newest_is_acknowledged(bus: str) -> None:
    status = await kdumpdctl("--bus", bus)
    assert "\nNot acknowledged: 2  (kdumpdctl acknowledge --all)\n" in status.out
    done = await kdumpdctl("acknowledge", "--bus", bus)
    assert (done.status, done.out) == (0, "")
    assert done.words.startswith("Acknowledged: kernel 6.1.0-56-amd64, Mon 2026-11-23 02:00:00")
    assert await acknowledged(bus) == [False, True]
    listed = (await kdumpdctl("list", "--bus", bus)).out.splitlines()
    column = listed[0].index("NEW")
    assert [line[column : column + 3].strip() for line in listed[1:]] == ["yes", "no"]
    assert "\nNot acknowledged: 1  " in (await kdumpdctl("--bus", bus)).out
    assert "Acknowledged: yes\n" in (await kdumpdctl("info", "--bus", bus)).out


@pytest.mark.usefixtures("kdumpd")
async def test_some_are_acknowledged_or_none(bus: str) -> None:
    first, last = await ids(bus)
    wrong = await kdumpdctl("acknowledge", first, "ffffffffffffffff", "--bus", bus)
    assert wrong.status == 1
    assert "No capture with the id 'ffffffffffffffff'" in wrong.words
    assert await acknowledged(bus) == [False, False]
    assert (await kdumpdctl("acknowledge", first[:6], last, "--bus", bus)).status == 0
    assert await acknowledged(bus) == [True, True]


@pytest.mark.usefixtures("kdumpd")
async def test_all_are_acknowledged(bus: str) -> None:
    done = await kdumpdctl("acknowledge", "--all", "--bus", bus)
    assert done == Outcome(0, "", "All crashes are acknowledged; 2 had not been before.\n")
    assert await acknowledged(bus) == [True, True]
    assert "Not acknowledged" not in (await kdumpdctl("--bus", bus)).out


async def test_what_nobody_needs_to_acknowledge_is_not_said_to_be(
    machine: Machine, tmp_path: Path, bus: str
) -> None:
    stranger = machine.kdump_tools("202611230300", flattened(Crash(crash_time=1_795_402_800)))
    os.chown(stranger.parent, 65534, 65534)
    setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus, settle=0.1)
    machine.kdump_tools(FIRST, flattened(Crash(crash_time=1_795_396_414)), LOG.encode())
    async with running(setup) as kdumpd:
        await kdumpd.wait_until_told("STATUS=ready; 2 captures")
        listed = json.loads((await kdumpdctl("list", "--json=short", "--bus", bus)).out)
        (trusted,) = [capture["id"] for capture in listed if capture["trusted"]]
        done = await kdumpdctl("acknowledge", "--all", "--json=short", "--bus", bus)
        assert done.words == "All crashes are acknowledged; 1 had not been before.\n"
        assert json.loads(done.out) == {"acknowledged": [trusted]}


async def test_some_and_all_is_a_mistake() -> None:
    both = await kdumpdctl("acknowledge", "--all", "170fcc1f40175c28")
    assert both.status == 64
    assert "not allowed with" in both.words


@pytest.mark.parametrize("verb", ["dmesg", "path", "acknowledge"])
async def test_every_verb_has_help(verb: str) -> None:
    shown = await kdumpdctl(verb, "--help")
    assert (shown.status, shown.words) == (0, "")
    assert f"usage: kdumpdctl {verb}" in shown.out
