# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace
from typing import Any

from kdumpd.model.formats.boot_messages import (
    Area,
    AreaKind,
    Complaint,
    ReservationLog,
    parse_complaint,
)
from kdumpd.model.formats.memory import Ram, RamSource, Region
from kdumpd.model.readiness.facts import (
    BootLog,
    FadumpFacts,
    LastReservation,
    LogSource,
    MachineFacts,
    ReservationFacts,
)
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.verdict import find
from kdumpd.model.text import MIB
from tests.model.readiness.rules.broken_machine import ALONE, Fault, broken
from tests.support.looks import KERNEL
from tests.support.machine_facts import HEALTHY, RESERVATION

GIB = 1 << 30
UBUNTU = "2G-4G:320M,4G-32G:512M,32G-64G:1024M,64G-128G:2048M,128G-:4096M"
HIGH = Region(start=5 * GIB, size=256 * MIB)
LOW = Region(start=2 * GIB, size=256 * MIB)


def asked(cmdline: str, crashkernel: str, reserved: int, **facts: Any) -> MachineFacts:  # noqa: ANN401  # a row of a table
    """Return the healthy machine with another request and another result."""
    kernel = replace(KERNEL, crashkernel=crashkernel, reserved=reserved)
    regions = (replace(RESERVATION.regions[0], size=reserved),) if RESERVATION.regions else None
    values = {"cmdline": cmdline.encode(), "regions": regions if reserved else (), "log": None}
    return replace(ALONE, kernel=kernel, reservation=replace(RESERVATION, **{**values, **facts}))


def said(*words: str) -> BootLog:
    """Return a log in which the kernel said this and nothing else."""
    complaints: list[Complaint] = [one for one in map(parse_complaint, words) if one]
    assert len(complaints) == len(words)
    return BootLog(source=LogSource.KMSG, log=ReservationLog(complaints=tuple(complaints)))


def last(reserved: int, ram: int, crashkernel: str = "256M") -> LastReservation:
    return LastReservation(boot_id="5e6d", crashkernel=crashkernel, reserved=reserved, ram=ram)


def in_ram(size: int) -> Ram:
    return Ram(size=size, source=RamSource.IOMEM, exact=True)


def power(**values: Any) -> MachineFacts:  # noqa: ANN401  # a row of a table
    """Return a POWER machine of 32 GiB on which fadump is all there is."""
    fadump = FadumpFacts(**{"enabled": True, "registered": True, "reserved": GIB, **values})
    return replace(
        ALONE,
        kernel=replace(KERNEL, crashkernel="1G", crash_loaded=False, reserved=0),
        reservation=ReservationFacts(
            cmdline=b"fadump=on crashkernel=1G",
            architecture="ppc64le",
            ram=in_ram(32 * GIB),
            regions=(),
            fadump=fadump,
        ),
    )


