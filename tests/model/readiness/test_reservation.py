# SPDX-License-Identifier: GPL-2.0-or-later
"""Requested, expected, reserved and suggested stand side by side, as far as they are known."""

from dataclasses import replace
from typing import Any

import pytest

from kdumpd.model.formats.boot_messages import Area, AreaKind, ReservationLog
from kdumpd.model.formats.memory import Ram, RamSource, Region, best_ram
from kdumpd.model.readiness.facts import (
    BootLog,
    FadumpFacts,
    LogSource,
    MachineFacts,
    ReservationFacts,
)
from kdumpd.model.readiness.reservation import Reservation, reservation_of
from kdumpd.model.readiness.verdict import find
from kdumpd.model.text import MIB
from kdumpd.model.vocabulary import Mechanism
from tests.support.looks import KERNEL
from tests.support.machine_facts import DIRECTORY, HEALTHY

GIB = 1 << 30
# The example of Ubuntu's server guide.
GUIDE = "384M-2G:64M,2G-:128M"
LOW = Region(start=2 * GIB, size=256 * MIB)
HIGH = Region(start=6 * GIB, size=512 * MIB)


def machine(
    crashkernel: str = "256M",
    reserved: int | None = 256 * MIB,
    **facts: Any,  # noqa: ANN401  # a row of a table
) -> MachineFacts:
    return MachineFacts(
        kernel=replace(KERNEL, crashkernel=crashkernel, reserved=reserved),
        directories=(DIRECTORY,),
        reservation=ReservationFacts(**facts),
    )


def ram(size: int, source: RamSource = RamSource.IOMEM) -> Ram:
    return Ram(size=size, source=source, exact=source in (RamSource.IOMEM, RamSource.LOG))


def placed(reservation: Reservation) -> tuple[int, int]:
    """Return the bytes above 4 GiB, and those below."""
    assert reservation.areas is not None
    regions = [one for one in (reservation.areas.main, reservation.areas.low) if one is not None]
    high = sum(one.size for one in regions if one.is_high)
    return high, sum(one.size for one in regions) - high


def test_a_healthy_machine() -> None:
    found = reservation_of(HEALTHY)
    assert found.mechanism is Mechanism.KDUMP
    assert found.expected == found.reserved == found.main == 256 * MIB
    assert placed(found) == (0, 256 * MIB)
    assert found.suggested == 256 * MIB
    assert found.armed
    assert [(clause.text, clause.applies) for clause in found.reading] == [
        ("256M is reserved, whatever the RAM", True)
    ]


@pytest.mark.parametrize(
    ("size", "expected"), [(256 * MIB, 0), (GIB, 64 * MIB), (4 * GIB, 128 * MIB)]
)
def test_the_server_guide(size: int, expected: int) -> None:
    found = reservation_of(machine(GUIDE, expected, ram=ram(size)))
    assert found.expected == expected
    assert len(found.reading) == 3
    assert sum(clause.applies for clause in found.reading) == 1


def test_ranges_without_the_ram() -> None:
    """Nothing is expected then, and so nothing is missed."""
    facts = machine(GUIDE, 64 * MIB)
    assert reservation_of(facts).expected is None
    assert reservation_of(facts).reading == ()
    assert find(facts) == ()


def test_a_colon_elsewhere_on_the_command_line() -> None:
    """It makes no range of a plain size, which is expected with any RAM."""
    cmdline = b"crashkernel=256M ip=192.0.2.1::192.0.2.254 root=nfs:/srv"
    assert reservation_of(machine(reserved=64 * MIB, cmdline=cmdline)).expected == 256 * MIB


def test_ram_that_is_not_known_well_enough() -> None:
    """MemTotal of 1.86 GiB may be a machine of 2 GiB: no alarm, whichever range it is in."""
    facts = machine(GUIDE, 64 * MIB, ram=ram(1900 * MIB, RamSource.MEMINFO))
    found = reservation_of(facts)
    assert (found.expectation, found.expected, found.sure) == (None, None, False)
    assert "reservation-short" not in {one.code for one in find(facts)}
    sure = reservation_of(machine(GUIDE, 64 * MIB, ram=ram(1000 * MIB, RamSource.MEMINFO)))
    assert (sure.expected, sure.sure) == (64 * MIB, True)


