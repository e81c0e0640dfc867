# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd --check: one sentence, findings, an exit status; no bus, no root, no installation."""

import asyncio
import json
import os
import re
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.machine import Machine
from tests.support.namespace import needs_root
from tests.support.sample_machines import build, machines

NOBODY = 65534


async def check(root: Path, *more: str, user: int | None = None) -> tuple[int, str, str]:
    """Return exit status, stdout and stderr of `kdumpd --check`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kdumpd.daemon", "--check", "--root", str(root), *more),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        user=user,
        env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere", "PATH": os.environ["PATH"]},
    )
    async with asyncio.timeout(20):
        out, words = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), words.decode()


def unwrapped(out: str) -> str:
    """Return what is printed without the ends of lines that depend on how long a path is."""
    return " ".join(out.split())


def ready(machine: Machine) -> None:
    machine.write("proc/cmdline", "quiet crashkernel=256M\n")


def degraded(machine: Machine) -> None:
    machine.write("sys/kernel/kexec_crash_size", f"{128 << 20}\n")


def not_ready(machine: Machine) -> None:
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")


def unsupported(machine: Machine) -> None:
    for name in ("kexec_crash_loaded", "kexec_crash_size"):
        (machine.root / "sys/kernel" / name).unlink()


@pytest.mark.parametrize(
    ("prepare", "status", "code"),
    [
        (ready, 0, ""),
        (degraded, 1, "reservation-short"),
        (not_ready, 2, "crash-kernel-unloaded"),
        (unsupported, 3, "kexec-unsupported"),
    ],
)
async def test_exit_status_and_words(
    machine: Machine, prepare: Callable[[Machine], None], status: int, code: str
) -> None:
    prepare(machine)
    returned, out, words = await check(machine.root)
    sentence, *_ = out.splitlines()
    assert returned == status
    assert sentence.endswith(".")
    assert code in out
    assert ("what to do: " in out) == bool(code)
    counted = re.search(r"^\d+ checks passed \(-v lists them\)$", out, re.MULTILINE)
    assert (counted is not None) == (status != 3)
    assert words == ""


async def test_verbose_lists_what_passed_below_what_is_wrong(machine: Machine) -> None:
    degraded(machine)
    _, short, _ = await check(machine.root)
    status, out, words = await check(machine.root, "-v")
    assert (status, words) == (1, "")
    problems, _, listed = out.partition(" checks passed:\n")
    assert short.startswith(f"{problems} checks passed (-v lists them)\n")
    assert "reservation-short" in problems
    number = int(problems.splitlines()[-1])
    messages = [line for line in listed.splitlines() if re.match(r"  \S", line)]
    assert len(messages) >= number > 1
    assert "  a crash kernel is loaded" in messages
    assert (await check(machine.root, "--verbose"))[1] == out


@pytest.mark.parametrize(
    "lines",
    ["force_no_rebuild\t1", 'path "/var/crash"\nforce_no_rebuild 1', 'path\t"/var/crash" # here'],
)
async def test_kdump_conf_with_tabs_and_quotes(tmp_path: Path, lines: str) -> None:
    root = tmp_path / "root"
    build(machines()["centos-stream-10-ready"], root)
    config = root / "etc/kdump.conf"
    made = config.stat().st_mtime
    with config.open("a") as file:
        file.write(lines)
    # With force_no_rebuild the initrd may be older than its configuration.
    if "force_no_rebuild" not in lines:
        os.utime(config, (made, made))
    status, out, words = await check(root)
    assert (status, words) == (0, "")
    assert out.startswith("ready: ")


def nobody_has_python() -> bool:
    """Try it: an interpreter in somebody's home is not for others, and only root becomes nobody."""
    try:
        subprocess.run([sys.executable, "-c", ""], check=True, user=NOBODY, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@pytest.mark.skipif(not nobody_has_python(), reason="nobody may not run this Python")
async def test_nobody_may_ask(machine: Machine, tmp_path: Path) -> None:
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    status, out, words = await check(machine.root, user=NOBODY)
    assert (status, words) == (0, "")
    assert out.startswith("ready: ")


async def test_this_machine_has_an_answer() -> None:
    status, out, _ = await check(Path("/"))
    assert status in {0, 1, 2, 3}
    assert out.partition(":")[0] in {"ready", "degraded", "not-ready", "unsupported"}


@pytest.mark.parametrize("content", ["", "yes\n", "-1\n", "1\n0\n", "\0", "9" * 5000])
async def test_garbage_is_named_and_never_ready(machine: Machine, content: str) -> None:
    machine.write("sys/kernel/kexec_crash_loaded", content)
    status, out, words = await check(machine.root)
    assert status == 2
    assert "sys/kernel/kexec_crash_loaded' holds no number" in unwrapped(out)
    assert words == ""


async def test_mistaken_configuration_is_named_and_the_rest_stands(machine: Machine) -> None:
    machine.write("etc/kdumpd/kdumpd.conf", "[Manager]\nSettleSec=soon\nColour=blue\n")
    status, _, words = await check(machine.root)
    assert status == 0
    assert f"{machine.root}/etc/kdumpd/kdumpd.conf:2: " in words
    assert f"{machine.root}/etc/kdumpd/kdumpd.conf:3: unknown key 'Colour'" in words


async def test_root_that_is_no_directory() -> None:
    status, _, words = await check(Path("/nowhere"))
    assert status == 64
    assert "'/nowhere' is not a directory" in words


async def test_directory_without_a_kernel_is_no_broken_machine(tmp_path: Path) -> None:
    (tmp_path / "var/crash").mkdir(parents=True)
    status, out, words = await check(tmp_path)
    assert (status, words) == (3, "")
    assert f"no kernel runs below '{tmp_path}' [kernel-absent]" in unwrapped(out)
    assert "kernel-unreadable" not in out


async def test_verdict_that_cannot_be_printed_is_no_verdict(machine: Machine) -> None:
    script = f'exec "{sys.executable}" -m kdumpd.daemon --check --root "{machine.root}" >/dev/full'
    process = await asyncio.create_subprocess_exec("sh", "-c", script, stderr=PIPE)
    async with asyncio.timeout(20):
        _, words = await process.communicate()
    assert (process.returncode, words) == (
        74,
        b"kdumpd: cannot print: No space left on device\n",
    )


@needs_root
async def test_addresses_are_read_from_what_somebody_opened_who_may_see_them() -> None:
    assert "/proc/iomem" not in await ram_source("--iomem", "0", stdin=os.devnull)
    assert "/proc/iomem" in await ram_source("--iomem", "0", stdin="/proc/iomem")


async def ram_source(*more: str, stdin: str) -> str:
    """Return whence a daemon without CAP_SYS_ADMIN knows how much memory there is."""
    fd = os.open(stdin, os.O_RDONLY)
    try:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--bounding-set=-sys_admin", "--", sys.executable, "-m", "kdumpd.daemon"),
            *("--check", "--json=short", *more),
            stdin=fd,
            stdout=PIPE,
        )
        async with asyncio.timeout(20):
            out, _ = await process.communicate()
    finally:
        os.close(fd)
    return str(json.loads(out)["system_ram_source"])


@pytest.mark.parametrize("number", ["900", "-1", "iomem", ""])
async def test_descriptor_that_is_not_open(machine: Machine, number: str) -> None:
    status, _, words = await check(machine.root, f"--iomem={number}")
    assert status == 64
    assert f"'{number}' is not an open descriptor" in words


async def test_a_line_of_the_configuration_that_cannot_be_used(machine: Machine) -> None:
    machine.write(
        "etc/kdumpd/kdumpd.conf", "[Manager]\nSettleSecs=30\n[CrashTest]\nEnabled=maybe\n"
    )
    status, out, words = await check(machine.root)
    assert status == 0  # it keeps no dump from being saved
    file = machine.root / "etc/kdumpd/kdumpd.conf"
    said = f"{file}:2: unknown key 'SettleSecs' in section [Manager] (the default is used)"
    assert f"info: {said} [configuration]" in unwrapped(out)
    assert f"{file}:4: Enabled=maybe: neither yes nor no" in unwrapped(out)
    assert said in words
