# SPDX-License-Identifier: GPL-2.0-or-later
"""The installed daemon: started at boot, on the bus, in the journal, and hard to keep down."""

import json
import re
from typing import Any

import pytest

from tests.container.captures import write_capture
from tests.container.container import Container
from tests.container.root import BOOKWORM
from tests.support.cores import Crash, flattened
from tests.support.wrappers import WRAPPERS

# What depends on the release of systemd is tested on both: see test_sandbox and test_installation.
pytestmark = [
    pytest.mark.container,
    pytest.mark.parametrize("root", [BOOKWORM], indirect=True, scope="session"),
]

COMPLETE = "6bc3f018b40343559c7bccda6fc737c6"
INCOMPLETE = "a6a8bcf7df1243a49434241c1eae3353"
VALIDATED = "ad07e7dfd75f4edb97b23ba382e0cb93"
MAIN_PID = "systemctl show --property=MainPID --value kdumpd"
LISTED = """
kdumpdctl list --json=short | python3 -c '
import json, sys
found = [one for one in json.load(sys.stdin) if one["directory"] == "{directory}"]
print(json.dumps(found[0]))
sys.exit(found[0]["state"] != "{state}")
'
"""
ACTIVE = "systemctl is-active --quiet kdumpd"


def entries(container: Container, *matches: str) -> list[dict[str, Any]]:
    """Return the journal's entries of the unit."""
    chosen = " ".join(("_SYSTEMD_UNIT=kdumpd.service", *matches))
    lines = container.run(f"journalctl --sync; journalctl -o json --all {chosen}")
    return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]


def captures(container: Container, user: str = "") -> dict[str, dict[str, Any]]:
    """Return what kdumpdctl lists, by the directories of the captures."""
    listed = json.loads(container.run("kdumpdctl list --json=short || test $? = 1", user=user))
    return {one["directory"]: one for one in listed}


def wait_for_capture(
    container: Container, directory: str, state: str = "complete"
) -> dict[str, Any]:
    container.wait_for(
        f'kdumpdctl list --json=short | grep -q \'"directory": "{directory}".*"state": "{state}"\''
    )
    return captures(container)[directory]


def restarted(container: Container, how: str) -> None:
    """Do something that has the daemon started anew, and wait until it is there again."""
    before = container.run(MAIN_PID)
    container.run(how)
    container.wait_for(f"{ACTIVE}; test $({MAIN_PID}) != {before}")


def test_is_started_and_enabled(installed: Container) -> None:
    assert installed.run("systemctl is-active kdumpd kdumpd-refresh.path") == "active\nactive"
    assert installed.run("systemctl is-enabled kdumpd") == "enabled"
    assert installed.run("ps -o user= -C kdumpd").strip() == "kdumpd"
    status = installed.run("systemctl show --property=StatusText --value kdumpd")
    assert status.startswith("unsupported; ")  # what a container is


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_everybody_may_ask(installed: Container, user: str) -> None:
    outcome = installed.attempt("kdumpdctl check", user=user)
    assert outcome.status == 3
    assert outcome.output.startswith("unsupported: ")
    assert "systemd-nspawn" in outcome.output


def test_readiness_is_told_once_in_each_boot(installed: Container) -> None:
    (entry,) = entries(installed, f"MESSAGE_ID={VALIDATED}")
    assert entry["KDUMPD_READINESS"] == "unsupported"
    assert entry["_UID"] == installed.run("id -u kdumpd")


