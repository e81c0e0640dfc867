# SPDX-License-Identifier: GPL-2.0-or-later
"""How much memory a crash kernel usually needs, by what the distributions reserve."""

from collections.abc import Sequence

from kdumpd.model.text import GIB, MIB

TIB = 1 << 40
ROUNDING = 128 * MIB  # as the kernel rounds the RAM up for its ranges

Table = Sequence[tuple[int, int]]  # from this much RAM on, this much is reserved

# kdump-utils (Fedora, RHEL), kdump-lib.sh, kdump_get_arch_recommend_crashkernel(). It reserves
# nothing below 2 GiB; there the figure is Debian 13's, crashkernel=512M-:192M.
SMALL: Table = ((512 * MIB, 192 * MIB),)
X86: Table = (*SMALL, (2 * GIB, 256 * MIB), (64 * GIB, 512 * MIB))
ARM64: Table = (*SMALL, (2 * GIB, 256 * MIB), (4 * GIB, 320 * MIB), (64 * GIB, 576 * MIB))
PPC64: Table = (
    *SMALL,
    (2 * GIB, 384 * MIB),
    (4 * GIB, 512 * MIB),
    (16 * GIB, GIB),
    (64 * GIB, 2 * GIB),
    (128 * GIB, 4 * GIB),
)
FADUMP: Table = (
    (4 * GIB, 768 * MIB),
    (16 * GIB, GIB),
    (64 * GIB, 2 * GIB),
    (128 * GIB, 4 * GIB),
    (TIB, 6 * GIB),
    (2 * TIB, 12 * GIB),
    (4 * TIB, 20 * GIB),
    (8 * TIB, 36 * GIB),
    (16 * TIB, 64 * GIB),
    (32 * TIB, 128 * GIB),
    (64 * TIB, 180 * GIB),
)
# Debian 13 on amd64, crashkernel=512M-:192M: with any RAM, enough for its own capture kernel.
LEAST_X86 = 192 * MIB
TABLES = {"aarch64": ARM64, "ppc64le": PPC64, "ppc64": PPC64}


def suggested_bytes(ram: int, architecture: str, *, fadump: bool = False) -> int:
    """Return how many bytes are usually reserved with this much RAM, 0 where nobody reserves any.

    kdump-utils' table for the architecture decides, x86_64's where it has none of its own; below
    its smallest machine, Debian 13's figure.
    """
    rounded = -(-ram // ROUNDING) * ROUNDING
    table = FADUMP if fadump else TABLES.get(architecture, X86)
    return max((size for start, size in table if start <= rounded), default=0)


def least_bytes(ram: int, architecture: str, *, fadump: bool = False) -> int:
    """Return the least that a distribution reserves with this much RAM, 0 where none does."""
    suggested = suggested_bytes(ram, architecture, fadump=fadump)
    return min(suggested, LEAST_X86) if architecture == "x86_64" else suggested
