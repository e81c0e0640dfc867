# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl without a daemon: the machine is looked at once."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ctl.crashes import daemon_of, write_crashes
from tests.ctl.terminal import Shown, printed
from tests.support.cores import Crash, flattened
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus
from tests.support.rights import as_root

UNKNOWN_WITHOUT = ("found_at", "acknowledged")


async def looked(machine: Machine, *arguments: str) -> Shown:
    return await printed(*arguments, "--root", str(machine.root))


@pytest.mark.bus
async def test_it_finds_what_the_daemon_finds(machine: Machine, tmp_path: Path) -> None:
    write_crashes(machine, 5)
    alone = json.loads((await looked(machine, "list", "--json")).out)
    async with daemon_of(machine, tmp_path, 5) as bus:
        told = json.loads((await printed("list", "--json", "--bus", bus)).out)
        own = await looked(machine, "list")
        assert own == await printed("list", "--bus", bus)
        checked = await printed("check", "--bus", bus)
    assert len(told) == 5
    for one in (*alone, *told):
        for name in UNKNOWN_WITHOUT:
            del one[name]
    assert alone == told
    assert await looked(machine, "check") == checked


async def test_info(machine: Machine) -> None:
    write_crashes(machine, 2)
    info = await looked(machine, "info")
    assert (info.status, info.words) == (0, "")
    assert "Core: /var/crash/202611230213/dump.202611230213\n" in info.out


async def test_the_lines_of_info_have_one_column(machine: Machine) -> None:
    write_crashes(machine, 5)
    (machine.crash / "202611230113/dump.202611230113").unlink()  # only the log is left
    (machine.crash / "202611230213/dmesg.202611230213").unlink()
    for capture in json.loads((await looked(machine, "list", "--json")).out):
        lines = (await looked(machine, "info", capture["id"])).out.split("\n\n", 1)[1].splitlines()
        (column,) = {line.index(": ") for line in lines}
        assert all(line[column - 1] != " " for line in lines)
        crash_kernel = [line for line in lines if line.lstrip().startswith("Crash kernel: ")]
        assert len(crash_kernel) == (not capture["core_file"])


async def test_where_cores_give_no_log_it_is_said_what_helps(machine: Machine) -> None:
    write_crashes(machine, 2)
    listed = await looked(machine, "list")
    assert listed.words == ""
    for stamp in ("202611230113", "202611230213"):
        (machine.crash / stamp / f"dmesg.{stamp}").unlink()
        listed = await looked(machine, "list")
        assert listed.status == 0
    assert listed.words == (
        "Class unknown: 2 cores gave no kernel log. kdumpdctl info says why; python3-drgn, where it"
        " is installed, reads most\n"
    )


async def test_names_of_any_bytes(machine: Machine) -> None:
    directory = machine.kdump_tools("202611230113", flattened(Crash())).parent
    name = b"k\xff\xc3\xa9-202611230113"
    directory.rename(Path(str(directory.parent)) / name.decode("utf-8", "surrogateescape"))
    listed = await looked(machine, "list")
    assert "\\xffé-202611230113" in listed.out


async def test_nothing_there(machine: Machine) -> None:
    assert await looked(machine, "list") == Shown(status=1, out="", words="No captures found.\n")
    assert (await looked(machine, "info")).status == 1
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    assert (await looked(machine, "check")).status == 2


async def test_what_only_the_daemon_can_tell_is_said(machine: Machine) -> None:
    """Cores are unpacked by whoever may do nothing else, and not by root."""
    directory = machine.kdump_tools("202611230113", b"").parent
    (directory / "dump.202611230113").unlink()
    (directory / "dump.202611230113.gz").write_bytes(gzip.compress(flattened(Crash())))
    listed = await looked(machine, "list")
    assert (listed.status, listed.out) == (1, "")
    assert "only the daemon unpacks them: 1\n" in listed.words


