# SPDX-License-Identifier: GPL-2.0-or-later
"""What people see: on terminals narrow and wide, in a pipe, with no capture, one and many."""

from pathlib import Path

import pytest

from tests.ctl.crashes import daemon_of, write_crashes
from tests.ctl.golden import assert_golden
from tests.ctl.terminal import printed, shown
from tests.ctl.test_schema import validate
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus

pytestmark = pytest.mark.bus
MANY = 10_000


@pytest.mark.parametrize("count", [0, 1, 5])
async def test_with_a_daemon(machine: Machine, tmp_path: Path, count: int) -> None:
    write_crashes(machine, count)
    async with daemon_of(machine, tmp_path, count) as bus:
        for verb in ("status", "list"):
            for width in (80, 200):
                seen = await shown(verb, "--bus", bus, width=width)
                assert_golden(f"{verb}-of-{count}-{width}", seen.out)
            plain = await shown(verb, "--bus", bus, environment={"NO_COLOR": "1"})
            assert_golden(f"{verb}-of-{count}-without-colour", plain.out)
            piped = await printed(verb, "--bus", bus)
            assert_golden(f"{verb}-of-{count}-piped", piped.out + piped.words)
            assert "\x1b" not in plain.out + piped.out
        ascii_ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb"}
        dumb = await shown("status", "--bus", bus, environment=ascii_)
        assert_golden(f"status-of-{count}-dumb", dumb.out)
        assert dumb.out.isascii()
        assert "\x1b" not in dumb.out
        for name in ("LC_ALL", "LC_CTYPE", "LANG"):
            locale = {"LC_ALL": "", name: "C", "TERM": "dumb"}
            assert (await shown("status", "--bus", bus, environment=locale)).out == dumb.out


async def test_of_a_machine_that_is_not_ready(machine: Machine, tmp_path: Path) -> None:
    machine.write("proc/sys/kernel/panic", "0\n")
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    machine.write("sys/kernel/kexec_crash_size", f"{64 << 20}\n")
    async with daemon_of(machine, tmp_path, 0) as bus:
        for width in (80, 200):
            assert_golden(f"unready-{width}", (await shown("--bus", bus, width=width)).out)
        assert_golden("unready-piped", (await printed("--bus", bus)).out)


async def test_without_a_daemon(tmp_path: Path) -> None:
    async with private_bus(tmp_path, Broker.DBUS_DAEMON) as bus:
        for verb in ("status", "list", "report"):
            seen = await shown(verb, "--bus", bus.address)
            assert_golden(f"{verb}-without-a-daemon", seen.out)
        environment = {"DBUS_SYSTEM_BUS_ADDRESS": bus.address}
        seen = await shown("status", environment=environment)
        assert_golden("status-without-the-daemon", seen.out)


@pytest.mark.long
async def test_of_very_many(machine: Machine, tmp_path: Path) -> None:
    write_crashes(machine, MANY, cut=MANY)
    async with daemon_of(machine, tmp_path, MANY) as bus:
        assert_golden("status-of-many", (await shown("--bus", bus)).out)
        assert_golden("list-of-many", (await shown("list", "-n5", "--bus", bus, width=200)).out)
        whole = await printed("list", "--no-legend", "--bus", bus)
        assert len(whole.out.splitlines()) == MANY
        for verb in ("status", "list", "check"):
            validate(verb, (await printed(verb, "--json=short", "--bus", bus)).out)
