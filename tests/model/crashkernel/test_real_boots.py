# SPDX-License-Identifier: GPL-2.0-or-later
"""Each line of the table is a boot of Linux 6.1: what was expected is what was reserved.

Where it is not, the kernel itself says why, and the reason is written down here.
"""

import pytest

from kdumpd.model.crashkernel.expect import Expectation, Problem, expect
from kdumpd.model.formats.boot_messages import Area, AreaKind, Reason, parse_reservation_log
from tests.vm.reservations import COMMAND_LINES, DEBIAN_12, UBUNTU_GUIDE, Reserved, read_table

RELEASE = "6.1.0-56-amd64"
MIB = 1 << 20
TABLE = {(row.guest_ram, row.cmdline): row for row in read_table()}
# Boots that reserved nothing of what was to be reserved: the size fits into the RAM, and not into
# what was free of it, or where it was wanted.
REFUSED = {
    (2048, "crashkernel=64M@4T"): Reason.IN_USE,  # there is no memory
    (1024, "crashkernel=256M@16M nokaslr"): Reason.IN_USE,  # there is the kernel
    (1024, "crashkernel=64M@0x10000001 nokaslr"): Reason.IN_USE,  # x86 wants whole MiB
    (6144, "crashkernel=5G"): Reason.NO_ROOM,  # 2 GiB lie below 4 GiB, and 4 GiB above
    (1024, "crashkernel=1000M"): Reason.NO_ROOM,
    (512, "crashkernel=400M"): Reason.NO_ROOM,
}
# Why nothing is expected, and what the kernel says then: nothing at all, for some.
SAID: dict[Problem, set[Reason | None]] = {
    Problem.NONE: {None},  # the area of one byte
    Problem.ABSENT: {None},
    Problem.SYNTAX: {Reason.SYNTAX},
    Problem.AUTO: {Reason.SYNTAX},
    Problem.NO_MATCH: {Reason.NO_MATCH},
    Problem.TOO_LARGE: {Reason.TOO_LARGE, Reason.NO_ROOM},
    Problem.ZERO: {Reason.NO_MATCH, None},
    Problem.IGNORED: {None},
}


def shown(row: Reserved) -> str:
    return f"{row.guest_ram} MiB, {row.cmdline}"


def expected_of(row: Reserved) -> Expectation:
    return expect(row.cmdline.encode(), row.system_ram, release=RELEASE)


def sizes(areas: tuple[tuple[int, int], ...]) -> list[int]:
    return [last - first + 1 for first, last in areas]


def test_the_table_is_of_these_command_lines() -> None:
    assert list(TABLE) == list(COMMAND_LINES)
    assert set(REFUSED) <= set(TABLE)


@pytest.mark.parametrize("row", TABLE.values(), ids=shown)
def test_expected_is_reserved(row: Reserved) -> None:
    expected = expected_of(row)
    if (row.guest_ram, row.cmdline) in REFUSED:
        assert row.crash_size == 0 < expected.main
        return
    # An area whose first byte is its last is none for crash_get_memory_size().
    assert row.crash_size == (expected.main if expected.main > 1 else 0)
    if row.above:
        low = expected.low if expected.high else expected.low_beside_plain
        assert sizes(row.above) == [expected.main]
        assert sizes(row.below) == ([low] if low else [])
    else:
        assert sizes(row.below) == ([expected.main] if expected.main else [])


@pytest.mark.parametrize("row", TABLE.values(), ids=shown)
def test_the_kernel_says_why_nothing_is_reserved(row: Reserved) -> None:
    complaints = parse_reservation_log(row.words).complaints
    reason = complaints[-1].reason if complaints else None
    key = (row.guest_ram, row.cmdline)
    if key in REFUSED:
        assert reason == REFUSED[key]
    elif row.crash_size == 0:
        assert reason in SAID[expected_of(row).problem]
    else:
        assert not row.words[-1].startswith("crashkernel")


@pytest.mark.parametrize("row", TABLE.values(), ids=shown)
def test_the_boot_log_tells_the_areas(row: Reserved) -> None:
    log = parse_reservation_log(row.words)
    main = AreaKind.HIGH if row.above else AreaKind.MAIN
    in_iomem = [Area(kind=main, start=a, size=b - a + 1) for a, b in row.above or row.below]
    if row.above:
        in_iomem += [Area(kind=AreaKind.LOW, start=a, size=b - a + 1) for a, b in row.below]
    # The log has whole MiB.
    whole = [
        Area(kind=one.kind, start=(one.start or 0) // MIB * MIB, size=one.size // MIB * MIB)
        for one in in_iomem
        if one.size >= MIB
    ]
    assert sorted(log.areas, key=str) == sorted(whole, key=str)
    if row.crash_size:
        assert log.system_ram is not None
        # Half a page of the first MiB is in neither, or in one of them.
        assert abs(log.system_ram - row.system_ram) <= 2 * MIB


@pytest.mark.parametrize("row", TABLE.values(), ids=shown)
def test_one_line_of_the_reading_tells_what_was_reserved(row: Reserved) -> None:
    expected = expected_of(row)
    applying = [clause.text for clause in expected.reading if clause.applies]
    assert applying
    assert ("nothing is reserved" in applying[0]) == (expected.main == 0)


@pytest.mark.parametrize(
    ("guest_ram", "parameter", "mib"),
    [(256, UBUNTU_GUIDE, 0), (1024, UBUNTU_GUIDE, 64), (4096, UBUNTU_GUIDE, 128)],
)
def test_the_example_of_the_ubuntu_server_guide(guest_ram: int, parameter: str, mib: int) -> None:
    assert TABLE[guest_ram, f"crashkernel={parameter}"].crash_size == mib * MIB


def test_debian_12_reserves_nothing_on_a_small_machine() -> None:
    reserved = {ram: TABLE[ram, f"crashkernel={DEBIAN_12}"].crash_size for ram in (256, 384, 512)}
    assert reserved == {256: 0, 384: 128 * MIB, 512: 128 * MIB}