@as_root
@pytest.mark.bus
async def test_root_is_answered_though_no_daemon_runs(tmp_path: Path) -> None:
    async with private_bus(tmp_path, Broker.DBUS_DAEMON) as bus:
        for address in (bus.address, "unix:path=/nowhere"):
            environment = {"DBUS_SYSTEM_BUS_ADDRESS": address}
            checked = await printed("check", environment=environment)
            assert checked.status in {0, 1, 2, 3}
            assert checked.out
            assert "This is a look without kdumpd" in checked.words
            assert "systemctl start kdumpd" in checked.words
            status = await printed("status", environment=environment)
            assert (status.status, status.out) == (4, "")


def test_the_child_imports_nothing_from_where_it_is_started(
    machine: Machine, tmp_path: Path
) -> None:
    write_crashes(machine, 1)
    for name in ("json.py", "kdumpd.py"):
        (tmp_path / name).write_text("raise SystemExit('taken over')\n")
    done = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-I", "-c", "import sys; from kdumpd.ctl.main import main; main()"),
            *("list", "--root", str(machine.root)),
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert b"taken over" not in done.stdout + done.stderr
    assert b"/var/crash/202611230113" in done.stdout


async def test_the_directory_may_be_named_before_the_command(machine: Machine) -> None:
    write_crashes(machine, 1)
    root = ("--root", str(machine.root))
    assert await printed(*root, "list") == await printed("list", *root)
    for verb in ((), ("status",), ("dmesg",)):
        refused = await printed(*root, *verb)
        assert (refused.status, refused.out) == (64, "")
        assert "only check, list and info take it" in refused.words


@as_root
async def test_what_a_stranger_put_there_is_marked(machine: Machine) -> None:
    write_crashes(machine, 2)
    theirs = machine.crash / "202611230113"
    await asyncio.to_thread(os.chown, theirs, 65534, 65534)
    _, ours, _ = (await looked(machine, "list")).out.splitlines()
    assert "untrusted" not in ours
    chosen = json.loads((await looked(machine, "list", "--state=untrusted", "--json")).out)
    (one,) = chosen
    assert one["trusted"] is False
    head, listed = (await looked(machine, "list", "--state=untrusted")).out.splitlines()
    assert listed[head.index("STATE") :].split()[:2] == ["untrusted", "-"]
    told = (await looked(machine, "info", one["id"])).out
    assert "Trusted: no, so it is not read and counts as no crash\n" in told
    assert "Acknowledged: " not in told


@as_root
async def test_a_crowd_of_strangers_is_a_line_for_each_user(machine: Machine) -> None:
    """Nor does it put anything out of the newest; --untrusted shows each, and so does JSON."""
    write_crashes(machine, 2)
    for number in range(30):
        theirs = machine.crash / f"20270101{number:04}"
        theirs.mkdir()
        (theirs / "vmcore").touch()
        await asyncio.to_thread(os.chown, theirs, 65534 - number % 2, 65534)
    alone = machine.crash / "202702010000"
    alone.mkdir()
    (alone / "vmcore").touch()
    await asyncio.to_thread(os.chown, alone, 1000, 1000)
    listed = await looked(machine, "list")
    assert len(listed.out.splitlines()) == 1 + 3
    assert listed.out.count("untrusted") == 1
    said = [line for line in listed.words.splitlines() if "not trusted" in line]
    assert sorted(said) == [
        f"15 captures of uid {uid} are not trusted: kdumpdctl list --untrusted"
        for uid in (65533, 65534)
    ]
    newest = (await looked(machine, "list", "-n", "3", "--no-legend")).out
    assert all(f"/var/crash/{name}" in newest for name in ("202611230113", "202611230213"))
    for way in (["--untrusted"], ["--state=untrusted"]):
        each = await looked(machine, "list", *way)
        assert each.out.count("untrusted") == 31
        assert "not trusted" not in each.words
    assert len(json.loads((await looked(machine, "list", "--json")).out)) == 33
    owners = {one["owner"] for one in json.loads((await looked(machine, "list", "--json")).out)}
    assert owners == {os.geteuid(), 1000, 65533, 65534}
    (machine.crash / "202611230113").rename(machine.root / "away")
    (machine.crash / "202611230213").rename(machine.root / "gone")
    alone.rename(machine.root / "too")
    only_theirs = await looked(machine, "list")
    assert (only_theirs.status, only_theirs.out) == (0, "")
    assert "15 captures of uid 65534 are not trusted" in only_theirs.words
