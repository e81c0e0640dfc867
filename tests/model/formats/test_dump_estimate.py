# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.formats.memory import (
    KERNEL_IMAGE_BYTES,
    MemoryUse,
    memory_use,
    parse_meminfo,
    steady,
)
from kdumpd.model.text import MIB

# Debian 12 in a virtual machine of 1.5 GiB, of which 384 MiB were reserved.
DEBIAN = b"""\
MemTotal:        1103056 kB
MemFree:          949964 kB
MemAvailable:     919252 kB
Buffers:            4848 kB
Cached:            61488 kB
SwapCached:            0 kB
Active(anon):        612 kB
AnonPages:         19196 kB
Shmem:               628 kB
Slab:              29612 kB
KernelStack:        1440 kB
PageTables:         1268 kB
SecPageTables:         0 kB
VmallocTotal:   13743895347199 kB
VmallocUsed:       14880 kB
Percpu:              368 kB
HugePages_Total:       0
Hugepagesize:       2048 kB
Hugetlb:               0 kB
"""
GIB = 1 << 30
USE = MemoryUse(total=64 * GIB, free=30 * GIB, cache=20 * GIB, programs=10 * GIB, kernel=2 * GIB)
KERNEL = 2 * GIB + GIB + KERNEL_IMAGE_BYTES  # with the map: 64 bytes for each page


def test_what_a_real_machine_uses() -> None:
    use = memory_use(parse_meminfo(DEBIAN))
    assert use == MemoryUse(
        total=1103056 << 10,
        free=949964 << 10,
        cache=(4848 + 61488) << 10,
        programs=19196 << 10,
        kernel=(29612 + 1268 + 368 + 14880) << 10,
    )
    # The dump that it left had 38.9 MB.
    assert use.estimate(31, compressed=True) // MIB == 54
    assert use.least(31) < MIB


@pytest.mark.parametrize(
    ("level", "size"),
    [
        (31, KERNEL),
        (30, KERNEL),
        (29, KERNEL),  # 4 leaves out what 2 does
        (28, KERNEL),
        (27, KERNEL),  # how much of the cache is private is not counted
        (25, KERNEL + 20 * GIB),
        (23, KERNEL + 10 * GIB),
        (15, KERNEL + 30 * GIB),
        (17, KERNEL + 30 * GIB),
        (1, KERNEL + 60 * GIB),
        (0, KERNEL + 60 * GIB),
    ],
)
def test_what_a_level_holds(level: int, size: int) -> None:
    assert USE.dumped(level) == size
    assert USE.estimate(level, compressed=False) == size
    assert USE.estimate(level, compressed=True) == size // 2


def test_never_more_than_there_is() -> None:
    odd = MemoryUse(total=GIB, free=GIB, cache=GIB, programs=GIB, kernel=GIB)
    assert odd.dumped(0) == odd.total + odd.uncounted


@pytest.mark.parametrize("content", [b"", b"MemTotal:\n", b"MemTotal: 0 kB\n", b"\xff" * 100])
def test_no_meminfo(content: bytes) -> None:
    assert memory_use(parse_meminfo(content)) is None


def test_what_meminfo_tells() -> None:
    content = b"MemTotal:        1024 kB\nDirect4k: 3 kB\nActive(anon): 2 kB\nDirty: 1 MB\n"
    assert parse_meminfo(content) == {b"MemTotal": 1 << 20, b"Active(anon)": 2048}


@given(content=st.binary(max_size=200))
def test_any_content(content: bytes) -> None:
    use = memory_use(parse_meminfo(b"MemTotal: 1024 kB\n" + content))
    assert use is not None
    assert 0 <= use.least(31) <= use.estimate(31, compressed=False)


@pytest.mark.parametrize(
    ("size", "rounded"),
    [
        (0, 0),
        (1, 1),
        (7, 7),
        (9, 8),
        (1023, 896),
        (1024, 1024),
        (1279, 1024),
        (1280, 1280),
        (3 * GIB + 1, 3 * GIB),
    ],
)
def test_a_size_that_stays(size: int, rounded: int) -> None:
    assert steady(size) == rounded


@given(size=st.integers(min_value=0, max_value=1 << 64))
def test_not_far_from_the_size(size: int) -> None:
    assert size - size // 4 <= steady(size) <= size
    assert steady(steady(size)) == steady(size)