FAULTS = [
    Fault(
        asked("crashkernel=384", "384", 384),
        "crashkernel-without-unit",
        Severity.WARNING,
        "crashkernel= asks for 384 bytes",
        besides=("reservation-small",),
    ),
    Fault(
        broken("reservation", unreadable=("'/proc/iomem' is no memory map",)),
        "reservation-unreadable",
        Severity.WARNING,
        "'/proc/iomem' is no memory map",
        unknown=True,
    ),
    Fault(
        broken("kernel", reserved=0),
        "reservation-missing",
        Severity.FATAL,
        "crashkernel=256M had no effect",
    ),
    Fault(
        asked("quiet", "", 0),
        "reservation-missing",
        Severity.FATAL,
        "the kernel command line has no crashkernel=",
    ),
    Fault(
        asked("crash_kernel=64M", "", 0),
        "reservation-missing",
        Severity.FATAL,
        "the kernel does not know 'crash_kernel=64M'",
    ),
    Fault(
        asked(f"crashkernel={UBUNTU}", UBUNTU, 0, ram=in_ram(GIB)),
        "reservation-missing",
        Severity.FATAL,
        "the kernel stops reading at 32G-64G:1024M",
    ),
    Fault(
        asked("crashkernel=auto", "auto", 0),
        "reservation-missing",
        Severity.FATAL,
        "RHEL 8 and before",
    ),
    Fault(
        asked(
            "crashkernel=3G",
            "3G",
            0,
            log=said("crashkernel reservation failed - No suitable area found."),
        ),
        "reservation-missing",
        Severity.FATAL,
        "there is no free area of that size",
    ),
    Fault(
        asked("crashkernel=256M", "256M", 0, last=last(256 * MIB, 8 * GIB)),
        "reservation-missing",
        Severity.FATAL,
        "the previous boot reserved 256 MiB with 8 GiB of RAM",
    ),
    Fault(power(reserved=0), "reservation-missing", Severity.FATAL, "crashkernel=1G had no effect"),
    Fault(
        asked("crashkernel=256M", "256M", 192 * MIB, ram=None),
        "reservation-short",
        Severity.WARNING,
        "only 192 MiB of the 256 MiB",
    ),
    Fault(
        asked("crashkernel=2G-:512M", "2G-:512M", 256 * MIB),
        "reservation-short",
        Severity.WARNING,
        "256 MiB of the 512 MiB requested by crashkernel=2G-:512M",
    ),
    Fault(
        asked(
            "crashkernel=512M",
            "512M",
            256 * MIB,
            log=BootLog(
                source=LogSource.KMSG,
                log=ReservationLog(areas=(Area(kind=AreaKind.MAIN, start=GIB, size=512 * MIB),)),
            ),
        ),
        "reservation-cut",
        Severity.INFO,
        "512 MiB was reserved at boot, but only 256 MiB is left",
    ),
    Fault(
        broken("reservation", regions=(HIGH,)),
        "reservation-low",
        Severity.WARNING,
        "above 4 GiB, with none below",
    ),
    Fault(
        broken("reservation", regions=(replace(LOW, size=64 * MIB), HIGH)),
        "reservation-low",
        Severity.WARNING,
        "with only 64 MiB below",
    ),
    Fault(
        broken("reservation", regions=(HIGH,), architecture="aarch64"),
        "reservation-low",
        Severity.INFO,
        "above 4 GiB, with none below",
        besides=("reservation-small",),
    ),
    Fault(
        replace(
            asked("crashkernel=256M crashkernel=1G,cma", "256M 1G,cma", 256 * MIB, cma=MIB),
            kernel=replace(KERNEL, crashkernel="256M 1G,cma", release="6.17.0"),
        ),
        "reservation-cma-short",
        Severity.WARNING,
        "1 MiB of the 1024 MiB",
    ),
    Fault(
        asked("crashkernel=128M", "128M", 128 * MIB),
        "reservation-small",
        Severity.INFO,
        "256 MiB is usual for 4 GiB",
    ),
    Fault(
        asked("crashkernel=64M", "64M", 64 * MIB),
        "reservation-small",
        Severity.WARNING,
        "only 64 MiB is reserved",
    ),
    Fault(
        broken("reservation", last=last(512 * MIB, 128 * GIB)),
        "reservation-shrank",
        Severity.WARNING,
        "with 4 GiB of RAM, the previous one 512 MiB with 128 GiB of RAM",
    ),
    Fault(
        broken("reservation", last=last(128 * MIB, 2 * GIB)),
        "reservation-grew",
        Severity.INFO,
        "the previous one 128 MiB with 2 GiB",
    ),
    Fault(
        broken("reservation", cmdline=b"crashkernel=128M crashkernel=256M"),
        "crashkernel-repeated",
        Severity.INFO,
        "the kernel ignores crashkernel=128M",
    ),
    Fault(
        broken("reservation", cmdline=b"crashkernel=256M crashkernel=72M,low"),
        "crashkernel-ignored",
        Severity.INFO,
        "crashkernel=72M,low is ignored",
    ),
    Fault(
        broken("reservation", cmdline=b"crashkernel=256M crash_kernel=1G"),
        "crashkernel-misspelled",
        Severity.INFO,
        "'crash_kernel=1G'",
    ),
    Fault(
        asked("crashkernel=2G-8G:256M,", "2G-8G:256M,", 256 * MIB),
        "crashkernel-fragile",
        Severity.INFO,
        "with another amount of RAM",
    ),
    Fault(
        broken("reservation", cmdline=b"fadump=on crashkernel=256M"),
        "fadump-refused",
        Severity.INFO,
        "does not use fadump",
    ),
    Fault(
        power(registered=None),
        "crash-kernel-unloaded",
        Severity.WARNING,
        "/sys/kernel/fadump/registered does not exist",
        unknown=True,
    ),
    Fault(
        power(registered=False),
        "crash-kernel-unloaded",
        Severity.FATAL,
        "fadump is not registered",
    ),
]


def test_a_reboot_is_enough_where_the_next_boot_asks() -> None:
    kernel = replace(HEALTHY.kernel, reserved=0, crashkernel="", crash_loaded=False)
    reservation = replace(HEALTHY.reservation, cmdline=b"quiet", regions=(), log=None)
    found = find(replace(HEALTHY, kernel=kernel, reservation=reservation))
    (missing,) = (one for one in found if one.code == "reservation-missing")
    assert missing.remedy == "reboot; the next boot uses crashkernel=256M"
