# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine as a folder of files, and the capture tools that write into it."""

from pathlib import Path

BOOT_ID = "0f8e1a3c-5b7d-4e2f-9a6c-d4b8f0e2c1a5"
RELEASE = "6.1.0-56-amd64"
FILES = {
    "proc/cmdline": "ro quiet crashkernel=256M\n",
    "proc/sys/kernel/random/boot_id": f"{BOOT_ID}\n",
    "proc/sys/kernel/osrelease": f"{RELEASE}\n",
    "sys/kernel/kexec_crash_loaded": "1\n",
    "sys/kernel/kexec_crash_size": f"{256 << 20}\n",
}


class Machine:
    """A machine with 256 MiB reserved and a crash kernel loaded, until a test breaks it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            self.write(name, text)
        self.crash.mkdir(parents=True)

    @property
    def crash(self) -> Path:
        """Its crash folder."""
        return self.root / "var/crash"

    def write(self, name: str, text: str) -> None:
        """Make a file below the root say this."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def kdump_tools(self, stamp: str, core: bytes, dmesg: bytes = b"[    0.0] died\n") -> Path:
        """Write a capture as Debian's kdump-tools do, and return its core."""
        folder = self.crash / stamp
        folder.mkdir()
        (folder / f"dmesg.{stamp}").write_bytes(dmesg)
        growing = folder / "dump-incomplete"
        growing.write_bytes(core)
        return growing.rename(folder / f"dump.{stamp}")

    def kdump_utils(self, when: str, core: bytes, dmesg: bytes = b"[    0.0] died\n") -> Path:
        """Write a capture as Fedora's kdump-utils do, and return its core."""
        folder = self.crash / f"127.0.0.1-{when}"
        folder.mkdir()
        (folder / "vmcore-dmesg.txt").write_bytes(dmesg)
        growing = folder / "vmcore-incomplete"
        growing.write_bytes(core)
        return growing.rename(folder / "vmcore")
