# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine as a directory of files, and the capture tools that write into it."""

import base64
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

BOOT_ID = "0f8e1a3c-5b7d-4e2f-9a6c-d4b8f0e2c1a5"
RELEASE = "6.1.0-56-amd64"
PRESSURE = "some avg10=0.00 avg60=0.35 avg300=0.21 total=1234567\n"
FILES = {
    "proc/cmdline": "ro quiet crashkernel=256M\n",
    "proc/sys/kernel/random/boot_id": f"{BOOT_ID}\n",
    "proc/sys/kernel/osrelease": f"{RELEASE}\n",
    "sys/kernel/kexec_crash_loaded": "1\n",
    "sys/kernel/kexec_crash_size": f"{256 << 20}\n",
}
# Its users may read the kernel log.
DMESG_RESTRICT = "proc/sys/kernel/dmesg_restrict"
# What tells that it is at rest.
AT_REST = {
    "proc/sys/kernel/panic": "10\n",
    "proc/uptime": "7200.35 13806.60\n",
    "proc/loadavg": "0.31 0.42 0.36 1/212 4711\n",
    "proc/meminfo": (
        "MemTotal:        4025236 kB\nMemFree:         3187740 kB\n"
        "Dirty:               340 kB\nWriteback:             0 kB\n"
    ),
    "proc/locks": "1: POSIX  ADVISORY  WRITE 411 00:18:1190 0 EOF\n",
    "proc/pressure/cpu": PRESSURE,
    "proc/pressure/io": PRESSURE,
    "proc/pressure/memory": PRESSURE,
    "sys/devices/system/cpu/online": "0-1\n",
}
PLACEHOLDER = """This file will be overwritten when the dump is finished.
If you see this text the crash dump is likely incomplete.

Dump time: 2026-11-23T01:13:34
Host: crashed
Dump level: 31
Dump format: compressed
"""
README = """Kernel crashdump
----------------
dmesg status: saved successfully
vmcore status: {status}
Kernel version: 6.4.0-150600.23-default
Crash time: 2026-11-23T01:13:30
Dump time: 2026-11-23T01:13:34
Host: crashed
Dump level: 31
Dump format: compressed

Note: vmcore saved in makedumpfile flattened format
"""


class Machine:
    """A machine at rest with 256 MiB reserved and a crash kernel loaded, until a test breaks it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in (FILES | AT_REST).items():
            self.write(name, text)
        self.write(DMESG_RESTRICT, "0\n")
        self.crash.mkdir(parents=True)

    @property
    def crash(self) -> Path:
        """Its crash directory."""
        return self.root / "var/crash"

    def write(self, name: str, text: str) -> None:
        """Make a file below the root say this."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def kdump_tools(self, stamp: str, core: bytes, dmesg: bytes = b"[    0.0] died\n") -> Path:
        """Write a capture as Debian's kdump-tools do, and return its core."""
        directory = self.crash / stamp
        directory.mkdir()
        (directory / f"dmesg.{stamp}").write_bytes(dmesg)
        growing = directory / "dump-incomplete"
        growing.write_bytes(core)
        return growing.rename(directory / f"dump.{stamp}")

    def kdump_utils(self, when: str, core: bytes, dmesg: bytes = b"[    0.0] died\n") -> Path:
        """Write a capture as Fedora's kdump-utils do, and return its core."""
        directory = self.crash / f"127.0.0.1-{when}"
        directory.mkdir()
        (directory / "vmcore-dmesg.txt").write_bytes(dmesg)
        growing = directory / "vmcore-incomplete"
        growing.write_bytes(core)
        return growing.rename(directory / "vmcore")

    def kdump_test(self, name: str, core: bytes, dmesg: bytes = b"[    0.0] died\n") -> Path:
        """Write a capture as `kdumpctl test` makes kdump-utils do, and return its core."""
        core_file = self.kdump_utils("2026-11-23-01:13:34", core, dmesg)
        directory = core_file.parent.rename(self.crash / name)
        (directory / "vmcore-creation.status").write_text(f"success kdump_test_id={name[11:]}\n")
        return directory / core_file.name

    def split(self, when: str, parts: Sequence[bytes]) -> Path:
        """Write a split core as `core_collector makedumpfile --split` does; return where."""
        directory = self.crash / f"127.0.0.1-{when}"
        directory.mkdir()
        (directory / "vmcore-dmesg.txt").write_bytes(b"[    0.0] died\n")
        for number, part in enumerate(parts, 1):
            (directory / f"vmcore.{number}").write_bytes(part)
        return directory

    def suse(
        self,
        when: str,
        core: bytes | None,
        *,
        status: str | None = "saved successfully",
        dmesg: bytes = b"[    0.0] died\n",
    ) -> Path:
        """Write a capture as SUSE's kdump does, and return its directory.

        Without a status it has not finished; without a core it writes none.
        """
        directory = self.crash / when
        directory.mkdir()
        readme = PLACEHOLDER if status is None else README.format(status=status)
        (directory / "README.txt").write_text(readme)
        (directory / "dmesg").write_bytes(dmesg)
        if core is not None:
            (directory / "vmcore").write_bytes(core)
        return directory

    def steamos(self, stamp: str, core: bytes | None, dmesg: bytes = b"[    0.0] died\n") -> Path:
        """Write a capture as kdumpst does in /var/crash, and return its directory."""
        directory = self.crash / "crash" / stamp
        directory.mkdir(parents=True)
        (directory / "dmesg.txt").write_bytes(dmesg)
        if core is not None:
            (directory / "vmcore.compressed").write_bytes(core)
        return directory

    def apport(self, stamp: str, dmesg: bytes, kind: str = "KernelCrash") -> Path:
        """Write the report that apport makes at the next boot, and return it."""
        path = self.crash / f"linux-image-6.8.0-31-generic-{stamp}.crash"
        path.write_bytes(apport_report(dmesg, kind))
        path.chmod(0o644)
        return path

    def pstore(self, name: str, dmesg: bytes, *parts: str) -> Path:
        """Archive a kernel log as systemd-pstore does, and return its directory."""
        directory = self.root / "var/lib/systemd/pstore" / name
        directory.mkdir(parents=True)
        for part in parts:
            (directory / part).write_bytes(b"Panic#1 Part1\n" + dmesg)
        (directory / "dmesg.txt").write_bytes(b"Panic#1 Part1\n" + dmesg)
        return directory


def apport_report(dmesg: bytes, kind: str = "KernelCrash") -> bytes:
    """Return a report as apport's problem_report.py writes one: a line for each block."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    blocks = [b"\x1f\x8b\x08\x08\0\0\0\0\x02\xffVmCoreDmesg\0"]
    blocks += [packer.compress(dmesg[at : at + 4096]) for at in range(0, len(dmesg), 4096)]
    blocks.append(packer.flush() + struct.pack("<LL", zlib.crc32(dmesg), len(dmesg)))
    lines = b"".join(b" " + base64.b64encode(block) + b"\n" for block in blocks if block)
    return (
        (
            f"ProblemType: {kind}\nDate: Mon Nov 23 01:20:00 2026\nDistroRelease: Ubuntu 24.04\n"
            "Package: linux-image-6.8.0-31-generic-202611230113 (not installed)\n"
            "Uname: Linux 6.8.0-31-generic x86_64\n"
        ).encode()
        + b"VmCoreDmesg: base64\n"
        + lines
    )