def test_a_capture_is_listed_and_told(installed: Container) -> None:
    core = flattened(Crash())
    directory = write_capture(installed, "202611230113", core)
    capture = wait_for_capture(installed, directory)
    (entry,) = entries(installed, f"MESSAGE_ID={COMPLETE}", f"KDUMPD_DIRECTORY={directory}")
    fields = {name: entry[name] for name in entry if name.startswith("KDUMPD_")}
    assert re.fullmatch(r"[0-9a-f-]{16,}", fields.pop("KDUMPD_EVENT"))
    assert fields == {
        "KDUMPD_CAPTURE": capture["id"],
        "KDUMPD_CORE": f"{directory}/dump.202611230113",
        "KDUMPD_DIRECTORY": directory,
        "KDUMPD_STATE": "complete",
        "KDUMPD_CLASS": capture["class"],
        "KDUMPD_REASON": capture["reason"],
        "KDUMPD_SIGNATURE": capture["signature"],
        "KDUMPD_KERNEL": "6.1.0-56-amd64",
        "KDUMPD_CRASHED_AT": str(capture["crashed_at"]),
    }
    assert entry["PRIORITY"] == "2"
    assert "null-dereference" in entry["MESSAGE"]
    shown = json.loads(installed.run("kdumpdctl list --json=short || test $? = 1", user="nobody"))
    assert (capture["id"], "complete") in {(one["id"], one["state"]) for one in shown}


def test_the_catalog_says_what_to_do(installed: Container) -> None:
    capture = wait_for_capture(installed, "/var/crash/202611230113")
    said = installed.run(f"journalctl --catalog MESSAGE_ID={COMPLETE}")
    assert "Subject: A kernel crashed, and its dump is complete" in said
    assert f"kdumpdctl info {capture['id']}" in said


def test_a_core_is_read_through_by_a_child_without_rights(installed: Container) -> None:
    core = WRAPPERS["gzip"](flattened(Crash(crash_time=1_795_396_500)))
    directory = write_capture(installed, "202611230115", core, ending=".gz")
    assert wait_for_capture(installed, directory)["compression"] == "gzip"


def test_rights_are_asked_of_polkit(installed: Container) -> None:
    id_ = wait_for_capture(installed, "/var/crash/202611230113")["id"]
    refused = installed.attempt(f"kdumpdctl dmesg {id_}", user="nobody")
    assert refused.status == 1
    assert "BUG: kernel NULL" not in refused.output
    assert "BUG: kernel NULL" in installed.run(f"kdumpdctl dmesg {id_}")
    assert installed.attempt(f"kdumpdctl acknowledge {id_}", user="nobody").status == 1
    installed.run(f"kdumpdctl acknowledge {id_}")
    assert captures(installed)["/var/crash/202611230113"]["acknowledged"]


@pytest.mark.parametrize("signal", ["KILL", "ABRT"])
def test_comes_back_after_its_death(installed: Container, signal: str) -> None:
    before = captures(installed)
    told = entries(installed, f"MESSAGE_ID={COMPLETE}")
    restarted(installed, f"systemctl kill --signal={signal} kdumpd")
    assert captures(installed) == before
    assert entries(installed, f"MESSAGE_ID={COMPLETE}") == told


def test_the_watchdog_ends_one_that_hangs(installed: Container) -> None:
    installed.run(
        "mkdir -p /run/systemd/system/kdumpd.service.d;"
        " printf '[Service]\\nWatchdogSec=3s\\nTimeoutAbortSec=2s\\n'"
        " >/run/systemd/system/kdumpd.service.d/watchdog.conf; systemctl daemon-reload"
    )
    try:
        restarted(installed, "systemctl restart kdumpd")
        restarted(installed, "systemctl kill --signal=STOP kdumpd")
        assert "Watchdog timeout" in installed.run("journalctl --unit=kdumpd _PID=1")
    finally:
        installed.run("rm -r /run/systemd/system/kdumpd.service.d; systemctl daemon-reload")
    restarted(installed, "systemctl restart kdumpd")


@pytest.mark.parametrize("what", ["dbus.service", "systemd-journald.service", "polkit.service"])
def test_a_neighbour_is_restarted(installed: Container, what: str) -> None:
    stamp = f"2026112302{10 + len(what)}"
    before = set(captures(installed))
    installed.run(f"systemctl restart {what}")
    directory = write_capture(
        installed, stamp, flattened(Crash(crash_time=1_795_400_000 + len(what)))
    )
    installed.wait_for(ACTIVE)
    capture = wait_for_capture(installed, directory)
    assert set(captures(installed)) == before | {directory}
    installed.wait_for(
        f"journalctl MESSAGE_ID={COMPLETE} KDUMPD_CAPTURE={capture['id']} -q | grep ."
    )
    assert len(entries(installed, f"MESSAGE_ID={COMPLETE}", f"KDUMPD_CAPTURE={capture['id']}")) == 1
    assert "NULL" in installed.run(f"kdumpdctl dmesg {capture['id']}")


