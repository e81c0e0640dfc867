# SPDX-License-Identifier: GPL-2.0-or-later
"""Try what the daemon needs, and what it must not be able to do; print what came of each as JSON.

Run by the container's own Python, in the sandbox of kdumpd.service or as root outside of it.
usage: python3 probe.py needed|forbidden
"""

import ctypes
import json
import mmap
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

DUMP = Path("/var/crash/202611230113/dump.202611230113")
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000
STARTED = """
import re
status = open("/proc/self/status").read()
print(*(re.search(f"{name}:\\t(.*)", status)[1] for name in ("CapPrm", "CapEff", "CapAmb")))
"""


def reading(path: str) -> Callable[[], object]:
    """Return what reads a file, of which something must come."""

    def read() -> object:
        with open(path, "rb") as file:  # noqa: PTH123  # a device or a pipe as well
            return file.read(64) or fail("empty")

    return read


def listing(path: str) -> Callable[[], object]:
    return lambda: os.listdir(path) or fail("empty")  # noqa: PTH208


def fail(why: str) -> object:
    raise OSError(why)


def writing(path: str, mode: str = "a") -> Callable[[], object]:
    return lambda: open(path, mode).close()  # noqa: PTH123


def syscall(name: str, *arguments: object) -> Callable[[], object]:
    def call() -> object:
        result: int = getattr(LIBC, name)(*arguments)
        return result if result >= 0 else fail(os.strerror(ctypes.get_errno()))

    return call


def connecting(path: str, kind: int) -> Callable[[], object]:
    def connect() -> None:
        with socket.socket(socket.AF_UNIX, kind) as end:
            end.connect(path)

    return connect


def addresses() -> object:
    text = os.pread(0, 4096, 0).decode()
    return re.search(r"^[0-9a-f]*[1-9a-f][0-9a-f]*-", text, re.MULTILINE) or fail(text[:80])


def mounts_of_the_machine() -> object:
    text = Path("/run/kdumpd.machine/mountinfo").read_text()
    return fail("the sandbox's") if " /var/lib/kdumpd " in text else " / / " in text or fail(text)


def watch() -> object:
    fd = LIBC.inotify_init()
    return LIBC.inotify_add_watch(fd, b"/var/crash", 0x100) >= 0 or fail("no watch")


def temporary() -> object:
    with tempfile.TemporaryFile(dir="/var/tmp") as file:
        return file.write(bytes(1 << 20))


def inspecting() -> object:
    with DUMP.open("rb") as core:
        program = ["/usr/lib/kdumpd/kdumpd-inspect"]
        return subprocess.run(program, stdin=core, check=True, capture_output=True)  # noqa: S603


def child_without_rights() -> object:
    sys.path.insert(0, "/usr/share/kdumpd")
    from kdumpd.arguments import keep_to_oneself  # noqa: PLC0415

    keep_to_oneself()
    command = [sys.executable, "-c", STARTED]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603
    return set(said) == {"0" * 16} or fail(" ".join(said))


def writable_code() -> object:
    return mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def transient_unit() -> object:
    command = ["busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"]
    command += ["org.freedesktop.systemd1.Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))"]
    command += ["probe-escape.service", "fail", "1", "ExecStart", "a(sasb)", "1", "/bin/true"]
    command += ["1", "/bin/true", "false", "0"]
    return subprocess.run(command, check=True, capture_output=True)  # noqa: S603


def other_processes() -> object:
    others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) == 1]  # noqa: PTH208
    return others or fail("none")


def internet() -> object:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    return True


def kernel_messages() -> None:
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    select.select([fd], [], [], 1)
    os.close(fd)


NEEDED: dict[str, Callable[[], object]] = {
    "read root's dump": reading(str(DUMP)),
    "watch the crash directory": watch,
    "read the journal": listing("/var/log/journal"),
    "see addresses of memory": addresses,
    "see the machine's mounts": mounts_of_the_machine,
    "see kernels": listing("/boot"),
    "see the boot loader's settings": reading("/etc/default/kdump-tools"),
    "see capture initrds": listing("/var/lib/kdump"),
    "see units": listing("/etc/systemd/system"),
    "see sysctls": reading("/proc/sys/kernel/panic_on_oops"),
    "see sysfs": listing("/sys/kernel"),
    "see the table of file systems": reading("/etc/fstab"),
    "keep a ledger": writing("/var/lib/kdumpd/probe"),
    "tell others": writing("/run/kdumpd/probe"),
    "unpack": temporary,
    "reach the bus": connecting("/run/dbus/system_bus_socket", socket.SOCK_STREAM),
    "reach the journal": connecting("/run/systemd/journal/socket", socket.SOCK_DGRAM),
    "reach the service manager": connecting("/run/systemd/notify", socket.SOCK_DGRAM),
    "read a core through": inspecting,
    "keep its capability to itself": child_without_rights,
}
FORBIDDEN: dict[str, Callable[[], object]] = {
    "read passwords": reading("/etc/shadow"),
    "read root's home": reading("/root/secret"),
    "read a home": reading("/home/user/secret"),
    "read other programs' state": reading("/var/lib/secret/secret"),
    "read a server's data": reading("/srv/secret"),
    "read mail": reading("/var/mail/secret"),
    "read other logs": reading("/var/log/secret"),
    "read credentials": reading("/run/secret"),
    "see other processes": other_processes,
    "write to the crash directory": writing("/var/crash/new", "x"),
    "change a dump": writing(str(DUMP)),
    "change a dump's rights": lambda: os.chmod(DUMP, 0o400),  # noqa: PTH101
    "remove a dump": lambda: os.rename(DUMP, f"{DUMP}x"),  # noqa: PTH104
    "change the configuration": writing("/etc/kdumpd/kdumpd.conf"),
    "change the system": writing("/usr/lib/new"),
    "crash the machine": writing("/proc/sysrq-trigger"),
    "change a sysctl": writing("/proc/sys/kernel/hostname"),
    "become root": lambda: os.setuid(0),
    "use the network": internet,
    "make a namespace": syscall("unshare", CLONE_NEWNS),
    "mount": syscall("mount", b"tmpfs", b"/mnt", b"tmpfs", 0, None),
    "make a program for another user": lambda: os.chmod("/var/lib/kdumpd/probe", 0o4755),  # noqa: PTH101, S103
    "write code": writable_code,
    "start a unit": transient_unit,
    "signal the first process": lambda: os.kill(1, signal.SIGWINCH),
    "read the kernel's log": kernel_messages,
    "change the niceness of others": lambda: os.setpriority(os.PRIO_USER, 0, 0),
}


def outcome(attempt: Callable[[], object]) -> str:
    """Return "done", or why not."""
    try:
        attempt()
    except (OSError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"
    return "done"


if __name__ == "__main__":
    chosen = {"needed": NEEDED, "forbidden": FORBIDDEN}[sys.argv[1]]
    json.dump({name: outcome(attempt) for name, attempt in chosen.items()}, sys.stdout)
