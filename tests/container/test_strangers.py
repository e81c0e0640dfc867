# SPDX-License-Identifier: GPL-2.0-or-later
"""What a local user does to the installed daemon, by each bus and each Debian's own libraries."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.container.captures import LOG, write_capture
from tests.container.container import DBUS_BROKER, DBUS_DAEMON, Container
from tests.container.test_service import COMPLETE, INCOMPLETE, entries
from tests.security.wire_client import silent
from tests.support.cores import Crash, flattened

pytestmark = [
    pytest.mark.container,
    pytest.mark.parametrize("bus", [DBUS_DAEMON, DBUS_BROKER], indirect=True, scope="session"),
]

WIRE_CLIENT = Path(__file__).parents[1] / "security/wire_client.py"
FLOOD_CLIENT = Path(__file__).parents[1] / "endurance/flood_client.py"
SOCKET = "/run/dbus/system_bus_socket"
A_SECOND = 40  # messages
SECONDS = [10, pytest.param(60, marks=pytest.mark.long)]
SEED = 20261130
FLOODS = 8
LIFE = "systemctl show --property=MainPID --property=NRestarts kdumpd"
UNSUPPORTED = 3  # what a container is, as kdumpdctl's exit status
PEAK = """
sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\) kB$/\\1/p' /proc/$(systemctl show -P MainPID kdumpd)/status
"""
MORE_MEMORY_KB = 10 << 10
LARGE = """
import socket, sys
sys.path.insert(0, "/host")
from wire_client import Client, first_large
client = Client("/run/dbus/system_bus_socket")
client.send(first_large("org.kdumpd1"))
client.wait("org.kdumpd1")
print(client.answered)
"""


@contextmanager
def attack(container: Container, command: str) -> Iterator[str]:
    """Run a command as a stranger meanwhile; what is yielded says whether it still runs."""
    pid = container.run(
        f"runuser --user=nobody -- {command} </dev/null >/run/attack 2>&1 & echo $!"
    )
    try:
        yield f"test -d /proc/{pid}"
    finally:
        container.attempt(f"kill {pid}; pkill --uid nobody python3")


@contextmanager
def unharmed(container: Container) -> Iterator[None]:
    """See to it that the daemon is the same process afterwards."""
    container.wait_for("systemctl is-active kdumpd && kdumpdctl status >/run/status || test $? = 3")
    life = container.run(LIFE)
    yield
    assert container.run(LIFE) == life


@pytest.mark.parametrize("seconds", SECONDS)
def test_among_messages_that_cannot_be_read(installed: Container, seconds: int) -> None:
    """Everybody is answered, and captures are told while they are sent."""
    (installed.host / "wire_client.py").write_bytes(WIRE_CLIENT.read_bytes())
    command = (
        f"python3 /host/wire_client.py {SOCKET} org.kdumpd1 {SEED} {seconds * A_SECOND} {A_SECOND}"
    )
    stamp, log_only = f"2026113008{seconds}", f"/var/crash/2026113009{seconds}"
    with unharmed(installed), attack(installed, command) as goes_on:
        write_capture(installed, stamp, flattened(Crash(crash_time=1_795_460_000 + seconds)))
        # Another crash in each test: the same one would not be told again.
        log = LOG.read_bytes().replace(b"CPU: ", b"CPU:" + b" " * seconds)
        (installed.host / "log").write_bytes(log)
        installed.run(
            f"mkdir {log_only}; install -m 0600 /host/log {log_only}/dmesg.2026113009{seconds}"
        )
        answered = 0
        while installed.attempt(goes_on).status == 0:
            outcome = installed.attempt("kdumpdctl status", user="daemon")
            assert outcome.status == UNSUPPORTED, outcome.output
            answered += 1
            installed.attempt("sleep 1")
        assert answered >= seconds // 4
        sent, of_the_stranger = installed.run("cat /run/attack").split()
        assert int(sent) == seconds * A_SECOND
        assert int(of_the_stranger) > int(sent) // 10
        for message, directory in ((COMPLETE, f"/var/crash/{stamp}"), (INCOMPLETE, log_only)):
            told = entries(installed, f"MESSAGE_ID={message}", f"KDUMPD_DIRECTORY={directory}")
            assert len(told) == 1, directory
    installed.run(f"rm -r /var/crash/{stamp} {log_only}")


def test_a_message_that_is_too_long(installed: Container) -> None:
    (installed.host / "wire_client.py").write_bytes(WIRE_CLIENT.read_bytes())
    (installed.host / "large.py").write_text(LARGE)
    with unharmed(installed):
        before = int(installed.run(PEAK))
        answered = installed.run("python3 /host/large.py", user="nobody")
        assert int(answered) >= 1
        assert int(installed.run(PEAK)) - before <= MORE_MEMORY_KB


@pytest.mark.long
def test_among_calls_that_want_no_answer(installed: Container) -> None:
    """Nobody is kept waiting until the call's own time is over."""
    (installed.host / "flood_client.py").write_bytes(FLOOD_CLIENT.read_bytes())
    (installed.host / "message").write_bytes(silent("org.kdumpd1"))
    one = f"python3 /host/flood_client.py {SOCKET} 1000000000 0 </host/message"
    (installed.host / "floods").write_text(f"{f'{one} & ' * FLOODS} wait")
    with unharmed(installed), attack(installed, "sh /host/floods") as goes_on:
        for _ in range(5):
            outcome = installed.attempt("timeout 15 kdumpdctl status", user="daemon")
            assert outcome.status == UNSUPPORTED, outcome.output
        installed.run(goes_on)
        sent = [int(line.split()[0]) for line in installed.run("cat /run/attack").splitlines()]
        assert max(sent) > 1000


def test_a_crowd_is_told_once(installed: Container) -> None:
    """What strangers put into a crash directory that is everybody's is one entry, not hundreds."""
    mode = installed.run("stat -c %a /var/crash")
    installed.run("chmod 1777 /var/crash; journalctl --sync")
    before = len(entries(installed))
    make = "cd /var/crash; for n in $(seq 200); do mkdir s$n; : >s$n/vmcore; done"
    try:
        installed.run(make, user="nobody")
        installed.wait_for("journalctl --sync; journalctl -u kdumpd | grep -i 'more of'", 60)
        new = entries(installed)[before:]
        assert len(new) <= 10, json.dumps(new, indent=1)
        assert installed.attempt("kdumpdctl list | wc -l").output.split() < ["50"]
    finally:
        installed.run(f"rm -rf /var/crash/s*; chmod {mode} /var/crash")


def test_calls_that_come_slowly_renew_nothing(installed: Container) -> None:
    """The bus lets the daemon's user send itself what shows how late messages come."""
    (installed.host / "wire_client.py").write_bytes(WIRE_CLIENT.read_bytes())
    (installed.host / "message").write_bytes(silent("org.kdumpd1"))
    slowly = (
        "import sys, time; sys.path.insert(0, '/host'); from wire_client import Client\n"
        "client = Client('/run/dbus/system_bus_socket')\n"
        "for _ in range(600):\n"
        "    client.send(open('/host/message', 'rb').read()); time.sleep(0.004)\n"
    )
    (installed.host / "slowly.py").write_text(slowly)
    owner = "busctl call org.freedesktop.DBus / org.freedesktop.DBus GetNameOwner s org.kdumpd1"
    with unharmed(installed):
        before = installed.run(owner)
        installed.run("python3 /host/slowly.py", user="nobody")
        assert installed.run(owner) == before