def test_reload_reads_the_configuration_again(installed: Container) -> None:
    pid = installed.run(MAIN_PID)
    directory = write_capture(
        installed,
        "202611230300",
        flattened(Crash(crash_time=1_795_410_000)),
        directory="/var/dumps",
    )
    conf = "/etc/kdumpd/kdumpd.conf.d/more.conf"
    installed.run(
        f""
        f" printf '[Manager]\\nCrashDirectories=/var/crash /var/dumps\\n' >{conf};"
        " systemctl reload kdumpd"
    )
    wait_for_capture(installed, directory)
    assert installed.run(MAIN_PID) == pid
    installed.run(f"rm {conf}; systemctl reload kdumpd")
    installed.wait_for("! kdumpdctl list --json=short | grep -q /var/dumps")


def test_a_query_starts_it_where_it_is_enabled(installed: Container) -> None:
    installed.run("systemctl stop kdumpd")
    assert installed.attempt("kdumpdctl status").status == 3
    assert installed.run("systemctl is-active kdumpd") == "active"


def test_is_not_started_against_the_administrator(installed: Container) -> None:
    installed.run("systemctl disable --now kdumpd 2>&1")
    try:
        outcome = installed.attempt("kdumpdctl status", user="nobody")
        assert outcome.status not in {0, 1, 2, 3}
        assert "kdumpd does not run" in outcome.output
        assert "kdumpd --check" in outcome.output
        assert installed.attempt("systemctl is-active kdumpd").output == "inactive\n"
        installed.run("systemctl mask kdumpd 2>&1")
        masked = installed.attempt("kdumpdctl status").output
        assert "kdumpd does not run" in masked
        assert "Its unit is masked. To allow its start: systemctl unmask kdumpd" in masked
        assert "systemctl start" not in masked
        installed.run("systemctl unmask kdumpd 2>&1; systemctl enable kdumpd 2>&1")
        installed.run("systemctl mask kdumpd 2>&1")  # now with the alias that the bus starts
        masked = installed.attempt("kdumpdctl status").output
        assert "Its unit is masked. To allow its start: systemctl unmask kdumpd" in masked
    finally:
        installed.run("systemctl unmask kdumpd 2>&1")
        installed.run("systemctl enable --now kdumpd 2>&1")


def test_a_file_that_is_replaced_is_seen_as_it_is_now(installed: Container) -> None:
    """An editor renames the new file to the old one's name: a bind mount keeps the old."""
    seen = f"nsenter --target=$({MAIN_PID}) --mount cat /etc/fstab"
    installed.run("echo '# new' >/etc/fstab.new; mv /etc/fstab.new /etc/fstab")
    installed.wait_for(f"{seen} | grep -q '# new'")
    # The path unit does not look for the next change before its service has ended.
    installed.wait_for("systemctl show -P ActiveState kdumpd-refresh.service | grep -qx inactive")
    installed.run(
        "rm -rf /etc/kdump; mkdir /etc/kdump; echo kernel.panic=10 >/etc/kdump/sysctl.conf"
    )
    installed.wait_for(
        f"nsenter --target=$({MAIN_PID}) --mount grep -q panic=10 /etc/kdump/sysctl.conf"
    )
    installed.wait_for(ACTIVE)


def test_new_libraries_do_not_restart_it(installed: Container) -> None:
    """As ldconfig does it, when a package is installed that has a library."""
    pid = installed.run(MAIN_PID)
    began = "systemctl show -P ExecMainStartTimestampMonotonic kdumpd-refresh.service"
    installed.wait_for("systemctl show -P ActiveState kdumpd-refresh.service | grep -qx inactive")
    before = installed.run(began)
    installed.run("cp -p /etc/ld.so.cache /etc/ld.so.cache~; mv /etc/ld.so.cache~ /etc/ld.so.cache")
    installed.wait_for(
        f'test "$({began})" != "{before}";'
        " systemctl show -P ActiveState kdumpd-refresh.service | grep -qx inactive"
    )
    assert installed.run(MAIN_PID) == pid


