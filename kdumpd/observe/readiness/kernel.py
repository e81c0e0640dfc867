# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the kernel's own account of its crash kernel, its memory and what makes it panic."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from kdumpd.model.crashkernel.parse import crashkernel_parameter
from kdumpd.model.formats.memory import parse_meminfo
from kdumpd.model.readiness.facts import SYSCTLS_NEEDED_BY, FadumpFacts, KernelFacts, PolicyFacts
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.model.text import shown
from kdumpd.observe.files import (
    BOOT_ID,
    CMDLINE,
    CRASH_LOADED,
    MEMINFO,
    OSRELEASE,
    Files,
    first_told,
)

# Newer kernels have a directory; the old files go after 2028 (ABI/testing/sysfs-kernel-kexec).
CRASH_SIZE = ("sys/kernel/kexec/crash_size", "sys/kernel/kexec_crash_size")
HOSTNAME = "proc/sys/kernel/hostname"
BOOT_ID_PATTERN = rb"[0-9a-f-]{36}\n?"  # a UUID (drivers/char/random.c)
RELEASE_PATTERN = rb"[0-9][!-~]{0,63}\n?"  # __NEW_UTS_LEN (include/uapi/linux/utsname.h)
# Whatever the boot loader said; the kernel adds the end of the line (fs/proc/cmdline.c).
CMDLINE_PATTERN = rb"[^\0-\x08\x0e-\x1f\x7f]+"
T = TypeVar("T")


class KernelReader:
    """Reads the kernel's files below one root and keeps what was wrong with them."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._problems: list[str] = []

    def read(self) -> KernelFacts:
        """Return what the kernel says about its crash kernel; what it does not say is None."""
        root = self._files.root
        if not any(os.path.lexists(root / name) for name in (CMDLINE, BOOT_ID, OSRELEASE)):
            return absent_kernel(root)
        crash_loaded = self._number(CRASH_LOADED)
        reserved = self._number(CRASH_SIZE)
        supported = crash_loaded is not None or reserved is not None or bool(self._problems)
        return KernelFacts(
            boot_id=self._line(BOOT_ID, BOOT_ID_PATTERN, "boot id").decode("ascii"),
            release=self._line(OSRELEASE, RELEASE_PATTERN, "kernel release").decode("ascii"),
            supported=supported,
            crashkernel=crashkernel_parameter(self._line(CMDLINE, CMDLINE_PATTERN, "command line")),
            crash_loaded=None if crash_loaded is None else crash_loaded == 1,
            reserved=reserved,
            host=self._host(),
            problems=tuple(self._problems),
        )

    def _number(self, names: tuple[str, ...]) -> int | None:
        """Return what the first of the files that exists holds."""
        return self._understood(first_told(self._files.size(name) for name in names))

    def _host(self) -> str:
        name = self._files.text(HOSTNAME)
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


def read_kernel_facts(files: Files) -> KernelFacts:
    """Return what the kernel says about its crash kernel; sizes in bytes."""
    return KernelReader(files).read()


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


KERNEL_SYSCTLS = "proc/sys/kernel"
PANIC_SYSCTLS = {
    "panic_on_oops": KERNEL_SYSCTLS,
    "oops_limit": KERNEL_SYSCTLS,
    "panic_on_warn": KERNEL_SYSCTLS,
    "warn_limit": KERNEL_SYSCTLS,
    "unknown_nmi_panic": KERNEL_SYSCTLS,
    "panic_on_unrecovered_nmi": KERNEL_SYSCTLS,
    "panic_on_io_nmi": KERNEL_SYSCTLS,
    "hardlockup_panic": KERNEL_SYSCTLS,
    "softlockup_panic": KERNEL_SYSCTLS,
    "hung_task_panic": KERNEL_SYSCTLS,
    "panic_on_rcu_stall": KERNEL_SYSCTLS,
    "panic_on_oom": "proc/sys/vm",
}


def read_policy(files: Files) -> PolicyFacts:
    """Return which events make this kernel panic; nothing is raised for what is wrong."""
    needs = sorted({name for names in SYSCTLS_NEEDED_BY.values() for name in names})
    return PolicyFacts(
        events=_numbers(files, PANIC_SYSCTLS.items()),
        needs=_numbers(files, ((name, KERNEL_SYSCTLS) for name in needs)),
        sysrq=files.number(f"{KERNEL_SYSCTLS}/sysrq"),
        timeout=files.number(f"{KERNEL_SYSCTLS}/panic"),
        dmesg_restrict=files.number(f"{KERNEL_SYSCTLS}/dmesg_restrict"),
    )


def _numbers(files: Files, names: Iterable[tuple[str, str]]) -> Mapping[str, Fact[int]]:
    read = ((name, files.number(f"{directory}/{name}")) for name, directory in names)
    return {name: value for name, value in read if value is not None}


# The old ones are deprecated (Documentation/arch/powerpc/firmware-assisted-dump.rst).
FADUMP_ENABLED = ("sys/kernel/fadump/enabled", "sys/kernel/fadump_enabled")
FADUMP_REGISTERED = ("sys/kernel/fadump/registered", "sys/kernel/fadump_registered")
FADUMP_RESERVED = ("sys/kernel/fadump/mem_reserved",)


def read_fadump(files: Files) -> Fact[FadumpFacts]:
    """Return what the kernel says of fadump; None where it has none, as on any other machine."""
    enabled, registered, reserved = (
        first_told(map(files.number, names))
        for names in (FADUMP_ENABLED, FADUMP_REGISTERED, FADUMP_RESERVED)
    )
    for number in (enabled, registered, reserved):
        if isinstance(number, Unknown):
            return number
    if not isinstance(enabled, int):
        return None
    return FadumpFacts(
        enabled=enabled == 1,
        registered=registered == 1 if isinstance(registered, int) else None,
        reserved=reserved if isinstance(reserved, int) else None,
    )


def uses_fadump(files: Files) -> bool:
    """Return whether firmware keeps the memory: no crash kernel is loaded by kexec then."""
    return any(files.number(name) == 1 for name in FADUMP_ENABLED)


MEMORY_BLOCKS = "sys/devices/system/memory"
MEMORY_BLOCK_PATTERN = r"memory[0-9]{1,10}"


def read_blocks(files: Files) -> int | None:
    """Return the bytes of all memory blocks that are online, None where they are not told.

    block_size_bytes is hexadecimal, without 0x (Documentation/ABI/testing/sysfs-devices-memory).
    """
    size = files.number(f"{MEMORY_BLOCKS}/block_size_bytes", 16)
    names = files.names(MEMORY_BLOCKS)
    if not isinstance(size, int) or not isinstance(names, tuple):
        return None
    blocks = [name for name in names if re.fullmatch(MEMORY_BLOCK_PATTERN, name)]
    online = sum(files.number(f"{MEMORY_BLOCKS}/{name}/online") == 1 for name in blocks)
    return online * size if size > 0 and online else None


def read_memory_total(files: Files) -> int | None:
    """Return the bytes of MemTotal: what is left when the kernel has taken what it needs."""
    content = files.content(MEMINFO)
    return parse_meminfo(content).get(b"MemTotal") if isinstance(content, bytes) else None
