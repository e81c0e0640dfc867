# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.formats.boot_messages import (
    COMPLAINTS,
    Area,
    AreaKind,
    Reason,
    ReservationLog,
    parse_reservation_log,
)

MIB, GIB = 1 << 20, 1 << 30
RAM = " (System RAM: 2047MB)"


def area(kind: AreaKind, start: int | None, size: int) -> Area:
    return Area(kind=kind, start=start, size=size)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (  # x86 before 6.7, powerpc, arm
            f"[    0.073202] Reserving 192MB of memory at 464MB for crashkernel{RAM}",
            area(AreaKind.MAIN, 464 * MIB, 192 * MIB),
        ),
        (  # s390
            f"[    0.080000] setup: Reserving 192MB of memory at 464MB for crashkernel{RAM}",
            area(AreaKind.MAIN, 464 * MIB, 192 * MIB),
        ),
        (  # loongarch, mips
            "Reserving 512MB of memory at 2560MB for crashkernel",
            area(AreaKind.MAIN, 2560 * MIB, 512 * MIB),
        ),
        (
            f"Reserving 256MB of memory at 6128MB for crashkernel{RAM}",
            area(AreaKind.HIGH, 6128 * MIB, 256 * MIB),
        ),
        (
            "Reserving 256MB of low memory at 1776MB for crashkernel (low RAM limit: 4096MB)",
            area(AreaKind.LOW, 1776 * MIB, 256 * MIB),
        ),
        (
            "Reserving 72MB of low memory at 1776MB for crashkernel (System low RAM: 3071MB)",
            area(AreaKind.LOW, 1776 * MIB, 72 * MIB),
        ),
        (  # from 6.7, and arm64 before it
            (
                "[    0.000000][    T0] crashkernel reserved: 0x000000006f000000 -"
                " 0x000000007b000000 (192 MB)"
            ),
            area(AreaKind.MAIN, 0x6F000000, 192 * MIB),
        ),
        (
            "crashkernel reserved: 0x000000023e600000 - 0x000000033e600000 (4096 MB)",
            area(AreaKind.HIGH, 0x23E600000, 4 * GIB),
        ),
        (
            "crashkernel low memory reserved: 0xe8000000 - 0xf0000000 (128 MB)",
            area(AreaKind.LOW, 0xE8000000, 128 * MIB),
        ),
        (  # riscv before 6.7
            "crashkernel: reserved 0x0000000090000000 - 0x00000000a0000000 (256 MB)",
            area(AreaKind.MAIN, 0x90000000, 256 * MIB),
        ),
        (
            "crashkernel CMA reserved: 64 MB in 1 ranges",
            area(AreaKind.CMA, None, 64 * MIB),
        ),
        (
            f"fadump: Reserved 1024MB of memory at 0x00000040000000{RAM}",
            area(AreaKind.FADUMP, GIB, GIB),
        ),
        (
            f"fadump: Reserved 1024MB of memory at 1024MB for firmware-assisted dump{RAM}",
            area(AreaKind.FADUMP, GIB, GIB),
        ),
    ],
)
def test_an_area(line: str, expected: Area) -> None:
    found = parse_reservation_log([line])
    assert found.areas == (expected,)
    assert found.complaints == ()
    assert found.system_ram == (2047 * MIB if RAM in line else None)


def test_a_high_area_and_the_low_one_beside_it() -> None:
    found = parse_reservation_log(
        [
            "crashkernel low memory reserved: 0xe8000000 - 0xf0000000 (128 MB)",
            "crashkernel reserved: 0x000000023e600000 - 0x000000033e600000 (4096 MB)",
            "crashkernel CMA reserved: 64 MB in 1 ranges",
        ]
    )
    assert [one.kind for one in found.areas] == [AreaKind.LOW, AreaKind.HIGH, AreaKind.CMA]