def test_a_directory_elsewhere_is_said_to_be_hidden_until_a_drop_in_shows_it(
    installed: Container,
) -> None:
    directory = write_capture(
        installed,
        "202611230400",
        flattened(Crash(crash_time=1_795_420_000)),
        directory="/srv/crash",
    )
    installed.run(
        "mkdir -p /etc/systemd/system/kdumpd.service.d;"
        " printf '[Manager]\\nCrashDirectories=/srv/crash\\n' >/etc/kdumpd/kdumpd.conf.d/srv.conf"
    )
    # In a container nothing else is judged.
    installed.run("mv /run/systemd/container /run/container; systemctl restart kdumpd")
    checks = json.loads(installed.attempt("kdumpdctl check --json=short").output)["checks"]
    installed.run("mv /run/container /run/systemd/container")
    (hidden,) = (one for one in checks if one["code"] == "crash-directory-unreadable")
    assert "'/srv/crash' is hidden from kdumpd" in hidden["message"]
    assert "BindReadOnlyPaths=/srv/crash" in hidden["remedy"]
    assert directory not in captures(installed)
    installed.run(
        "printf '[Service]\\nBindReadOnlyPaths=/srv/crash\\n'"
        " >/etc/systemd/system/kdumpd.service.d/directories.conf;"
        " systemctl daemon-reload; systemctl restart kdumpd"
    )
    try:
        wait_for_capture(installed, directory)
        installed.run("mount -t tmpfs tmpfs /srv/crash")
        core = flattened(Crash(crash_time=1_795_420_060))
        mounted = write_capture(installed, "202611230401", core, directory="/srv/crash")
        wait_for_capture(installed, mounted)
        installed.wait_for("umount /srv/crash")  # busy while kdumpd looks into it
        wait_for_capture(installed, directory)
    finally:
        installed.run(
            "rm -r /etc/systemd/system/kdumpd.service.d /etc/kdumpd/kdumpd.conf.d/srv.conf;"
            " systemctl daemon-reload; systemctl restart kdumpd"
        )


CRASH_DIRECTORY_CHANGES = {
    "deleted": ("mv /var/crash /var/kept; mkdir /tmp/x", "mv /var/kept /var/crash"),
    "replaced": (
        "mv /var/crash /var/kept; mkdir /var/crash",
        "rmdir /var/crash; mv /var/kept /var/crash",
    ),
    "mounted over": ("mount -t tmpfs tmpfs /var/crash", "umount /var/crash"),
}


@pytest.mark.parametrize("change", CRASH_DIRECTORY_CHANGES)
def test_a_crash_directory_that_goes_comes_back(installed: Container, change: str) -> None:
    away, back = CRASH_DIRECTORY_CHANGES[change]
    before = captures(installed)
    told = len(entries(installed, f"MESSAGE_ID={COMPLETE}"))
    installed.run(away)
    stamp = f"2026112305{10 + list(CRASH_DIRECTORY_CHANGES).index(change)}"
    crash = Crash(crash_time=1_795_430_000 + list(CRASH_DIRECTORY_CHANGES).index(change))
    if change != "deleted":
        directory = write_capture(installed, stamp, flattened(crash))
        wait_for_capture(installed, directory)
        told += 1
        installed.run(f"rm -r {directory}")
    else:
        installed.run("kdumpdctl check >/dev/null || true")
    installed.wait_for(back)  # a mount is busy while kdumpd looks into it
    for one in before:
        if before[one]["state"] != "gone":
            wait_for_capture(installed, one, before[one]["state"])
    assert len(entries(installed, f"MESSAGE_ID={COMPLETE}")) == told
    assert installed.attempt(ACTIVE).status == 0


def test_nobody_else_may_have_its_name(installed: Container) -> None:
    request = "busctl call org.freedesktop.DBus / org.freedesktop.DBus RequestName su org.kdumpd1 0"
    outcome = installed.attempt(request, user="nobody")
    assert outcome.status != 0
    assert "Access denied" in outcome.output
