# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine on which nothing stands in the way of the next capture."""

from kdumpd.model.boot_log import Area, AreaKind, ReservationLog
from kdumpd.model.distribution import Distribution
from kdumpd.model.facts.boot_log import BootLog, LogSource
from kdumpd.model.facts.capture_kernel import CaptureKernelFacts
from kdumpd.model.facts.folder import FolderFacts
from kdumpd.model.facts.machine import MachineFacts
from kdumpd.model.facts.next_boot import NextBootFacts
from kdumpd.model.facts.policy import PolicyFacts
from kdumpd.model.facts.reservation import ReservationFacts
from kdumpd.model.facts.service import ServiceFacts
from kdumpd.model.facts.storage import StorageFacts
from kdumpd.model.facts.surroundings import SurroundingsFacts
from kdumpd.model.iomem import Region
from kdumpd.model.ram import Ram, RamSource
from kdumpd.model.text import MIB
from tests.model.looks import CRASH, KERNEL

FOLDER = FolderFacts(path=CRASH, present=True)

# What Linux 6.1 says on a guest of 4 GiB: see tests/observe/test_reservation.py for a real one.
AREA = Region(start=0xAF000000, size=256 * MIB)
RAM = Ram(size=4096 * MIB - 532 * 1024, source=RamSource.IOMEM, exact=True)
RESERVATION = ReservationFacts(
    cmdline=b"BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-amd64 root=/dev/vda1 ro quiet crashkernel=256M\n",
    distribution=Distribution.DEBIAN,
    ram=RAM,
    regions=(AREA,),
    log=BootLog(
        source=LogSource.JOURNAL,
        log=ReservationLog(
            areas=(Area(kind=AreaKind.MAIN, start=AREA.start, size=AREA.size),),
            system_ram=4095 * MIB,
        ),
    ),
)
CAPTURE_KERNEL = CaptureKernelFacts()
NEXT_BOOT = NextBootFacts()
STORAGE = StorageFacts()
POLICY = PolicyFacts()
SURROUNDINGS = SurroundingsFacts()
SERVICE = ServiceFacts()

HEALTHY = MachineFacts(
    kernel=KERNEL,
    folders=(FOLDER,),
    reservation=RESERVATION,
    capture_kernel=CAPTURE_KERNEL,
    next_boot=NEXT_BOOT,
    storage=STORAGE,
    policy=POLICY,
    surroundings=SURROUNDINGS,
    service=SERVICE,
)
