# SPDX-License-Identifier: GPL-2.0-or-later
"""What the package needs of the system bus, by dbus-daemon and dbus-broker of each release."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.container.captures import write_capture
from tests.container.container import DBUS_BROKER, DBUS_DAEMON, Container
from tests.container.harmless_trigger import FILE, TRIGGER, harmless_trigger
from tests.support.cores import Crash, flattened

pytestmark = [
    pytest.mark.container,
    pytest.mark.parametrize("bus", [DBUS_DAEMON, DBUS_BROKER], indirect=True, scope="session"),
]

DRIVER = "org.freedesktop.DBus / org.freedesktop.DBus"
MANAGER = "org.kdumpd1 /org/kdumpd1 org.kdumpd1.Manager"
PROGRAMS = {DBUS_DAEMON: "dbus-daemon", DBUS_BROKER: "dbus-broker"}
LEDGER = "/var/lib/kdumpd/ledger.sqlite"
BUS_WAITS_S = 20  # less than dbus-daemon waits for a name that it has started
STAMP = "202611230700"
DIRECTORY = f"/var/crash/{STAMP}"


@pytest.fixture
def capture(installed: Container) -> Iterator[str]:
    """The id of a complete capture in DIRECTORY, which is removed at the end."""
    write_capture(installed, STAMP, flattened(Crash(crash_time=1_795_450_000)))
    installed.wait_for(f"kdumpdctl list --json=short | grep '\"{DIRECTORY}\"'")
    listed = json.loads(installed.run("kdumpdctl list --json=short"))
    (known,) = (one["id"] for one in listed if one["directory"] == DIRECTORY)
    yield known
    installed.run(f"rm -r {DIRECTORY}")


def test_it_is_the_bus_that_is_meant(installed: Container, bus: str) -> None:
    programs = installed.run("ps -o comm= -u messagebus").split()
    assert {*programs} & {*PROGRAMS.values()} == {PROGRAMS[bus]}


def test_kdumpd_has_its_name_and_is_started_by_it(installed: Container) -> None:
    installed.wait_for("systemctl is-active kdumpd")
    installed.run("systemctl stop kdumpd")
    assert installed.attempt(f"busctl call {DRIVER} GetNameOwner s org.kdumpd1").status != 0
    outcome = installed.attempt("kdumpdctl status", user="nobody")
    assert outcome.status == 3
    assert "Watching: /var/crash" in outcome.output
    assert installed.run("systemctl is-active kdumpd") == "active"


def test_one_that_ends_at_each_start_is_told_soon(installed: Container) -> None:
    """It finds the ledger of a newer kdumpd: the bus alone does not tell of a unit that failed."""
    installed.run(f"systemctl stop kdumpd; cp -a {LEDGER} {LEDGER}.kept")
    pragma = f"import sqlite3; sqlite3.connect('{LEDGER}').execute('PRAGMA user_version = 1000')"
    installed.run(f'python3 -c "{pragma}"')
    try:
        for question in ("status", "list", "check"):
            began = time.monotonic()
            outcome = installed.attempt(f"kdumpdctl {question}", user="nobody")
            assert time.monotonic() - began < BUS_WAITS_S
            assert outcome.status == 4
            assert "kdumpd ended before it answered" in outcome.output
    finally:
        installed.run(f"mv {LEDGER}.kept {LEDGER}; rm -f {LEDGER}-*; systemctl start kdumpd")


@pytest.mark.parametrize("name", ["org.kdumpd1", "org.kdumpd1.Trigger"])
def test_nobody_else_may_have_our_names(installed: Container, name: str) -> None:
    request = f"busctl call {DRIVER} RequestName su {name} 0"
    for user in ("nobody", "kdumpd" if name != "org.kdumpd1" else "kdumpd-trigger"):
        outcome = installed.attempt(request, user=user)
        assert outcome.status != 0
        assert "denied" in outcome.output or "refused" in outcome.output


def test_who_has_the_right_reads_and_who_has_not_does_not(
    installed: Container, capture: str
) -> None:
    assert "BUG: kernel NULL" in installed.run(f"kdumpdctl dmesg {capture}")
    assert installed.attempt(f"kdumpdctl dmesg {capture}", user="nobody").status == 1
    refused = installed.attempt(f"busctl call {MANAGER} AcknowledgeAll", user="nobody")
    assert refused.status != 0
    installed.run(f"kdumpdctl acknowledge {capture}")


def test_a_subscriber_is_told_of_changes(installed: Container, capture: str) -> None:
    watch = "timeout 60 kdumpdctl watch --json=short </dev/null >/run/watched 2>&1"
    pid = installed.run(f"{watch} & echo $!")
    try:
        # Until it has connected, nothing is told to it.
        installed.wait_for(
            f"mv {DIRECTORY} /var/kept; sleep 2; mv /var/kept {DIRECTORY}; sleep 1;"
            f' grep \'"capture-changed".*"{capture}"\' /run/watched'
        )
    finally:
        installed.run(f"kill {pid}")


def test_the_trigger_is_started_and_refuses(installed: Container) -> None:
    with harmless_trigger(installed):
        for user in ("root", "nobody"):
            refused = installed.attempt(f"busctl call {TRIGGER} Prepare", user=user)
            assert refused.status != 0
            assert "No crash test is allowed on this machine" in refused.output
        assert installed.run("systemctl is-active kdumpd-trigger") == "active"
        assert installed.run(f"cat {FILE}") == ""
