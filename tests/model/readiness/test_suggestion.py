# SPDX-License-Identifier: GPL-2.0-or-later
"""What is suggested is what the distributions reserve, and no more is asked of a machine."""

import pytest

from kdumpd.model.readiness.reservation import least_bytes, suggested_bytes
from kdumpd.model.text import MIB

GIB = 1 << 30


@pytest.mark.parametrize(
    ("ram", "architecture", "size"),
    [
        (0, "x86_64", 0),
        (256 * MIB, "x86_64", 0),
        (767 * MIB, "x86_64", 192 * MIB),
        (2047 * MIB, "x86_64", 256 * MIB),  # 2 GiB, less what the firmware keeps
        (4 * GIB, "x86_64", 256 * MIB),
        (64 * GIB - 1, "x86_64", 512 * MIB),
        (1 << 50, "x86_64", 512 * MIB),
        (8 * GIB, "s390x", 256 * MIB),
        (3 * GIB, "aarch64", 256 * MIB),
        (4 * GIB, "aarch64", 320 * MIB),
        (3 * GIB, "ppc64le", 384 * MIB),
        (256 * GIB, "ppc64le", 4 * GIB),
        (4 * GIB, "riscv64", 256 * MIB),
    ],
)
def test_by_ram_and_architecture(ram: int, architecture: str, size: int) -> None:
    assert suggested_bytes(ram, architecture) == size


@pytest.mark.parametrize(
    ("ram", "size"), [(2 * GIB, 0), (4 * GIB, 768 * MIB), (32 * GIB, GIB), (1 << 40, 6 * GIB)]
)
def test_for_fadump(ram: int, size: int) -> None:
    assert suggested_bytes(ram, "ppc64le", fadump=True) == size


@pytest.mark.parametrize("ram", [512 * MIB, 2 * GIB, 64 * GIB, 1 << 40])
def test_debian_as_it_comes_is_enough(ram: int) -> None:
    assert least_bytes(ram, "x86_64") <= 192 * MIB
    assert least_bytes(ram, "x86_64") <= suggested_bytes(ram, "x86_64")