def test_a_guest_of_2_gib_by_its_memory_blocks() -> None:
    """The blocks are most likely right, but no reason to say that the kernel is wrong."""
    facts = machine(GUIDE, 64 * MIB, ram=ram(2 * GIB, RamSource.BLOCKS))
    found = reservation_of(facts)
    assert (found.expected, found.sure) == (128 * MIB, False)
    assert "reservation-short" not in {one.code for one in find(facts)}


def test_a_low_area_beside_a_high_one() -> None:
    facts = machine("512M,high", 512 * MIB, ram=ram(8 * GIB), regions=(LOW, HIGH))
    found = reservation_of(facts)
    assert found.expected == 768 * MIB
    assert found.reserved == 768 * MIB  # crash_size left it out before Linux 6.5
    assert (found.main, *placed(found)) == (512 * MIB, 512 * MIB, 256 * MIB)
    assert find(facts) == ()
    newer = replace(facts, kernel=replace(facts.kernel, reserved=768 * MIB))
    assert reservation_of(newer).reserved == 768 * MIB
    assert reservation_of(newer).main == 512 * MIB
    assert find(newer) == ()


def test_a_plain_one_that_found_room_above_4_gib_only() -> None:
    facts = machine("512M", 512 * MIB, ram=ram(8 * GIB), regions=(LOW, HIGH))
    assert reservation_of(facts).expected == 768 * MIB
    assert find(facts) == ()


def test_a_high_one_that_found_room_below_4_gib_only() -> None:
    """The kernel leaves the low area out."""
    facts = machine("256M,high", 256 * MIB, ram=ram(3 * GIB), regions=(LOW,))
    assert reservation_of(facts).expected == 256 * MIB
    assert find(facts) == ()


def test_the_log_tells_where_nobody_may_read_the_memory_map() -> None:
    log = ReservationLog(
        areas=(
            Area(kind=AreaKind.LOW, start=LOW.start, size=LOW.size),
            Area(kind=AreaKind.HIGH, start=HIGH.start, size=HIGH.size),
            Area(kind=AreaKind.CMA, start=None, size=GIB),
        )
    )
    facts = machine("512M,high", 512 * MIB, log=BootLog(source=LogSource.KMSG, log=log))
    found = reservation_of(facts)
    assert placed(found) == (512 * MIB, 256 * MIB)


@pytest.mark.parametrize("architecture", ["s390x", "ppc64le"])
def test_no_low_area_where_there_never_is_one(architecture: str) -> None:
    facts = machine("512M", 512 * MIB, architecture=architecture, regions=(HIGH,))
    assert find(facts) == ()


def test_fadump() -> None:
    fadump = FadumpFacts(enabled=True, registered=True, reserved=9 * GIB)
    facts = machine(
        "16G",
        0,
        cmdline=b"fadump=on crashkernel=16G",
        architecture="ppc64le",
        ram=ram(32 * GIB),
        fadump=fadump,
    )
    facts = replace(facts, kernel=replace(facts.kernel, crash_loaded=False))
    found = reservation_of(facts)
    assert found.mechanism is Mechanism.FADUMP
    assert found.expected == 8 * GIB  # a quarter of the RAM is the most
    assert found.reserved == 9 * GIB
    assert found.armed
    assert find(facts) == ()


def test_fadump_that_is_there_and_not_used() -> None:
    facts = machine(fadump=FadumpFacts(enabled=False, registered=False, reserved=0))
    assert reservation_of(facts).mechanism is Mechanism.KDUMP
    assert find(facts) == ()


def test_no_mechanism() -> None:
    facts = machine("", 0)
    facts = replace(facts, kernel=replace(facts.kernel, crash_loaded=False))
    assert reservation_of(facts).mechanism is Mechanism.NONE


def test_the_best_source_of_the_ram() -> None:
    sources = [
        best_ram(GIB, None, 2 * GIB, 3 * GIB),
        best_ram(None, GIB, 2 * GIB, 3 * GIB),
        best_ram(None, None, GIB, 3 * GIB),
        best_ram(None, None, None, GIB),
    ]
    assert [one.source for one in sources if one] == list(RamSource)
    assert {one.size for one in sources if one} == {GIB}
    assert best_ram(None, None, None, None) is None


def test_sizes_are_bounded_by_nothing() -> None:
    """A stranger's command line can ask for anything."""
    facts = machine("99999999999999999999E", 0, ram=ram(GIB))
    (finding,) = find(facts)
    assert finding.code == "reservation-missing"
