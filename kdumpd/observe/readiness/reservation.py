# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what was reserved for the crash kernel."""

import os
import re
from typing import TypeVar

from kdumpd.model.formats.kernel import Distribution, parse_os_release
from kdumpd.model.formats.memory import Iomem, Ram, Region, best_ram, parse_cma_ranges, parse_iomem
from kdumpd.model.readiness.facts import BootLog, ReservationFacts
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.observe.files import BOOT_ID, CMDLINE, IOMEM, OSRELEASE, Files
from kdumpd.observe.readiness.boot_messages import read_boot_log
from kdumpd.observe.readiness.kernel import (
    CRASH_SIZE,
    FADUMP_ENABLED,
    read_blocks,
    read_fadump,
    read_memory_total,
)

MAX_IOMEM_BYTES = 1 << 22  # a line for each resource
CMA_RANGES = "sys/kernel/kexec/crash_cma_ranges"
ARCHITECTURE = "proc/sys/kernel/arch"  # from Linux 6.1 on; before that, only uname() tells
OS_RELEASE_FILES = ("etc/os-release", "usr/lib/os-release")
# Fedora and RHEL end their releases with the machine, such as 5.14.0-427.13.1.el9_4.s390x.
RELEASE_MACHINES = {"x86_64", "aarch64", "ppc64le", "s390x"}
ARCHITECTURE_PATTERN = r"[a-z0-9_]{1,20}"
T = TypeVar("T")


class ReservationReader:
    """Reads what was reserved again and again; the log of a boot, once it is known, only once.

    One that says nothing is read more and more seldom, by the 1st, 2nd, 4th, 8th, … look: journald
    may still be about to write it. It keeps the log, and until then the number of looks without it.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._problems: list[str] = []
        self._log: BootLog | None = None
        self._boot_id: Fact[str] = None
        self._looks = 0  # at this boot

    def read(self) -> ReservationFacts:
        """Return what was reserved for the crash kernel; nothing is raised for what is wrong."""
        self._problems = []
        iomem = self._understood(IOMEM, self._iomem()) or Iomem()
        log = self._boot_log()
        cmdline = self._files.content(CMDLINE)
        cma = self._understood(CMA_RANGES, self._cma())
        return ReservationFacts(
            cmdline=cmdline if isinstance(cmdline, bytes) else b"",
            architecture=self._architecture(),
            distribution=self._distribution(),
            ram=self._ram(iomem.system_ram, log),
            regions=iomem.crash,
            cma=None if cma is None else sum(region.size for region in cma),
            fadump=self._understood(FADUMP_ENABLED[0], read_fadump(self._files)),
            log=log,
            unreadable=tuple(self._problems),
        )

    def _iomem(self) -> Fact[Iomem]:
        content = self._files.content(IOMEM, MAX_IOMEM_BYTES)
        if not isinstance(content, bytes):
            return content
        return parse_iomem(content) or self._files.unknown(IOMEM, "is no memory map")

    def _cma(self) -> Fact[tuple[Region, ...]]:
        content = self._files.content(CMA_RANGES)
        if not isinstance(content, bytes):
            return content
        ranges = parse_cma_ranges(content)
        return self._files.unknown(CMA_RANGES, "holds no ranges") if ranges is None else ranges

    def _boot_log(self) -> BootLog | None:
        boot_id = self._files.text(BOOT_ID)
        if boot_id != self._boot_id:
            self._log, self._boot_id, self._looks = None, boot_id, 0
        self._looks += 1
        if self._log is None and _is_power_of_two(self._looks):
            self._log = read_boot_log(self._files)
        return self._log

    def _ram(self, iomem: int | None, log: BootLog | None) -> Ram | None:
        logged = _logged_ram(log, self._architecture()) if log else None
        if iomem or logged:
            return best_ram(iomem, logged, None, None)
        total = read_memory_total(self._files)
        # MemTotal is without what is set aside.
        size = (self._files.number(name) for name in CRASH_SIZE)
        reserved = next((one for one in size if isinstance(one, int)), 0)
        return best_ram(
            None, None, read_blocks(self._files), total + reserved if total is not None else None
        )

    def _architecture(self) -> str:
        told = self._files.text(ARCHITECTURE)
        if isinstance(told, str) and not re.fullmatch(ARCHITECTURE_PATTERN, told):
            told = self._files.unknown(ARCHITECTURE, "names no architecture")
        if understood := self._understood(ARCHITECTURE, told):
            return understood
        release = self._files.text(OSRELEASE)
        ending = release.rpartition(".")[2] if isinstance(release, str) else ""
        return ending if ending in RELEASE_MACHINES else os.uname().machine

    def _distribution(self) -> Distribution:
        for name in OS_RELEASE_FILES:
            content = self._files.content(name)
            if isinstance(content, bytes):
                return parse_os_release(content)
        return Distribution.OTHER

    def _understood(self, name: str, fact: Fact[T]) -> T | None:
        """Return the fact; remember what is wrong with it, but not that it is not ours to read."""
        if not isinstance(fact, Unknown):
            return fact
        path = self._files.resolve(name)
        if not path.exists() or os.access(path, os.R_OK, effective_ids=True):
            self._problems.append(fact.problem)
        return None


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def _logged_ram(log: BootLog, architecture: str) -> int | None:
    """Return the RAM that the log tells, with the area, which s390 takes out before it tells."""
    told = log.log.system_ram
    if told is None or architecture != "s390x":
        return told
    return told + sum(area.size for area in log.log.areas)
