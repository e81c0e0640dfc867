# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine on which nothing stands in the way of the next capture."""

from kdumpd.model.facts.capture_kernel import BootFile, CaptureKernelFacts
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
# As of a Debian 12 in a virtual machine.
CAPTURE_KERNEL = CaptureKernelFacts(
    tool="kdump-tools",
    off="",
    unit="kdump-tools.service",
    unit_state="enabled",
    kernel=BootFile(
        path="/var/lib/kdump/vmlinuz",
        size=8247232,
        release="6.1.0-56-amd64",
        memory=66682880,
    ),
    initrd=BootFile(path="/var/lib/kdump/initrd.img", size=7216553, release="6.1.0-56-amd64"),
    changed=(),
    makes_initrd=True,
    reload="/etc/kernel/postinst.d/kdump-tools 6.1.0-56-amd64 && kdump-config reload",
)
NEXT_BOOT = NextBootFacts(
    source="/boot/grub/grub.cfg",
    crashkernel="256M",
    template="/etc/default/grub",
    wanted="256M",
    release="6.1.0-57-amd64",
    initrd=True,
    makes_initrd=True,
    running_installed=True,
)
STORAGE = StorageFacts()
POLICY = PolicyFacts()
SURROUNDINGS = SurroundingsFacts()
SERVICE = ServiceFacts(
    unit="kdump-tools.service",
    load_state="loaded",
    active_state="active",
    sub_state="exited",
    result="success",
    unit_file_state="enabled",
    exec_main_status=0,
)

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
