# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpd-inspect reads out of cores, as users see it on the bus and in the journal."""

import asyncio
import bz2
import contextlib
import gzip
import lzma
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.daemon.test_captures import COMPLETE, INCOMPLETE, only, until_settled
from tests.support.cores import Crash, flattened, kdump
from tests.support.daemon import Kdumpd, Setup, running
from tests.support.dbus_next import dbus_next_client
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.namespace import needs_root

pytestmark = pytest.mark.bus

STAMP = "202611230113"
AN_HOUR = 3600
WRAPPERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gz": ("gzip", gzip.compress),
    "bz2": ("bzip2", bz2.compress),
    "xz": ("xz", lzma.compress),
}
PANIC = b"[   12.000000] Kernel panic - not syncing: sysrq triggered crash\n"


def wrapped(machine: Machine, extension: str, content: bytes) -> Path:
    """Write a capture as kdump-tools do with KDUMP_COMPRESSION, an hour ago."""
    core = machine.kdump_tools(STAMP, content, PANIC)
    core = core.rename(core.with_name(f"{core.name}.{extension}"))
    made = core.stat().st_mtime - AN_HOUR
    os.utime(core, (made, made))
    return core


@pytest.mark.parametrize("extension", WRAPPERS)
async def test_a_compressed_core_is_proven_whole(
    machine: Machine, setup: Setup, extension: str
) -> None:
    name, compress = WRAPPERS[extension]
    bare = machine.kdump_utils("2026-11-23-01:13:34", flattened(Crash(crash_time=1795396415)))
    async with running(setup), dbus_next_client(setup.bus) as client:
        wrapped(machine, extension, compress(flattened(Crash())))
        await client.wait_for(1, "InterfacesAdded")
        await until_settled(client)
        listed = {bytes(one["CoreFile"]): one for one in (await client.captures()).values()}
        (capture,) = (one for path, one in listed.items() if path.endswith(extension.encode()))
        assert (capture["State"], capture["Problem"]) == ("complete", "")
        assert (capture["Format"], capture["Compression"]) == ("flattened", name)
        assert capture["KernelRelease"] == Crash().release
        assert capture["Class"] == "sysrq"
        assert b"/" + bytes(bare.relative_to(machine.root)) in listed


async def test_it_is_the_same_capture_as_without_the_compression(
    machine: Machine, setup: Setup
) -> None:
    core = wrapped(machine, "gz", gzip.compress(flattened(Crash())))
    async with running(setup), dbus_next_client(setup.bus) as client:
        await until_settled(client)
        before = await only(client)
    core.unlink()
    core.with_suffix("").write_bytes(flattened(Crash()))
    async with running(setup), dbus_next_client(setup.bus) as client:
        after = await only(client)
    assert (after["Id"], after["FoundAt"]) == (before["Id"], before["FoundAt"])


@needs_root
async def test_a_writer_that_was_killed_before_a_compressor_that_was_not(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    """The compressor ends its stream well, and kdump-tools gives it the name of a whole dump."""
    content = flattened(Crash())
    wrapped(machine, "gz", gzip.compress(content[: len(content) // 2]))
    setup = replace(setup, prefix=journal.prefix)
    async with running(setup), dbus_next_client(setup.bus) as client:
        await until_settled(client)
        assert (await only(client))["State"] == "incomplete"
        (entry,) = await journal.wait_for(1, INCOMPLETE)
        assert entry["KDUMPD_CLASS"] == "sysrq"


@needs_root
async def test_a_core_alone_is_shown_at_once_and_told_when_it_was_read(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    setup = replace(setup, prefix=journal.prefix)
    async with running(setup), dbus_next_client(setup.bus) as client:
        directory = machine.crash / "alone"
        directory.mkdir()
        (directory / "growing").write_bytes(kdump(Crash()))
        (directory / "growing").rename(directory / "vmcore")
        await client.wait_for(1, "InterfacesAdded")
        capture = await only(client)
        assert capture["State"] == "complete"
        (entry,) = await journal.wait_for(1, COMPLETE)
        assert entry["KDUMPD_CAPTURE"] == capture["Id"]
        capture = await only(client)
        assert capture["State"] == "complete"
        assert "gives no kernel log" in capture["Problem"]


async def test_it_is_not_read_again_after_a_restart(machine: Machine, setup: Setup) -> None:
    wrapped(machine, "gz", gzip.compress(flattened(Crash())))
    async with running(setup), dbus_next_client(setup.bus) as client:
        await until_settled(client)
        assert (await only(client))["State"] == "complete"
    # Whoever would start the reader now finds no Python to run it.
    no_child = ("prlimit", "--nproc=0:0", "--")
    async with running(replace(setup, prefix=no_child)), dbus_next_client(setup.bus) as client:
        assert (await only(client))["State"] == "complete"


async def test_a_kdumpd_that_is_killed_while_it_reads_tries_no_more_than_twice(
    machine: Machine, setup: Setup
) -> None:
    # 100 GiB of zeros in 100 MB would take minutes; this takes longer than the kill.
    bomb = gzip.compress(bytes(1 << 26), 1) * 64
    wrapped(machine, "gz", bomb)
    for _ in range(2):
        async with running(setup) as kdumpd:
            await reader_of(kdumpd)
            await kdumpd.kill()
    async with running(setup), dbus_next_client(setup.bus) as client:
        await until_settled(client)
        capture = await only(client)
        assert capture["State"] == "unreadable"
        assert "set aside after 2 attempts" in capture["Problem"]


async def reader_of(kdumpd: Kdumpd) -> int:
    """Return the process that reads a core once there is one."""
    async with asyncio.timeout(20):
        while not (found := children(kdumpd.process.pid)):  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0.05)
    return found[0]


def children(pid: int) -> list[int]:
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found += [int(child) for child in listing.read_text().split()]
    return found


async def test_orderly_stops_while_it_reads_do_not_count(machine: Machine, setup: Setup) -> None:
    wrapped(machine, "gz", gzip.compress(bytes(1 << 26), 1) * 64)
    for _ in range(3):
        async with running(setup) as kdumpd:
            await reader_of(kdumpd)
            assert await kdumpd.stop() == 0


async def test_nothing_is_left_of_the_reader_when_kdumpd_stops(
    machine: Machine, setup: Setup
) -> None:
    wrapped(machine, "gz", gzip.compress(bytes(1 << 26), 1) * 64)
    async with running(setup) as kdumpd:
        reader = await reader_of(kdumpd)
        assert await kdumpd.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(reader, signal.SIGCONT)
