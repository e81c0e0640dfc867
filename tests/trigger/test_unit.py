# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd understands the units, finds little exposed, and passes the descriptor as we take it."""

import re
import shutil
from pathlib import Path

import pytest

from tests.support.process import output, program

UNITS = Path(__file__).parents[2] / "systemd"
UNIT = UNITS / "kdumpd-trigger.service"
DROP_IN = UNITS / "sysrq.conf"
GENERATOR = UNITS / "system-generators/kdumpd-sysrq"
ACTIVATION = Path(__file__).parents[2] / "dbus/org.kdumpd1.Trigger.service"
BINARY = "/usr/sbin/kdumpd-trigger"


async def analyzed(*arguments: str) -> str:
    """Return what systemd-analyze says; ServiceError where it finds something wrong."""
    return (await output(program("systemd-analyze", "systemd"), *arguments)).decode()


@pytest.mark.parametrize("drop_in", [False, True], ids=["unit", "sysrq"])
async def test_systemd_understands_it(tmp_path: Path, *, drop_in: bool) -> None:
    """With a program that is there in the place of ours."""
    (tmp_path / UNIT.name).write_text(UNIT.read_text().replace(BINARY, "/bin/true"))
    if drop_in:
        directory = tmp_path / f"{UNIT.name}.d"
        directory.mkdir()
        (directory / DROP_IN.name).write_text(DROP_IN.read_text().replace(BINARY, "/bin/true"))
    arguments = ("verify", "--man=no", "--recursive-errors=no", str(tmp_path / UNIT.name))
    assert await analyzed(*arguments) == ""


async def test_little_is_exposed(tmp_path: Path) -> None:
    shutil.copy(UNIT, tmp_path)
    arguments = ("security", "--offline=true", "--no-pager", str(tmp_path / UNIT.name))
    said = await analyzed(*arguments)
    (level,) = re.findall(r"exposure level for kdumpd-trigger.service: ([0-9.]+)", said)
    assert float(level) <= 0.3


def test_the_descriptor_is_never_one_that_is_printed_to() -> None:
    unit, drop_in = UNIT.read_text(), DROP_IN.read_text()
    assert "OpenFile=" not in unit
    assert "\nStandardOutput=journal\nStandardError=journal\n" in unit
    assert "\nStandardOutput=file:/proc/sysrq-trigger\n" in drop_in
    assert "StandardError" not in drop_in
    (line,) = re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", drop_in, re.MULTILINE)
    assert line == (
        "exec 3>&1 1>&2; LISTEN_FDS=1 LISTEN_PID=$$$$ LISTEN_FDNAMES=sysrq exec " + BINARY
    )


def test_the_bus_starts_the_unit() -> None:
    said = ACTIVATION.read_text()
    for line in ("Name=org.kdumpd1.Trigger", f"SystemdService={UNIT.name}", "User=kdumpd-trigger"):
        assert f"\n{line}\n" in said
    assert "\nBusName=org.kdumpd1.Trigger\n" in UNIT.read_text()
    assert "\nUser=kdumpd-trigger\n" in UNIT.read_text()


def test_without_the_descriptor_it_refuses() -> None:
    assert re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE) == [f"{BINARY} --refuse"]


@pytest.mark.parametrize("mode", [0o200, None])
async def test_the_descriptor_is_passed_where_there_is_such_a_file(
    tmp_path: Path, mode: int | None
) -> None:
    """With another name in the place of /proc/sysrq-trigger: there may be none, or it is used."""
    file, out = tmp_path / "sysrq-trigger", tmp_path / "generator"
    out.mkdir()
    if mode is not None:
        file.touch(mode)
    script = GENERATOR.read_text().replace("/proc/sysrq-trigger ]", f"{file} ]")
    assert str(file) in script
    await output(program("sh", "dash"), "-c", script, "generator", str(out), str(out), str(out))
    links = {path.name: str(path.readlink()) for path in out.glob(f"{UNIT.name}.d/*")}
    assert links == ({} if mode is None else {DROP_IN.name: "/usr/lib/kdumpd/sysrq.conf"})
