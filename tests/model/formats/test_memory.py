# SPDX-License-Identifier: GPL-2.0-or-later
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.formats.memory import Iomem, Region, parse_cma_ranges, parse_iomem

GIB = 1 << 30
ARM64 = b"""40000000-bfffffff : System RAM
  40200000-419fffff : Kernel code
  b0000000-b7ffffff : Crash kernel
c0000000-c00fffff : reserved
100000000-13fffffff : System RAM
  128000000-137ffffff : Crash kernel
140000000-1bfffffff : System RAM (kmem)
"""


def test_the_areas_of_arm64_lie_in_system_ram() -> None:
    assert parse_iomem(ARM64) == Iomem(
        system_ram=3 * GIB,
        crash=(
            Region(start=0xB0000000, size=128 << 20),
            Region(start=0x128000000, size=256 << 20),
        ),
    )


def test_the_area_of_s390_lies_beside_system_ram() -> None:
    content = b"00000000-33ffffff : System RAM\n34000000-3fffffff : Crash kernel\n"
    assert parse_iomem(content) == Iomem(
        system_ram=GIB, crash=(Region(start=0x34000000, size=192 << 20),)
    )


def test_a_machine_without_crash_memory() -> None:
    """The map is known, and there is none: that is not the same as not known."""
    assert parse_iomem(b"00001000-0009ffff : System RAM\n") == Iomem(system_ram=0x9F000, crash=())


def test_hidden_addresses() -> None:
    hidden = b"00000000-00000000 : System RAM\n  00000000-00000000 : Crash kernel\n"
    assert parse_iomem(hidden) == Iomem()


def test_ranges_smaller_than_a_page() -> None:
    assert parse_iomem(b"00000010-00000020 : System RAM\n00001000-00001ffe : System RAM\n") == (
        Iomem(system_ram=None, crash=())
    )


@given(st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    parse_iomem(content)
    parse_cma_ranges(content)


@given(
    st.lists(
        st.tuples(
            st.integers(0, (1 << 64) - 1),
            st.integers(0, (1 << 64) - 1),
            st.sampled_from(["System RAM", "Crash kernel", "Reserved"]),
        )
    )
)
def test_any_map(entries: list[tuple[int, int, str]]) -> None:
    text = "".join(f"{start:08x}-{end:08x} : {name}\n" for start, end, name in entries)
    found = parse_iomem(text.encode())
    assert (found is None) == (not entries)
    if found and found.crash is not None:
        assert all(region.size > 0 for region in found.crash)
        assert found.system_ram is None or found.system_ram > 0
