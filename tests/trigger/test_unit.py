# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd understands the units, finds little exposed, and passes the descriptor as we take it."""

import re
import shutil
from pathlib import Path

import pytest

from tests.support.process import output, program

UNITS = Path(__file__).parents[2] / "systemd"
UNIT = UNITS / "kdumpd-trigger.service"
OLD = UNITS / "kdumpd-trigger.service.d/systemd-252.conf"
ACTIVATION = Path(__file__).parents[2] / "dbus/org.kdumpd1.Trigger.service"
KNOWS_OPENFILE = 253
BINARY = "/usr/sbin/kdumpd-trigger"


async def analyzed(*arguments: str) -> str:
    """Return what systemd-analyze says; ServiceError where it finds something wrong."""
    return (await output(program("systemd-analyze", "systemd"), *arguments)).decode()


@pytest.mark.parametrize("drop_in", [False, True], ids=["unit", "systemd-252"])
async def test_systemd_understands_it(tmp_path: Path, *, drop_in: bool) -> None:
    """With a program that is there in the place of ours."""
    unit = UNIT.read_text().replace(BINARY, "/bin/true")
    version = int((await analyzed("--version")).split()[1])
    if version < KNOWS_OPENFILE:
        unit = unit.replace("\nOpenFile=", "\n#")
    (tmp_path / UNIT.name).write_text(unit)
    if drop_in:
        (tmp_path / OLD.parent.name).mkdir()
        (tmp_path / OLD.parent.name / OLD.name).write_text(
            OLD.read_text().replace(BINARY, "/bin/true")
        )
    arguments = ("verify", "--man=no", "--recursive-errors=no", str(tmp_path / UNIT.name))
    assert await analyzed(*arguments) == ""


async def test_little_is_exposed(tmp_path: Path) -> None:
    shutil.copy(UNIT, tmp_path)
    arguments = ("security", "--offline=true", "--no-pager", str(tmp_path / UNIT.name))
    said = await analyzed(*arguments)
    (level,) = re.findall(r"exposure level for kdumpd-trigger.service: ([0-9.]+)", said)
    assert float(level) <= 0.3


def test_the_descriptor_is_never_one_that_is_printed_to() -> None:
    unit, old = UNIT.read_text(), OLD.read_text()
    assert "\nOpenFile=/proc/sysrq-trigger:sysrq\n" in unit
    assert "\nStandardOutput=journal\nStandardError=journal\n" in unit
    assert "StandardError" not in old
    (line,) = re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", old, re.MULTILINE)
    assert line == (
        "exec 3>&1 1>&2; LISTEN_FDS=1 LISTEN_PID=$$$$ LISTEN_FDNAMES=sysrq exec " + BINARY
    )


def test_the_bus_starts_the_unit() -> None:
    said = ACTIVATION.read_text()
    for line in ("Name=org.kdumpd1.Trigger", f"SystemdService={UNIT.name}", "User=kdumpd-trigger"):
        assert f"\n{line}\n" in said
    assert "\nBusName=org.kdumpd1.Trigger\n" in UNIT.read_text()
    assert "\nUser=kdumpd-trigger\n" in UNIT.read_text()
