# SPDX-License-Identifier: GPL-2.0-or-later
"""Install, upgrade, go back, remove and purge, as an administrator does."""

import json
import re
import shutil
from pathlib import Path

import pytest

from kdumpd.ledger.database import SCHEMA_VERSION
from tests.container.captures import write_capture
from tests.container.container import Container, booted
from tests.support.cores import Crash, flattened
from tests.support.deb import TREE, older_package
from tests.support.page import all_blocks

pytestmark = pytest.mark.container

COMPLETE = "6bc3f018b40343559c7bccda6fc737c6"
LEDGER = "/var/lib/kdumpd/ledger.sqlite"
TOLD = f"journalctl --sync; journalctl -q -o cat MESSAGE_ID={COMPLETE} | grep -c dump"
WAIT = 'kdumpdctl list --json=short | grep -q \'"state": "complete"\''
OURS = "find / -xdev -name '*kdumpd*' -not -path '/proc/*' -not -path '/host/*'"
NEWER = f"""
systemctl stop kdumpd
python3 -c "import sqlite3; sqlite3.connect('{LEDGER}').execute('PRAGMA user_version = 1000')"
"""


def states(container: Container) -> list[str]:
    listed = json.loads(container.run("kdumpdctl list --json=short"))
    return [one["state"] for one in listed]


def test_a_life_of_the_package(root: Path, package: Path, tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    previous = older_package(package, tmp_path / "before", "0.0.9")
    with booted(root, tmp_path / "container") as container:
        fresh = set(container.run(f"{OURS}; getent passwd | grep kdump || true").splitlines())
        assert fresh == set()
        _install_and_upgrade(container, previous, package)
        _go_back(container, previous, package)
        _remove_and_purge(container, fresh)


def _install_and_upgrade(container: Container, previous: Path, package: Path) -> None:
    container.install(previous)
    directory = write_capture(container, "202611230113", flattened(Crash()))
    container.wait_for(WAIT)
    container.run("kdumpdctl acknowledge --all")
    container.run("sed -i 's/^#SettleSec=.*/SettleSec=1s/' /etc/kdumpd/kdumpd.conf")
    container.install(package)
    container.wait_for(WAIT)
    assert container.run("systemctl is-enabled kdumpd kdumpd-refresh.path") == "enabled\nenabled"
    assert container.run("dpkg --verify kdumpd") == "??5?????? c /etc/kdumpd/kdumpd.conf"
    (capture,) = json.loads(container.run("kdumpdctl list --json=short"))
    assert (capture["directory"], capture["acknowledged"]) == (directory, True)
    assert container.run(TOLD) == "1"
    assert "SettleSec=1s" in container.run("cat /etc/kdumpd/kdumpd.conf")


def _go_back(container: Container, previous: Path, package: Path) -> None:
    """An older kdumpd finds a ledger of which it does not know what it says."""
    container.run(NEWER)
    container.install(previous)
    assert container.attempt("systemctl is-failed kdumpd").output == "failed\n"
    assert container.run("systemctl show -P NRestarts kdumpd") == "0"
    listed = container.attempt("kdumpdctl list", user="nobody")
    assert listed.status == 4
    assert "kdumpd ended before it answered" in listed.output
    assert "journalctl -u kdumpd" in listed.output
    said = container.run("journalctl -q -o cat -u kdumpd -n 20 _COMM=kdumpd")
    assert f"'{LEDGER}' is from a newer kdumpd" in said
    assert "install that one again" in said
    assert "Traceback" not in said
    pragma = f"PRAGMA user_version = {SCHEMA_VERSION}"
    back = f"import sqlite3; sqlite3.connect('{LEDGER}').execute('{pragma}')"
    container.run(f'python3 -c "{back}"')
    container.install(package)
    container.wait_for(WAIT)
    assert container.run(TOLD) == "1"


def _remove_and_purge(container: Container, fresh: set[str]) -> None:
    enable, *_ = all_blocks("sh", "installed")
    assert "Enabled=yes" in enable.text
    container.run(enable.text)
    container.run("apt-get remove --yes kdumpd", 120)
    assert container.attempt("systemctl is-active kdumpd").output == "inactive\n"
    assert container.run(f"ls {LEDGER} /etc/kdumpd/kdumpd.conf")
    assert container.attempt("busctl status org.kdumpd1").status != 0
    assert "Subject: A kernel crashed" not in container.run(
        f"journalctl --catalog MESSAGE_ID={COMPLETE}"
    )
    container.run("apt-get purge --yes kdumpd", 120)
    assert set(container.run(f"{OURS}; getent passwd | grep kdump || true").splitlines()) == fresh
    assert container.run("ls /var/crash/202611230113") == ("dmesg.202611230113\ndump.202611230113")
    assert container.run("systemctl --failed --quiet") == ""


def test_every_program_says_which_build_it_is(installed: Container) -> None:
    version = installed.run("dpkg-query --show --showformat='${Version}' kdumpd")
    told = version.replace("~dev", ".dev")
    assert re.fullmatch(r"[0-9.]+\.dev\d{14}\+g[0-9a-f]{8}(\.changed)?", told)
    for program in ("kdumpd", "kdumpdctl", "kdumpd-notify", "kdumpd-trigger"):
        assert installed.run(f"{program} --version").split() == [program, told]
    asked = "busctl get-property org.kdumpd1 /org/kdumpd1 org.kdumpd1.Manager Version"
    assert installed.run(asked) == f's "{told}"'


def test_what_the_package_says_of_itself(installed: Container, package: Path) -> None:
    """The tests of packaging/debian/tests, as Debian runs them, on this container itself.

    This is the isolation that they ask for, which autopkgtest-virt-null(1) of Debian 13 denies.
    """
    shutil.copytree(TREE / "packaging/debian", installed.host / "source/debian")
    installed.run(": >/etc/apt/sources.list")  # it reads the lists anew at the end
    options = "--no-built-binaries --ignore-restrictions=isolation-container"
    tried = f"autopkgtest {options} /host/{package.name} /host/source -- null"
    outcome = installed.attempt(f"cd /; {tried}", 300)
    assert outcome.status == 0, outcome.output
    assert "What to do" in outcome.output
    summary = outcome.output.rpartition("summary")[2]
    assert re.findall(r"^(\S+) +(\S+)$", summary, re.MULTILINE) == [("daemon", "PASS")]
