# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine on which nothing stands in the way of the next capture."""

from kdumpd.model.facts.capture_kernel import CaptureKernelFacts
from kdumpd.model.facts.folder import FolderFacts
from kdumpd.model.facts.machine import MachineFacts
from kdumpd.model.facts.next_boot import NextBootFacts
from kdumpd.model.facts.policy import PolicyFacts
from kdumpd.model.facts.reservation import ReservationFacts
from kdumpd.model.facts.service import ServiceFacts
from kdumpd.model.facts.storage import StorageFacts
from kdumpd.model.facts.surroundings import SurroundingsFacts
from tests.model.looks import CRASH, KERNEL

FOLDER = FolderFacts(path=CRASH, present=True)

RESERVATION = ReservationFacts()
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
