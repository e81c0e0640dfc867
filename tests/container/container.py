# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian that systemd-nspawn has booted: what it does is gone with it."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.container.control_groups import own_groups
from tests.support.process import BOUND, ServiceError, program

BOOT_SECONDS, SECONDS, POWER_OFF_SECONDS = 90, 60, 20
DBUS_DAEMON, DBUS_BROKER = "dbus", "dbus-broker"  # their units
# The cached root lies below; nspawn and the mount are gone together. Where several buses are
# installed, the link says which one is the system bus.
START = """
for group in $3; do echo $$ >"$group/cgroup.procs"; done
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
ln -sf "/usr/lib/systemd/system/$4.service" "$2/root/etc/systemd/system/dbus.service"
shift 4
exec "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a script."""

    status: int
    output: str  # of stdout and stderr together


class Container:
    """A booted Debian, whose directory /host is a directory of this machine."""

    def __init__(self, leader: int, host: Path) -> None:
        self.leader = leader
        self.host = host

    def attempt(self, script: str, seconds: float = SECONDS, user: str = "") -> Outcome:
        """Run lines of shell in it, by `sh -e`, as root or another user."""
        as_user = ("runuser", f"--user={user}", "--")
        done = subprocess.run(  # noqa: S603 - the script is a test's
            [
                *(
                    program("nsenter", "util-linux"),
                    f"--target={self.leader}",
                    "--all",
                    "--root",
                    "--wd",
                    "--",
                ),
                *(as_user if user else ()),
                *("sh", "-e", "-c", script),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"},
        )
        return Outcome(status=done.returncode, output=done.stdout.decode(errors="replace"))

    def run(self, script: str, seconds: float = SECONDS, user: str = "") -> str:
        """Return what a script says, without white space around it; ServiceError where it fails."""
        outcome = self.attempt(script, seconds, user)
        if outcome.status != 0:
            raise ServiceError(f"{script}\nfailed ({outcome.status}):\n{outcome.output}")
        return outcome.output.strip()

    def wait_for(self, script: str, seconds: float = 30) -> str:
        """Run the script again and again until it succeeds, and return what it then says."""
        end = time.monotonic() + seconds
        while True:
            outcome = self.attempt(script)
            if outcome.status == 0:
                return outcome.output.strip()
            if time.monotonic() > end:
                words = self.attempt("systemctl status 'kdumpd*'; journalctl -n 40").output
                raise ServiceError(f"not in {seconds} s:\n{script}\n{outcome.output}\n{words}")
            time.sleep(0.2)

    def install(self, package: Path) -> str:
        """Install a package as an administrator does; nothing is fetched."""
        (self.host / package.name).write_bytes(package.read_bytes())
        options = "--yes --allow-downgrades -o DPkg::Options::=--force-confold"
        return self.run(
            f"DEBIAN_FRONTEND=noninteractive apt-get install {options} /host/{package.name}", 120
        )


@contextmanager
def booted(root: Path, work: Path, bus: str = DBUS_DAEMON) -> Iterator[Container]:
    """Boot the Debian below `root`, of which nothing changes; `work` is a new directory."""
    host = work / "host"
    for directory in (host, work / "upper", work / "work", work / "root"):
        directory.mkdir(parents=True)
    console, name = work / "console", f"kdumpd-{uuid.uuid4().hex[:8]}"
    with own_groups(name) as groups, console.open("wb") as said:
        command = _command(name, root, work, groups, bus)
        process = subprocess.Popen(  # noqa: S603 - ours
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        leader = None
        try:
            leader = _leader(process, console)
            container = Container(leader, host)
            container.wait_for("systemctl is-system-running --wait || test -n ''", BOOT_SECONDS)
            yield container
        finally:
            _end(process, leader)


def _command(name: str, root: Path, work: Path, groups: list[Path], bus: str) -> list[str]:
    arguments = (str(root), str(work), " ".join(map(str, groups)), bus)
    return [
        *(*BOUND, program("unshare", "util-linux"), "--mount", "--propagation", "private", "--"),
        *("sh", "-e", "-c", START, "sh", *arguments, *BOUND),
        *(program("systemd-nspawn", "systemd-container"), "--quiet", "--boot"),
        *(f"--directory={work}/root", "--register=no", "--keep-unit", "--link-journal=no"),
        *(f"--machine={name}", f"--bind={work / 'host'}:/host"),
    ]


def _leader(process: "subprocess.Popen[bytes]", console: Path) -> int:
    """Return the first process of the container, once there is one."""
    nspawn = Path(f"/proc/{process.pid}/exe")  # before that, a shell and what it calls
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        pids = children.read_text().split() if "nspawn" in nspawn.readlink().name else []
        for pid in pids:
            if "nspawn" not in Path(f"/proc/{pid}/exe").readlink().name:
                return int(pid)
        time.sleep(0.1)
    raise ServiceError(f"no container: {console.read_text(errors='replace')}")


def _end(process: "subprocess.Popen[bytes]", leader: int | None) -> None:
    """Power it off; all that runs in it is gone when this returns."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(POWER_OFF_SECONDS)
    except subprocess.TimeoutExpired:
        # It outlives nspawn, and all others of its namespace end with it (pid_namespaces(7)).
        if leader is not None:
            os.kill(leader, signal.SIGKILL)
        process.kill()
        process.wait()
