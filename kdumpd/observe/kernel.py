# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the kernel's own account of its crash kernel from procfs and sysfs."""

import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kdumpd.model.crashkernel import crashkernel_parameter
from kdumpd.model.facts.kernel import KernelFacts
from kdumpd.model.text import printable, shown

# Newer kernels have a folder; the old files go after 2028 (ABI/testing/sysfs-kernel-kexec).
CRASH_LOADED = ("sys/kernel/kexec/crash_loaded", "sys/kernel/kexec_crash_loaded")
CRASH_SIZE = ("sys/kernel/kexec/crash_size", "sys/kernel/kexec_crash_size")
CMDLINE = ("proc/cmdline",)
BOOT_ID = ("proc/sys/kernel/random/boot_id",)
RELEASE = ("proc/sys/kernel/osrelease",)

LONGEST = 1 << 16  # bytes; COMMAND_LINE_SIZE is 2048 on x86 and 4096 on s390
MOST_DIGITS, LARGEST = 20, (1 << 64) - 1  # sizes in bytes are 64 bits wide
BUSY_RETRIES = 5  # crash_size takes a lock that a kexec load holds: EBUSY until it is done
BUSY_PAUSE = 0.1


class KernelReader:
    """Reads the kernel's files below one root and keeps what was wrong with them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._problems: list[str] = []

    def read(self) -> KernelFacts:
        """Return what the kernel says about its crash kernel; what it does not say is None."""
        if not any(os.path.lexists(self._root / name) for (name,) in (CMDLINE, BOOT_ID, RELEASE)):
            return absent_kernel(self._root)
        crash_loaded = self._number(CRASH_LOADED)
        reserved = self._number(CRASH_SIZE)
        supported = crash_loaded is not None or reserved is not None or bool(self._problems)
        return KernelFacts(
            boot_id=printable(self._bytes(BOOT_ID)),
            release=printable(self._bytes(RELEASE)),
            supported=supported,
            crashkernel=crashkernel_parameter(self._bytes(CMDLINE)),
            crash_loaded=None if crash_loaded is None else crash_loaded == 1,
            reserved=reserved,
            problems=tuple(self._problems),
        )

    def _number(self, names: tuple[str, ...]) -> int | None:
        found = self._find(names)
        if found is None:
            return None
        path, content = found
        if content is None:
            return None
        if not content.isdigit() or len(content) > MOST_DIGITS or int(content) > LARGEST:
            self._problems.append(
                f"'{_shown(path)}' holds no number but '{printable(content[:40])}'"
            )
            return None
        return int(content)

    def _bytes(self, names: tuple[str, ...]) -> bytes:
        found = self._find(names)
        if found is None:
            self._problems.append(f"'{_shown(self._root / names[-1])}' does not exist")
            return b""
        return found[1] or b""

    def _find(self, names: tuple[str, ...]) -> tuple[Path, bytes | None] | None:
        """Return the first of the files that exists, and its content, None if unreadable."""
        for name in names:
            path = self._root / name
            try:
                return path, _read(path).strip()
            except FileNotFoundError:
                continue
            except OSError as error:
                self._problems.append(f"'{_shown(path)}' cannot be read: {error.strerror}")
                return path, None
        return None


def read_kernel_facts(root: Path) -> KernelFacts:
    """Return what the kernel below `root` says about its crash kernel; sizes in bytes."""
    return KernelReader(root).read()


def absent_kernel(root: Path) -> KernelFacts:
    """Return the facts where no kernel runs, as below a mounted image."""
    absent = unread_kernel(f"no kernel runs below '{_shown(root)}'")
    return replace(absent, present=False, supported=False)


def unread_kernel(problem: str) -> KernelFacts:
    """Return the facts of a kernel that could not be asked."""
    return KernelFacts(
        boot_id="",
        release="",
        supported=True,
        crashkernel="",
        crash_loaded=None,
        reserved=None,
        problems=(problem,),
    )


def _shown(path: Path) -> str:
    return shown(os.fsencode(path))


def _read(path: Path, pause: Callable[[float], None] = time.sleep) -> bytes:
    for _ in range(BUSY_RETRIES):
        try:
            with path.open("rb") as file:
                return file.read(LONGEST)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            pause(BUSY_PAUSE)
    with path.open("rb") as file:
        return file.read(LONGEST)
