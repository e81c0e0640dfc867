# SPDX-License-Identifier: GPL-2.0-or-later
"""Services of Debian's that are like kdumpd in kind: what they need when they are started.

They run in a Debian of their own below a directory, without its machine's network and devices, on a
bus of their own. It is made once, with mmdebstrap, which takes minutes; root alone can.
"""

import asyncio
import os
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import Figure
from bench.scale import Scale
from bench.started import MILLISECONDS, Started, kdumpd, memory, started
from kdumpd.dbus.connection import Connection, connect
from kdumpd.dbus.messages import Target
from tests.support.debian_packages import run
from tests.support.image_cache import default_cache, settle
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus
from tests.support.process import BOUND, end

SUITE = "bookworm"
PACKAGES = ("dbus", "firewalld", "tuned", "udisks2")
RIVALS = {
    "firewalld": ("org.fedoraproject.FirewallD1", "/usr/sbin/firewalld --nofork --nopid"),
    "tuned": ("com.redhat.tuned", "/usr/sbin/tuned -P"),
    "udisksd": ("org.freedesktop.UDisks2", "/usr/libexec/udisks2/udisksd"),
}
# Of tuned, that it changes nothing. Mounts are seen by nobody else and end with the program.
SCRIPT = """
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/tmp"
exec chroot "$1" sh -c "DBUS_SYSTEM_BUS_ADDRESS='$2' exec $3"
"""
APART = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child")
LONGEST = 60.0  # seconds until a name is taken
BUS = Target("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


async def measure(work: Path, bus: str, scale: Scale) -> AsyncIterator[Figure]:
    """Yield how long each takes to have its name on the bus, and its memory then, by ours."""
    if not scale.rivals or os.geteuid() != 0:
        reason = "not measured: only in the long form, as root"
        for name in RIVALS:
            yield Figure(name=f"READY by {name}'s", against=name, missing=reason)
        return
    root = await asyncio.to_thread(_debian, default_cache())
    machine = Machine(work / "rivals-machine")
    command = kdumpd(machine.root, work / "rivals-state", bus)
    inside = root / "run/kdumpd-bench"
    inside.mkdir(exist_ok=True)
    async with private_bus(inside, Broker.DBUS_DAEMON) as other, connect(other.address) as client:
        for name in RIVALS:
            try:
                samples = [
                    (await _ours(command), await _theirs(client, root, name))
                    for _ in range(scale.repeats)
                ]
            except TimeoutError:
                yield Figure(name=f"READY by {name}'s", against=name, missing="did not start")
                continue
            for at, (what, unit) in enumerate((("READY", "ms"), ("RSS", "MiB"), ("PSS", "MiB"))):
                yield Figure(
                    name=f"{what} by {name}'s",
                    against=name,
                    unit=unit,
                    ours=[ours[at] for ours, _ in samples],
                    theirs=[theirs[at] for _, theirs in samples],
                )


async def _ours(command: tuple[str, ...]) -> tuple[float, float, float]:
    async with started(*command) as service:
        return _sample(service)


async def _theirs(client: Connection, root: Path, name: str) -> tuple[float, float, float]:
    async with _running(client, root, name) as service:
        return _sample(service)


def _sample(service: Started) -> tuple[float, float, float]:
    return service.seconds * MILLISECONDS, *memory(service.pid)


@asynccontextmanager
async def _running(client: Connection, root: Path, name: str) -> AsyncIterator[Started]:
    bus_name, program = RIVALS[name]
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(*BOUND, *APART, "sh", "-c", SCRIPT, "sh", str(root)),
        *("unix:path=/run/kdumpd-bench/bus", program),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        async with asyncio.timeout(LONGEST):
            while not await client.owner(bus_name):  # noqa: ASYNC110  # as soon as it is
                await asyncio.sleep(0.005)
        seconds = time.perf_counter() - begun
        (pid,) = await client.call(BUS, "GetConnectionUnixProcessID", "s", [bus_name])
        yield Started(process=process, pid=pid, seconds=seconds)
    finally:
        await end(process)


def _debian(cache: Path) -> Path:
    """Return the directory of a Debian with all of them, which is made if need be."""
    recipe = sha256(repr((SUITE, PACKAGES)).encode()).hexdigest()[:16]
    directory = cache / f"rivals-{SUITE}-{recipe}"
    if not directory.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache, prefix="building-") as work:
            root = Path(work) / "root"
            include = f"--include={','.join(PACKAGES)}"
            run("mmdebstrap", "--variant=minbase", "--quiet", include, SUITE, str(root))
            nothing = root / "etc/tuned/nothing"
            nothing.mkdir(parents=True)
            (nothing / "tuned.conf").write_text("[main]\nsummary=Change nothing\n")
            (root / "etc/tuned/active_profile").write_text("nothing\n")
            (root / "etc/tuned/profile_mode").write_text("manual\n")
            settle(root, directory)
    return directory
