# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon can do in the sandbox of its unit, and what it cannot."""

import json
from pathlib import Path

import pytest

from tests.container.captures import write_capture
from tests.container.container import Container
from tests.support.cores import Crash, flattened

pytestmark = pytest.mark.container

PROBE = Path(__file__).with_name("probe.py")
# A unit like the daemon's, but for what it runs.
UNIT = """
sed '
s,^Type=.*,Type=oneshot,
s,^ExecStart=.*,ExecStart=/usr/bin/python3 -IB /usr/local/lib/probe.py {what},
s,^StandardOutput=.*,StandardOutput=truncate:/run/probe.json,
/^BusName=/d; /^NotifyAccess=/d; /^WatchdogSec=/d; /^ExecReload=/d; /^Restart/d
' /lib/systemd/system/kdumpd.service >/run/systemd/system/probe.service
systemctl daemon-reload
systemctl start probe.service
cat /run/probe.json
"""
FILES = (
    *("/root/secret", "/home/user/secret", "/var/lib/secret/secret", "/srv/secret"),
    *("/var/mail/secret", "/var/log/secret", "/run/secret"),
)
SECRETS = f"""
mkdir -p /home/user /var/lib/secret
for file in {" ".join(FILES)}
do
    echo secret >$file
    chmod 0600 $file
done
touch /boot/vmlinuz-0 /var/lib/kdump/initrd.img-0
cp /host/probe.py /usr/local/lib/probe.py
"""
# nspawn keeps these from root as well, or they harm a container.
NOT_TRIED = {"crash the machine", "read the kernel's log", "change a sysctl"}


@pytest.fixture
def prepared(installed: Container) -> Container:
    (installed.host / "probe.py").write_bytes(PROBE.read_bytes())
    installed.run(SECRETS)
    write_capture(installed, "202611230113", flattened(Crash()))
    return installed


def probed(container: Container, what: str) -> dict[str, str]:
    """Return what came of each attempt in the sandbox."""
    return dict(json.loads(container.run(UNIT.format(what=what))))


def test_all_that_it_needs_works(prepared: Container) -> None:
    came = probed(prepared, "needed")
    assert {name: words for name, words in came.items() if words != "done"} == {}
    assert len(came) >= 12


def test_nothing_works_that_it_must_not_do(prepared: Container) -> None:
    came = probed(prepared, "forbidden")
    assert {name for name, words in came.items() if words == "done"} == set()
    assert len(came) >= 16


def test_root_outside_can_do_what_is_forbidden(prepared: Container) -> None:
    """The attempts are real: it is the sandbox that they fail at."""
    prepared.run("echo >/var/lib/kdumpd/probe")
    came = json.loads(prepared.run("python3 -IB /usr/local/lib/probe.py forbidden"))
    prepared.run("rm -f /var/crash/new /usr/lib/new; umount /mnt; rm /var/lib/kdumpd/probe")
    assert {name for name, words in came.items() if words != "done"} <= NOT_TRIED


def test_the_child_that_reads_cores_has_no_capability(prepared: Container) -> None:
    kept = prepared.run("grep -h ^CapAmb: /proc/$(systemctl show -P MainPID kdumpd)/status")
    assert int(kept.split()[1], 16) == 0


# As on a full disk, no directory can be made: there is room for the file system's own, and no
# other.
FULL = """
for directory in /tmp /var/tmp; do mount -t tmpfs -o nr_inodes=1 full $directory; done
for directory in /tmp /var/tmp; do if mkdir $directory/new; then exit 1; fi; done
systemctl daemon-reload  # which runs the generator, as a boot does
systemctl restart kdumpd
"""
EMPTIED = "umount --lazy /tmp /var/tmp; systemctl daemon-reload; systemctl restart kdumpd"


def test_it_starts_on_a_full_disk(installed: Container) -> None:
    try:
        installed.run(FULL)
        assert "Watching: /var/crash" in installed.attempt("kdumpdctl status").output
        devices = installed.run("ls /proc/$(systemctl show -P MainPID kdumpd)/root/dev").split()
        assert {"null", "urandom"} < {*devices}
        assert not {"console", "kmsg", "net"} & {*devices}
    finally:
        installed.run(EMPTIED)


# All marks of a container are taken away, so that every check is made; systemd is the same inside.
PARITY = """
mv /run/systemd/container /run/container
systemctl restart kdumpd
kdumpdctl check --json=short >/tmp/inside || true
: >/tmp/empty
unshare --mount sh -c '
mount --bind /tmp/empty /proc/1/environ
kdumpd --check --json=short >/tmp/outside
' || true
mv /run/container /run/systemd/container
cat /tmp/outside /tmp/inside
"""
MACHINES = {
    "as installed": "true",
    "with GRUB": """
        echo 'GRUB_CMDLINE_LINUX="crashkernel=512M"' >/etc/default/grub
        mkdir -p /boot/grub
        install -m 0600 /dev/null /boot/grub/grub.cfg""",
    "with a kernel that only root may read": """
        install -m 0600 /bin/true /boot/vmlinuz-$(uname -r)
        install -m 0600 /bin/true /var/lib/kdump/initrd.img-$(uname -r)""",
    "with a dump directory on another disk": """
        mkdir -p /var/dumps
        mount -t tmpfs tmpfs /var/dumps
        sed -i 's,^#*KDUMP_COREDIR=.*,KDUMP_COREDIR=/var/dumps,' /etc/default/kdump-tools""",
    "with an encrypted disk": """
        echo 'crypt /dev/vda3 none luks' >/etc/crypttab
        chmod 0600 /etc/crypttab""",
    "with a disk by its UUID": """
        echo 'UUID=00000000-1111-2222-3333-444444444444 /var/dumps ext4 defaults' >/etc/fstab""",
    "with sysctls": "echo kernel.kexec_load_disabled=1 >/etc/sysctl.d/90-kexec.conf",
}
UNSETTLED = {"checked_at", "boot_id"}  # nspawn shows another boot id than the kernel's


@pytest.mark.parametrize("machine", MACHINES)
def test_readiness_is_judged_inside_as_outside(prepared: Container, machine: str) -> None:
    prepared.run(MACHINES[machine])
    outside, inside = map(json.loads, prepared.run(PARITY).splitlines())
    assert outside["checks"]
    told = {one["code"] for one in outside["checks"]}
    # The daemon asks the service manager as well, and has more to say.
    inside["checks"] = [one for one in inside["checks"] if one["code"] in told]
    for name in outside.keys() - UNSETTLED:
        assert inside[name] == outside[name], name
    assert "container" not in told
