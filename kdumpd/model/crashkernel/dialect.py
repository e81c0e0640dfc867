# SPDX-License-Identifier: GPL-2.0-or-later
"""What of crashkernel= differs between kernels and architectures."""

import re
from dataclasses import dataclass

from kdumpd.model.crashkernel.memparse import memparse
from kdumpd.model.text import MIB

RELEASE = r"([0-9]{1,4})\.([0-9]{1,4})"
NEWEST, NEVER = (1 << 16, 0), (1 << 17, 0)
# The first Linux that reads ,high and ,low there; the others skip them.
HIGH_SINCE = {
    "x86_64": (3, 9),  # "x86, kdump: Set crashkernel_low automatically" and before it
    "i386": (3, 9),
    "i686": (3, 9),
    "aarch64": (5, 19),  # "arm64: kdump: Reimplement crashkernel=X"
    "riscv64": (6, 6),  # "riscv: kdump: Implement crashkernel=X,[high,low]"
    "loongarch64": (6, 7),
}
LOW_DEFAULT_ON_ARM64 = (6, 2)  # "arm64: kdump: Provide default size when crashkernel=Y,low is ..."
ROUNDED = (6, 0)  # "kdump: round up the total memory size to 128M for crashkernel reservation"
GENERIC = (6, 7)  # kernel/crash_core.c reads ,high and ,low for all architectures
CMA = (6, 17)  # "Add a new optional ",cma" suffix to the crashkernel= command line option"
# "x86: implement crashkernel cma reservation"; the same for powerpc was posted in October 2025.
CMA_SINCE = {"x86_64": CMA, "ppc64": (6, 19), "ppc64le": (6, 19)}
SWIOTLB = rb"(?:^| )swiotlb=([0-9][0-9a-zA-Z]*)"
RHEL_BEFORE_9 = r"\.el[678](?:$|[._])"  # as in 4.18.0-553.el8_10.x86_64
SLAB = 2048  # bytes, IO_TLB_SIZE; the argument of swiotlb= counts these, in multiples of 128
SWIOTLB_DEFAULT = 64 * MIB
X86 = ("x86_64", "i386", "i686")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a kernel reads crashkernel=."""

    rounding: int = 128 * MIB  # RAM is taken as the next multiple, for ranges alone
    high: bool = True  # whether ,high and ,low mean anything
    # Before 6.7, x86 turned to ,high not only where there is no plain one, but also where that one
    # is invalid or zero, and took the default for an invalid ,low.
    lenient: bool = False
    kinds: tuple[bytes, ...] = (b"high", b"low", b"cma")
    cma: bool = True  # whether the architecture keeps ,cma, where it is a kind
    low: int = 128 * MIB  # without ,low
    unit: int = 1  # bytes that a size is rounded up to
    auto: bool = False  # whether the kernel itself chooses a size for crashkernel=auto


def dialect(architecture: str, release: str = "", cmdline: bytes = b"") -> Dialect:
    """Return the dialect of a kernel release such as 6.1.0-18-amd64; without one, the newest.

    A distribution may have taken a change into an older kernel: Red Hat's 5.14 has many. The
    default of the low area depends on swiotlb= on the command line (x86, crash_low_size_default).
    """
    match = re.match(RELEASE, release)
    version = (int(match[1]), int(match[2])) if match else NEWEST
    x86 = architecture in X86
    return Dialect(
        rounding=128 * MIB if version >= ROUNDED else 1,
        high=version >= HIGH_SINCE.get(architecture, NEVER),
        lenient=x86 and version < GENERIC,
        kinds=(b"high", b"low", b"cma") if version >= CMA else (b"high", b"low"),
        cma=version >= CMA_SINCE.get(architecture, NEVER),
        low=_low(architecture, version, cmdline),
        # KEXEC_CRASH_MEM_ALIGN of s390; elsewhere at most a page, which may have 4 or 64 KiB.
        unit=MIB if architecture == "s390x" else 1,
        auto=re.search(RHEL_BEFORE_9, release) is not None,
    )


def _low(architecture: str, version: tuple[int, int], cmdline: bytes) -> int:
    if architecture == "x86_64":
        return max(_swiotlb(cmdline) + 8 * MIB, 256 * MIB)
    if architecture in X86 or (architecture == "aarch64" and version < LOW_DEFAULT_ON_ARM64):
        return 0
    return 128 * MIB


def _swiotlb(cmdline: bytes) -> int:
    given = re.findall(SWIOTLB, cmdline)
    slabs = memparse(given[-1])[0] if given else 0
    return -(-slabs // 128) * 128 * SLAB if slabs else SWIOTLB_DEFAULT
