# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine on which nothing stands in the way of the next capture."""

from kdumpd.model.formats.boot_messages import Area, AreaKind, ReservationLog
from kdumpd.model.formats.kdump_settings import parse_kdump_tools
from kdumpd.model.formats.kernel import Distribution
from kdumpd.model.formats.memory import MemoryUse, Ram, RamSource, Region
from kdumpd.model.formats.mounts import Mount
from kdumpd.model.readiness.facts import (
    BootFile,
    BootLog,
    CrashKernelFacts,
    DirectoryFacts,
    DumpDirectory,
    LogSource,
    MachineFacts,
    NextBootFacts,
    PolicyFacts,
    ReservationFacts,
    ServiceFacts,
    StorageFacts,
    SystemFacts,
)
from kdumpd.model.text import MIB
from tests.support.looks import CRASH, KERNEL

DIRECTORY = DirectoryFacts(path=CRASH, present=True)

# What Linux 6.1 says on a guest of 4 GiB; a real one is in
# tests/observe/readiness/test_reservation.py.
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
# As of a Debian 12 in a virtual machine.
CRASH_KERNEL = CrashKernelFacts(
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
DUMP_DIRECTORY = DumpDirectory(
    path=CRASH,
    present=True,
    mount=Mount(point=b"/", type="ext4", source=b"/dev/vda"),
    mounted_at_boot=True,
    free=20 << 30,
    free_files=1_000_000,
)
STORAGE = StorageFacts(
    settings=parse_kdump_tools(b'USE_KDUMP=1\nKDUMP_COREDIR="/var/crash"\n'),
    directories=(DUMP_DIRECTORY,),
    mounts=24,
    memory=MemoryUse(total=64 << 30, free=40 << 30, cache=10 << 30, kernel=2 << 30),
)
POLICY = PolicyFacts(
    events={"panic_on_oops": 1, "panic_on_oom": 0, "hung_task_panic": 0},
    needs={"hung_task_timeout_secs": 120},
    sysrq=438,
    timeout=10,
    dmesg_restrict=0,
)
SURROUNDINGS = SystemFacts(
    lockdown="none", load_disabled=False, loads_left=-1, post_notifiers=False
)
SERVICE = ServiceFacts(
    unit="kdump-tools.service",
    load_state="loaded",
    active_state="active",
    result="success",
    unit_file_state="enabled",
    exec_main_status=0,
)

HEALTHY = MachineFacts(
    kernel=KERNEL,
    directories=(DIRECTORY,),
    reservation=RESERVATION,
    crash_kernel=CRASH_KERNEL,
    next_boot=NEXT_BOOT,
    storage=STORAGE,
    policy=POLICY,
    system=SURROUNDINGS,
    service=SERVICE,
)
