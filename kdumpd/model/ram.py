# SPDX-License-Identifier: GPL-2.0-or-later
"""How much memory the kernel counted when it read crashkernel=, by the best source at hand."""

from dataclasses import dataclass
from enum import StrEnum

from kdumpd.model.text import MIB, human_size


class RamSource(StrEnum):
    """Where the figure comes from, the best first; the value is how a person is told."""

    IOMEM = "the memory map in /proc/iomem"
    LOG = "the kernel log of this boot"
    BLOCKS = "the memory blocks in /sys/devices/system/memory"
    MEMINFO = "MemTotal in /proc/meminfo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ram:
    """The machine's memory in bytes, and how it is known."""

    size: int
    source: RamSource
    exact: bool  # to a MiB

    @property
    def words(self) -> str:
        """Return it as a person reads it, with its source."""
        return f"{'' if self.exact else 'about '}{human_size(self.size)} by {self.source}"


def best_ram(
    iomem: int | None, logged: int | None, blocks: int | None, meminfo: int | None
) -> Ram | None:
    """Return the RAM, None where nothing tells; every source in bytes, None for unknown.

    The log has memblock_phys_mem_size(), which is what crashkernel= is read by, in whole MiB. The
    memory map is the same to the byte, but where memory was added since the boot, or where some of
    it is marked as not mapped (arm64): then the log is believed. MemTotal lacks what the kernel
    needs for itself. A memory block counts whole, also where it has holes.
    """
    if iomem and (logged is None or iomem // MIB == logged // MIB):
        return Ram(size=iomem, source=RamSource.IOMEM, exact=True)
    if logged:
        return Ram(size=logged, source=RamSource.LOG, exact=True)
    if blocks:
        return Ram(size=blocks, source=RamSource.BLOCKS, exact=False)
    return Ram(size=meminfo, source=RamSource.MEMINFO, exact=False) if meminfo else None
