# SPDX-License-Identifier: GPL-2.0-or-later
"""What a real kernel reserved is read from its own files as it is."""

from pathlib import Path

import pytest

from kdumpd.model.readiness.facts import DirectoryFacts, MachineFacts
from kdumpd.model.readiness.reservation import reservation_of
from kdumpd.model.readiness.verdict import find
from kdumpd.model.text import MIB
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.kernel import read_kernel_facts
from kdumpd.observe.readiness.reservation import ReservationReader
from tests.vm.guest import Scenario, run_guest
from tests.vm.image import GuestImage

pytestmark = pytest.mark.vm

FILES = (
    "/proc/iomem /proc/cmdline /proc/sys/kernel/random/boot_id /proc/sys/kernel/osrelease"
    " /proc/sys/kernel/arch /sys/kernel/kexec_crash_loaded /sys/kernel/kexec_crash_size"
)
KEEP = f"""
for file in {FILES}; do
    mkdir -p /host/tree$(dirname $file)
    cat $file > /host/tree$file
done
mkdir /host/tree/dev
(cat /dev/kmsg > /host/tree/dev/kmsg & reader=$!; sleep 2; kill $reader)
sync
reboot -f
"""
CUT = "echo 134217728 > /sys/kernel/kexec_crash_size\n"


async def machine(image: GuestImage, host: Path, scenario: Scenario) -> MachineFacts:
    await run_guest(image, scenario, host)
    root = host / "tree"
    return MachineFacts(
        kernel=read_kernel_facts(Files(root)),
        directories=(DirectoryFacts(path=b"/var/crash", present=True),),
        reservation=ReservationReader(Files(root)).read(),
    )


async def test_above_4_gib_and_below(image: GuestImage, tmp_path: Path) -> None:
    scenario = Scenario(panic=KEEP, reservation="crashkernel=512M,high", ram=6144)
    facts = await machine(image, tmp_path, scenario)
    found = reservation_of(facts)
    assert found.expected == found.reserved == 768 * MIB
    assert found.areas is not None
    assert found.areas.low is not None
    assert (found.areas.main.size, found.areas.low.size) == (512 * MIB, 256 * MIB)
    assert (found.areas.main.is_high, found.areas.low.is_high) == (True, False)
    assert found.armed
    assert find(facts) == ()


async def test_cut_since_the_boot(image: GuestImage, tmp_path: Path) -> None:
    scenario = Scenario(panic=CUT + KEEP, reservation="crashkernel=256M", ram=2048, armed=False)
    facts = await machine(image, tmp_path, scenario)
    assert (reservation_of(facts).expected, reservation_of(facts).reserved) == (
        256 * MIB,
        128 * MIB,
    )
    assert {one.code for one in find(facts)} >= {"reservation-cut"}
    assert "reservation-short" not in {one.code for one in find(facts)}
