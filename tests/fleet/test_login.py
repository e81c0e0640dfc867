# SPDX-License-Identifier: GPL-2.0-or-later
"""What a real pam_motd shows to whoever logs in."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fleet.readme import PROJECT, README, all_commands, commands
from tests.fleet.test_node_exporter import said, wait_for
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.dbus_next import dbus_next_client
from tests.support.machine import Machine
from tests.support.namespace import MOUNTS_AS_ROOT, ROOT, needs_root
from tests.support.process import output, program

pytestmark = pytest.mark.bus

CRASHED = (
    "Kernel 6.1.0-56-amd64 crashed at 2026-11-23 01:13:34 UTC: a complete dump of 17.7 KiB is in "
    "/var/crash/202611230113/dump.202611230113"
)
NOBODY = "Nobody has acknowledged this crash yet: see kdumpdctl list, and kdumpdctl acknowledge"
NOT_READY = "The next kernel panic would leave no usable dump. See kdumpdctl check"
# With a /run and a copy of /etc of its own, in which the page's commands are typed, and what the
# daemon wrote in its place, a user logs in as Debian's login and sshd do it.
LOGIN = """
set -e
mount -t tmpfs tmpfs /run
mkdir /run/etc /run/kdumpd
cp -a /etc/. /run/etc
mount --bind /run/etc /etc
mount --bind "$1" /run/kdumpd
cd "$2"
eval "$3"
printf '%s\\n' 'auth required pam_permit.so' 'account required pam_permit.so' \\
    'session required pam_permit.so' 'session optional pam_motd.so noupdate' \\
    >/etc/pam.d/kdumpd-test
exec pamtester kdumpd-test nobody open_session
"""
INSTALL = [one for one in commands("install") + commands("systemd-tmpfiles") if "motd" in one]
SILENCE = [one for one in all_commands() if "/etc/motd.d" in one]


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """The directory that systemd makes for the daemon."""
    runtime = tmp_path / "run"
    runtime.mkdir()
    return runtime


@pytest.fixture
def served(setup: Setup, runtime: Path) -> Setup:
    return replace(setup, environment={"RUNTIME_DIRECTORY": str(runtime)})


async def log_in(runtime: Path, *typed: str) -> str:
    """Return what a user is shown at the login."""
    program("pamtester", "pamtester")
    arguments = (str(runtime), str(PROJECT), "\n".join(typed))
    shown = await output(*MOUNTS_AS_ROOT, "sh", "-c", LOGIN, "sh", *arguments)
    return shown.decode()


only_root = pytest.mark.skipif(not ROOT, reason="pam_motd becomes the user who logs in")


@only_root
@needs_root
async def test_a_user_is_told_of_a_crash(machine: Machine, served: Setup, runtime: Path) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(served), dbus_next_client(served.bus) as client:
        await wait_for(runtime / "motd", NOBODY)
        shown = await log_in(runtime, *INSTALL)
        assert f"{CRASHED}\n{NOBODY}\n" in shown
        assert CRASHED not in await log_in(runtime)  # without the link
        assert CRASHED not in await log_in(runtime, *INSTALL, *SILENCE)
        await client.call("org.kdumpd1.Manager", "AcknowledgeAll")
        await wait_until_gone(runtime / "motd")
        assert "kdumpd" not in await log_in(runtime, *INSTALL)


async def test_not_ready(machine: Machine, served: Setup, runtime: Path) -> None:
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    async with running(served):
        assert await wait_for(runtime / "motd", "kernel panic") == f"{NOT_READY}\n"
        assert (runtime / "motd").stat().st_mode & 0o7777 == 0o644
        machine.write("sys/kernel/kexec_crash_loaded", "1\n")
        async with dbus_next_client(served.bus) as client:
            await client.call("org.kdumpd1.Manager", "Revalidate")
        await wait_until_gone(runtime / "motd")


async def test_what_a_daemon_said_before_it_died_goes(served: Setup, runtime: Path) -> None:
    (runtime / "motd").write_text("old news\n")
    async with running(served):
        await wait_until_gone(runtime / "motd")


async def test_no_directory_no_file(machine: Machine, setup: Setup, tmp_path: Path) -> None:
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    async with running(setup):
        await wait_for(tmp_path / "node-exporter/kdumpd.prom")
    assert everywhere(tmp_path, "motd") == []


def test_the_page_shows_what_is_told() -> None:
    (example,) = re.findall(r"^```\n(Kernel .*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert example.splitlines()[1:] == [NOBODY, NOT_READY]


def everywhere(directory: Path, name: str) -> list[Path]:
    return list(directory.rglob(name))


async def wait_until_gone(path: Path) -> None:
    async with asyncio.timeout(20):
        while said(path):  # noqa: ASYNC110  # a file has no event
            await asyncio.sleep(0.02)
