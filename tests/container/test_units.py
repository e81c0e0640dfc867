# SPDX-License-Identifier: GPL-2.0-or-later
"""The units, as the systemd of each release has them."""

import re

import pytest

from tests.container.container import Container

pytestmark = pytest.mark.container

UNITS = "/usr/lib/systemd/system"
MOST_EXPOSED = {"kdumpd": 0.7, "kdumpd-trigger": 0.3}
# A container shall not crash its host: the file is not writable there, so the unit does not start.
HARMLESS = """
mkdir -p /run/systemd/system/kdumpd-trigger.service.d
cat >/run/systemd/system/kdumpd-trigger.service.d/zz-harmless.conf <<END
[Service]
OpenFile=
OpenFile=/run/harmless:sysrq
StandardOutput=file:/run/harmless
END
: >/run/harmless
systemctl daemon-reload
"""
TRIGGER = "org.kdumpd1.Trigger /org/kdumpd1/trigger org.kdumpd1.Trigger"
PID = "$(systemctl show --property=MainPID --value kdumpd-trigger)"


def test_systemd_finds_no_fault_with_them(installed: Container) -> None:
    said = installed.attempt(
        f"systemd-analyze verify --man=no {UNITS}/kdumpd*.path {UNITS}/kdumpd*.service"
    )
    faults = [line for line in said.output.splitlines() if "kdumpd" in line]
    # The drop-in for systemd 252 is what it has instead.
    assert [line for line in faults if "Unknown key 'OpenFile'" not in line] == []


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


def test_the_trigger_does_not_start_in_a_container(installed: Container) -> None:
    """The first process cannot open the file for it there."""
    assert installed.attempt("systemctl start kdumpd-trigger").status != 0
    assert installed.run("systemctl show --property=Result --value kdumpd-trigger") == "exit-code"
    installed.run("systemctl reset-failed kdumpd-trigger")


def test_the_trigger_has_one_descriptor_on_which_nothing_is_printed(installed: Container) -> None:
    installed.run(HARMLESS)
    try:
        assert installed.run(f"busctl get-property {TRIGGER} Enabled") == "b false"
        links = installed.run(f"cd /proc/{PID}/fd; for fd in *; do readlink $fd; done").splitlines()
        assert links.count("/run/harmless") == 1
        assert links[3] == "/run/harmless"
        assert installed.run(f"stat --format=%U /proc/{PID}") == "kdumpd-trigger"
        assert installed.run("cat /run/harmless") == ""
        refused = installed.attempt(f"busctl call {TRIGGER} Prepare")
        assert refused.status != 0
        assert "No crash test is allowed on this machine" in refused.output
    finally:
        installed.run(
            "systemctl stop kdumpd-trigger; rm -r /run/systemd/system/kdumpd-trigger.service.d;"
            " systemctl daemon-reload"
        )
