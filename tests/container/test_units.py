# SPDX-License-Identifier: GPL-2.0-or-later
"""The units, as the systemd of each release has them."""

import re

import pytest

from tests.container.container import Container
from tests.container.harmless_trigger import FILE, TRIGGER, harmless_trigger

pytestmark = pytest.mark.container

UNITS = "/usr/lib/systemd/system"
MOST_EXPOSED = {"kdumpd": 0.7, "kdumpd-trigger": 0.3}
PID = "$(systemctl show --property=MainPID --value kdumpd-trigger)"


def test_systemd_finds_no_fault_with_them(installed: Container) -> None:
    said = installed.attempt(
        f"systemd-analyze verify --man=no {UNITS}/kdumpd*.path {UNITS}/kdumpd*.service"
    )
    faults = [line for line in said.output.splitlines() if "kdumpd" in line]
    assert faults == []
    assert "Unknown key" not in installed.run("journalctl --quiet --output=cat")


@pytest.mark.parametrize("unit", MOST_EXPOSED)
def test_exposure(installed: Container, unit: str) -> None:
    said = installed.run(
        f"systemd-analyze security --offline=true --no-pager {UNITS}/{unit}.service", user="nobody"
    )
    level = re.search(r"exposure level for \S+: (\d+\.\d+)", said)
    assert level is not None
    assert float(level[1]) <= MOST_EXPOSED[unit]


def test_no_unit_of_ours_runs_as_root_for_long(installed: Container) -> None:
    for unit in MOST_EXPOSED:
        assert installed.run(f"systemctl show --property=User --value {unit}") == unit


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_no_test_is_possible_in_a_container(installed: Container, user: str) -> None:
    """The first process cannot open the file for it there: that is said at once."""
    status = installed.attempt("kdumpdctl status", user=user).output
    (sentence,) = (line for line in status.splitlines() if line.startswith("Crash test: "))
    assert (
        sentence == "Crash test: not possible here, as the kernel is that of the container's host"
    )
    for options in ("", "--dry-run", "--yes=debian"):
        refused = installed.attempt(f"kdumpdctl test {options}", seconds=10, user=user)
        assert (refused.status, refused.output) == (1, f"Nothing was crashed. {sentence}.\n")
    cancelled = installed.attempt("kdumpdctl test --cancel", seconds=20, user=user)
    assert cancelled.status == 1
    assert cancelled.output.startswith("Crash test: not possible here, as there is no /proc/sysrq")
    for member in ("Prepare", "Cancel", "Trigger sas token 0") * 5:
        called = installed.attempt(f"busctl call {TRIGGER} {member}", user=user)
        assert "Crash test: not possible here" in called.output
    assert installed.run("systemctl --failed --quiet") == ""
    assert installed.run("systemctl show --property=Result --value kdumpd-trigger") == "success"
    installed.run("systemctl stop kdumpd-trigger")


def test_the_trigger_has_one_descriptor_on_which_nothing_is_printed(installed: Container) -> None:
    with harmless_trigger(installed):
        assert installed.run(f"busctl get-property {TRIGGER} Enabled") == "b false"
        links = installed.run(f"cd /proc/{PID}/fd; for fd in *; do readlink $fd; done").splitlines()
        assert links.count(FILE) == 1
        assert links[3] == FILE
        assert installed.run(f"stat --format=%U /proc/{PID}") == "kdumpd-trigger"
        assert installed.run(f"cat {FILE}") == ""
        refused = installed.attempt(f"busctl call {TRIGGER} Prepare")
        assert refused.status != 0
        assert "No crash test is allowed on this machine" in refused.output
