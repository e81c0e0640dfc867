# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the kernel's own account of its crash kernel from procfs and sysfs."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from kdumpd.model.crashkernel.parse import crashkernel_parameter
from kdumpd.model.readiness.facts import KernelFacts
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.model.text import shown
from kdumpd.observe.files import Files

# Newer kernels have a folder; the old files go after 2028 (ABI/testing/sysfs-kernel-kexec).
CRASH_LOADED = ("sys/kernel/kexec/crash_loaded", "sys/kernel/kexec_crash_loaded")
CRASH_SIZE = ("sys/kernel/kexec/crash_size", "sys/kernel/kexec_crash_size")
CMDLINE = "proc/cmdline"
BOOT_ID = "proc/sys/kernel/random/boot_id"
RELEASE = "proc/sys/kernel/osrelease"
HOST = "proc/sys/kernel/hostname"
IS_BOOT_ID = rb"[0-9a-f-]{36}\n?"  # a UUID (drivers/char/random.c)
IS_RELEASE = rb"[0-9][!-~]{0,63}\n?"  # __NEW_UTS_LEN (include/uapi/linux/utsname.h)
# Whatever the boot loader said; the kernel adds the end of the line (fs/proc/cmdline.c).
IS_CMDLINE = rb"[^\0-\x08\x0e-\x1f\x7f]+"
T = TypeVar("T")


class KernelReader:
    """Reads the kernel's files below one root and keeps what was wrong with them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = Files(root)
        self._problems: list[str] = []

    def read(self) -> KernelFacts:
        """Return what the kernel says about its crash kernel; what it does not say is None."""
        if not any(os.path.lexists(self._root / name) for name in (CMDLINE, BOOT_ID, RELEASE)):
            return absent_kernel(self._root)
        crash_loaded = self._number(CRASH_LOADED)
        reserved = self._number(CRASH_SIZE)
        supported = crash_loaded is not None or reserved is not None or bool(self._problems)
        return KernelFacts(
            boot_id=self._line(BOOT_ID, IS_BOOT_ID, "boot id").decode("ascii"),
            release=self._line(RELEASE, IS_RELEASE, "kernel release").decode("ascii"),
            supported=supported,
            crashkernel=crashkernel_parameter(self._line(CMDLINE, IS_CMDLINE, "command line")),
            crash_loaded=None if crash_loaded is None else crash_loaded == 1,
            reserved=reserved,
            host=self._host(),
            problems=tuple(self._problems),
        )

    def _number(self, names: tuple[str, ...]) -> int | None:
        """Return what the first of the files that exists holds."""
        found = (self._files.size(name) for name in names)
        return self._understood(next((fact for fact in found if fact is not None), None))

    def _host(self) -> str:
        name = self._files.text(HOST)
        return name if isinstance(name, str) else ""

    def _line(self, name: str, form: bytes, what: str) -> bytes:
        """Return the line that a file holds, empty where it does not have the form."""
        fact = self._files.content(name)
        if fact is None:
            fact = self._files.unknown(name, "does not exist")
        elif isinstance(fact, bytes) and not re.fullmatch(form, fact):
            fact = self._files.unknown(name, f"holds no {what}")
        return (self._understood(fact) or b"").strip()

    def _understood(self, fact: Fact[T]) -> T | None:
        """Return the fact; remember what is wrong with it."""
        if not isinstance(fact, Unknown):
            return fact
        self._problems.append(fact.problem)
        return None


def read_kernel_facts(root: Path) -> KernelFacts:
    """Return what the kernel below `root` says about its crash kernel; sizes in bytes."""
    return KernelReader(root).read()


def absent_kernel(root: Path) -> KernelFacts:
    """Return the facts where no kernel runs, as below a mounted image."""
    absent = unread_kernel(f"no kernel runs below '{shown(os.fsencode(root))}'")
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
