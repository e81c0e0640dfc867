# SPDX-License-Identifier: GPL-2.0-or-later
"""A few lines of the table, booted anew: the table is still what this kernel does."""

import pytest

from kdumpd.model.formats.boot_messages import parse_reservation_log
from tests.vm.image import GuestImage
from tests.vm.reservations import UBUNTU, UBUNTU_GUIDE, Reserved, boot_all, read_table

pytestmark = pytest.mark.vm

AGAIN = (
    (256, f"crashkernel={UBUNTU_GUIDE}"),
    (1024, f"crashkernel={UBUNTU_GUIDE}"),
    (4096, f"crashkernel={UBUNTU_GUIDE}"),
    (1024, f"crashkernel={UBUNTU}"),
    (6144, "crashkernel=256M,high crashkernel=72M,low"),
    (1024, "crashkernel=64M@256M nokaslr"),
    (1024, "crashkernel=64M,high crashkernel=garbage"),
    (512, "crashkernel=400M"),
)


def outcome(row: Reserved) -> object:
    """Return what a boot repeats: the place, and that alone, depends on KASLR."""
    return (
        (row.guest_ram, row.cmdline, row.crash_size, row.system_ram),
        [[last - first for first, last in areas] for areas in (row.below, row.above)],
        parse_reservation_log(row.words).complaints,
    )


async def test_the_table_holds(image: GuestImage) -> None:
    table = {(row.guest_ram, row.cmdline): row for row in read_table()}
    booted = await boot_all(image, AGAIN)
    assert [outcome(row) for row in booted] == [outcome(table[each]) for each in AGAIN]