def test_powerpc_takes_back_what_it_said() -> None:
    found = parse_reservation_log(
        [
            "Reserving 512MB of memory at 128MB for crashkernel (System RAM: 4096MB)",
            "Failed to reserve memory for crashkernel!",
        ]
    )
    assert found.areas == ()
    assert [one.reason for one in found.complaints] == [Reason.NO_ROOM]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("crashkernel: memory value expected", Reason.SYNTAX),
        ("crashkernel: Memory value expected", Reason.SYNTAX),
        ("crashkernel: Memory value expected after '@'", Reason.SYNTAX),
        ("Memory value expected after '@'", Reason.SYNTAX),  # until 5.8
        ("crashkernel: '-' expected", Reason.SYNTAX),
        ("crashkernel: ':' expected", Reason.SYNTAX),
        ("crashkernel: end <= start", Reason.SYNTAX),
        ("crashkernel: unrecognized char: .", Reason.SYNTAX),
        ("crashkernel: unrecognized char: ", Reason.SYNTAX),
        ("crashkernel: invalid size", Reason.TOO_LARGE),
        ("crashkernel size resulted in zero bytes", Reason.NO_MATCH),
        ("crashkernel reservation failed - No suitable area found.", Reason.NO_ROOM),
        ("cannot allocate crashkernel (size:0x80000000)", Reason.NO_ROOM),
        ("crashkernel: couldn't allocate 262144KB", Reason.NO_ROOM),  # riscv
        ("setup: crashkernel reservation failed: no suitable area found", Reason.NO_ROOM),  # s390
        (
            (
                "setup: crashkernel reservation failed: first memory chunk must be at least"
                " crashkernel size"
            ),
            Reason.NO_ROOM,
        ),
        ("setup: crashkernel reservation failed: crash_base too low", Reason.IN_USE),
        ("crashkernel reservation failed - memory is in use.", Reason.IN_USE),
        ("crashkernel reservation failed - memory is in use", Reason.IN_USE),
        ("cannot reserve crashkernel: region is not memory", Reason.IN_USE),  # arm64 until 5.14
        ("cannot reserve crashkernel: region overlaps reserved memory", Reason.IN_USE),
        ("cannot reserve crashkernel: base address is not 2MB aligned", Reason.IN_USE),
        ("cannot reserve crashkernel region [0x80000000-0x90000000]", Reason.IN_USE),
        ("Invalid memory region reserved for crash kernel", Reason.IN_USE),  # mips, loongarch
        ("Crash kernel can not overlap current kernel", Reason.IN_USE),  # powerpc
        (
            "Cannot reserve 256MB crashkernel low memory, please try smaller size.",
            Reason.NO_LOW_ROOM,
        ),
        ("cannot allocate crashkernel low memory (size:0x8000000).", Reason.NO_LOW_ROOM),
        ("Ignoring crashkernel for a Xen PV domain", Reason.UNSUPPORTED),
        ("crashkernel: ignoring reservation request", Reason.UNSUPPORTED),
        ("crashkernel CMA reservation not supported", Reason.CHANGED),
        ("Crash kernel location must be 0x2000000", Reason.CHANGED),
        (
            "fadump: Firmware-Assisted Dump is not supported on this hardware",
            Reason.UNSUPPORTED,
        ),
        ("Firmware-assisted dump is not supported on this hardware", Reason.UNSUPPORTED),
        ("fadump: Failed to reserve memory!", Reason.NO_ROOM),
        ("fadump: Failed to reserve memory", Reason.NO_ROOM),  # until 5.3
        ("fadump: Failed to find memory chunk for reservation!", Reason.NO_ROOM),
        (
            "fadump: Can't enable fadump with boot memory size (0x8000000) less than 0x10000000",
            Reason.SYNTAX,
        ),
        ("fadump: Too many holes in boot memory area to enable fadump", Reason.UNSUPPORTED),
        ("fadump: Adjusted boot memory size to 1024MB", Reason.CHANGED),
    ],
)
@pytest.mark.parametrize("beginning", ["", "[    0.000000] ", "<4>[   10.123456][    T0] "])
def test_a_complaint(beginning: str, line: str, reason: Reason) -> None:
    (found,) = parse_reservation_log([beginning + line]).complaints
    assert found.reason == reason
    assert found.words.strip() in line
    assert len(found.explanation.split()) > 5


def test_part_of_the_cma_memory() -> None:
    line = "crashkernel CMA reservation failed: 128 MB requested, 96 MB reserved in 4 ranges"
    found = parse_reservation_log([line])
    assert found.areas == (area(AreaKind.CMA, None, 96 * MIB),)
    assert [one.reason for one in found.complaints] == [Reason.CHANGED]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[    0.000000] Command line: ro crashkernel: memory value expected",
        "[    0.16] Kernel command line: crashkernel=64M crashkernel size resulted in zero bytes",
        "audit: type=1400 msg='crashkernel reserved: 0x0 - 0x10000000 (256 MB)'",
        "crashkernel reserved: 0x0000000010000000 - 0x0000000010000000 (0 MB)",
        "cma: Reserved 64 MiB at 0x0000000100000000",
        "fadump: Firmware-assisted dump is active.",
    ],
)
def test_what_others_say_is_nothing(line: str) -> None:
    assert parse_reservation_log([line]) == ReservationLog()


def test_explanations_are_one_sentence_each() -> None:
    for _, _, explanation in COMPLAINTS:
        assert not explanation.endswith(".")
        assert explanation[0].islower()


@given(st.lists(st.text(max_size=80)))
def test_any_lines(lines: list[str]) -> None:
    parse_reservation_log(lines)


def test_a_flood_is_bounded() -> None:
    lines = ["crashkernel: invalid size", "crashkernel CMA reserved: 64 MB in 1 ranges"] * 1000
    found = parse_reservation_log(lines)
    assert len(found.areas) == len(found.complaints) == 16
