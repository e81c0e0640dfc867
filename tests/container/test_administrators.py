# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/administrators.md has an administrator type on an installed machine does its work."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.captures import write_capture
from tests.container.container import Container, booted
from tests.support.cores import Crash, flattened
from tests.support.page import Block, all_blocks

pytestmark = pytest.mark.container

STAMP = "202611230113"
ALLOWED = """
PYTHONPATH=/usr/share/kdumpd python3 -c '
from pathlib import Path
from kdumpd.config import read_configuration
told = read_configuration(Path("/"), None)
assert not told.problems, told.problems
print(told.settings.crash_test)
'
"""
USER = "anna"  # of the group adm
ASKED = "runuser --user=anna -- kdumpdctl"


def listed(container: Container) -> dict[str, bool]:
    """Return, by their directories, whether everybody may read the captures that are complete."""
    found = json.loads(container.run("kdumpdctl list --json=short"))
    return {one["directory"]: one["world_readable"] for one in found if one["state"] == "complete"}


def until(container: Container, directory: str, *, exposed: bool) -> None:
    """Wait until a capture is listed as one that everybody may read, or not."""
    container.wait_for(
        "kdumpdctl list --json=short | python3 -c '"
        "import json, sys; "
        f'found = [one["world_readable"] for one in json.load(sys.stdin)'
        f' if one["directory"] == "{directory}"]; sys.exit(found != [{exposed}])\''
    )


@pytest.fixture(scope="module")
def machine(
    root: Path, package: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    with booted(root, tmp_path_factory.mktemp("administrator") / "container") as container:
        container.install(package)
        yield container


@pytest.fixture(autouse=True)
async def leave_nothing() -> None:
    """The container is gone as a whole, with its module."""


def test_the_page_in_its_order(machine: Container) -> None:
    enable, forbid, hide, rule, directories, purge = all_blocks("sh", "installed")
    _crash_tests(machine, enable, forbid)
    _rights(machine, hide, rule)
    _directories(machine, directories)
    _uninstalled(machine, purge)


def _crash_tests(machine: Container, enable: Block, forbid: Block) -> None:
    machine.run(enable.text)
    assert machine.run(ALLOWED) == "True"
    machine.run(forbid.text)
    assert machine.run(ALLOWED) == "False"


def _rights(machine: Container, hide: Block, rule: Block) -> None:
    directory = write_capture(machine, STAMP, flattened(Crash()))
    machine.run(f"chmod -R go+rX {directory}; useradd --groups=adm {USER}")
    until(machine, directory, exposed=True)
    machine.run(hide.text)
    until(machine, directory, exposed=False)
    assert machine.run(f"stat --format=%a {directory}/*").split() == ["600", "400"]
    assert "BUG: kernel NULL" in machine.run("kdumpdctl dmesg")

    assert machine.attempt(f"{ASKED} dmesg").status == 1
    machine.run(rule.text)
    machine.wait_for(f"{ASKED} dmesg >/dev/null")
    machine.run(f"{ASKED} acknowledge")
    assert machine.attempt("runuser --user=nobody -- kdumpdctl dmesg").status == 1


def _directories(machine: Container, directories: Block) -> None:
    machine.run(directories.text)
    crash = Crash(crash_time=1_795_400_000)
    directory = write_capture(machine, STAMP, flattened(crash), directory="/srv/crash")
    until(machine, directory, exposed=False)
    assert set(listed(machine)) == {directory, f"/var/crash/{STAMP}"}


def _uninstalled(machine: Container, purge: Block) -> None:
    assert machine.run("ls /etc/kdumpd/kdumpd.conf.d")
    machine.run(purge.text, 120)
    assert machine.attempt("getent passwd kdumpd kdumpd-trigger").output == ""
    assert machine.attempt("ls -d /var/lib/kdumpd").status != 0
    assert machine.attempt("ls -d /etc/kdumpd").status != 0
    assert machine.run(f"ls /var/crash/{STAMP}").split() == [f"dmesg.{STAMP}", f"dump.{STAMP}"]
    assert machine.run("ls /etc/polkit-1/rules.d/50-kdumpd.rules")
