# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory for the crash kernel, and the parameter that asks for it."""

from kdumpd.model.readiness.facts import LastReservation
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.text import MIB
from tests.broken_machines.fault import (
    AMOUNTS,
    MENU,
    OF_LOADED,
    OF_RESERVED,
    UNLOADED,
    Fault,
    Tree,
    codes,
    each,
    unload,
)

BEFORE = "0b7e0c52-6c1f-4f7e-8d63-1a2b3c4d5e6f"  # the boot before
ASKED = "crashkernel=384M"
UBUNTUS = "crashkernel=2G-4G:320M,4G-32G:512M,32G-64G:1024M,64G-128G:2048M,128G-:4096M"
AREA = "46000000-5dffffff : Crash kernel\n"
START = 0x46000000
LARGE, CMA = "ubuntu-24.04-server-256g", "tumbleweed-cma"
ARM = "ubuntu-24.04-graviton"
POWER = "rhel-9-power-fadump"


def reserve(tree: Tree, size: int) -> None:
    """Have so many MiB reserved."""
    tree.write("sys/kernel/kexec_crash_size", f"{size * MIB}\n")
    tree.replace("proc/iomem", AREA, f"{START:08x}-{START + size * MIB - 1:08x} : Crash kernel\n")


def reserve_nothing(tree: Tree) -> None:
    """Have nothing reserved, and so nothing loaded."""
    tree.write("sys/kernel/kexec_crash_size", "0\n")
    tree.drop("proc/iomem", "Crash kernel")
    unload(tree)


def reserved_at_boot(tree: Tree, size: int) -> None:
    """Have so many MiB reserved, and the kernel say so."""
    reserve(tree, size)
    tree.replace("dev/kmsg", "Reserving 384MB", f"Reserving {size}MB")


def ask(tree: Tree, asked: str) -> None:
    """Have this on the command line of this boot and of the next one, and in the settings."""
    tree.replace("proc/cmdline", ASKED, asked)
    tree.replace("dev/kmsg", ASKED, asked)
    tree.replace("boot/grub/grub.cfg", ASKED, asked)
    tree.replace("etc/default/grub.d/kdump-tools.cfg", ASKED, asked)


def ask_high(tree: Tree, size: int, low: str) -> None:
    """Have so many MiB above 4 GiB, and none of the low area that was there beside them."""
    asked = f"crashkernel={size}M,high crashkernel=0,low"
    for name in ("proc/cmdline", "boot/grub/grub.cfg", "etc/default/grub.d/kdump-tools.cfg"):
        tree.replace(name, UBUNTUS, asked)
    tree.write("sys/kernel/kexec_crash_size", f"{size * MIB}\n")
    tree.drop("proc/iomem", f"{low} : Crash kernel")
    tree.drop("dev/kmsg", "crashkernel low memory reserved")


def ask_in_bytes(tree: Tree) -> None:
    """Have a size without a unit: the area is in the memory map, and its size is in bytes."""
    ask(tree, "crashkernel=384")
    tree.write("sys/kernel/kexec_crash_size", "384\n")
    tree.replace("proc/iomem", AREA, f"{START:08x}-{START + 383:08x} : Crash kernel\n")
    tree.drop("dev/kmsg", "Reserving 384MB")
    unload(tree)


def fail(tree: Tree) -> None:
    """Have the kernel find no room for so much."""
    ask(tree, "crashkernel=1400M")
    tree.replace(
        "dev/kmsg",
        "Reserving 384MB of memory at 1120MB for crashkernel (System RAM: 1535MB)",
        "crashkernel reservation failed - No suitable area found.",
    )
    reserve_nothing(tree)


def as_shipped(tree: Tree, size: int) -> None:
    """Have so many MiB asked for, and reserved."""
    ask(tree, f"crashkernel={size}M")
    reserved_at_boot(tree, size)


def refuse_fadump(tree: Tree) -> None:
    """Have firmware that does not do fadump: the memory is kdump's, and kdumpctl loads it."""
    tree.remove("sys/kernel/fadump")
    tree.write("sys/kernel/kexec_crash_size", f"{1024 * MIB}\n")
    tree.write("sys/kernel/kexec_crash_loaded", "1\n")
    tree.write("sys/module/kernel/parameters/crash_kexec_post_notifiers", "N\n")
    tree.write(
        "dev/kmsg",
        "6,0,0,-;fadump: Firmware-Assisted Dump is not supported on this hardware\n",
    )


def boot_before(reserved: int) -> tuple[LastReservation, ...]:
    """Return that the boot before had so many MiB by the same crashkernel=."""
    return (
        LastReservation(boot_id=BEFORE, crashkernel="384M", reserved=reserved * MIB, ram=3 << 30),
    )


FAULTS = [
    Fault(
        story="an administrator wrote 384 for 384M",
        code="crashkernel-without-unit",
        severity=Severity.WARNING,
        how=ask_in_bytes,
        besides=UNLOADED | codes("reservation-below-estimate"),
        untold=codes("reservation-small") | OF_LOADED,
    ),
    Fault(
        story="a sandbox hides /proc/iomem behind an empty file",
        code="reservation-unreadable",
        severity=Severity.WARNING,
        how=lambda tree: tree.write("proc/iomem", ""),
        unknown=True,
    ),
    Fault(
        story="an administrator asked for nearly all of the memory",
        code="reservation-missing",
        severity=Severity.FATAL,
        how=fail,
        besides=UNLOADED,
        untold=AMOUNTS | OF_LOADED | OF_RESERVED,
    ),
    Fault(
        story="the package's crashkernel= was taken away, and the machine rebooted",
        code="reservation-missing",
        severity=Severity.FATAL,
        how=each(lambda tree: ask(tree, ""), reserve_nothing),
        besides=UNLOADED,
        untold=AMOUNTS | MENU | OF_LOADED | OF_RESERVED,
    ),
    Fault(
        story="the kernel found room for less only",
        code="reservation-short",
        severity=Severity.WARNING,
        how=lambda tree: reserved_at_boot(tree, 320),
    ),
    Fault(
        story="an administrator unloaded, ran `echo 256M > kexec_crash_size`, and loaded again",
        code="reservation-cut",
        severity=Severity.INFO,
        how=lambda tree: reserve(tree, 256),
        untold=codes("reservation-short reservation-small"),
    ),
    Fault(
        story="an administrator asked for nothing below 4 GiB, to save it",
        code="reservation-low",
        severity=Severity.WARNING,
        how=lambda tree: ask_high(tree, 4096, "6f000000-7effffff"),
        machine=LARGE,
    ),
    Fault(
        story="the same on a machine that needs none there as a rule",
        code="reservation-low",
        severity=Severity.INFO,
        how=lambda tree: ask_high(tree, 1024, "70000000-77ffffff"),
        machine=ARM,
    ),
    Fault(
        story="the kernel found no room for all of the ,cma",
        code="reservation-cma-short",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(
            "sys/kernel/kexec/crash_cma_ranges", "000000085fffffff", "000000084fffffff"
        ),
        machine=CMA,
    ),
    Fault(
        story="crashkernel= is as Debian's package brings it",
        code="reservation-small",
        severity=Severity.INFO,
        how=lambda tree: as_shipped(tree, 128),
    ),
    Fault(
        story="crashkernel= was taken from a manual of ten years ago",
        code="reservation-small",
        severity=Severity.WARNING,
        how=lambda tree: as_shipped(tree, 80),
    ),
    Fault(
        story="a memory module was taken out",
        code="reservation-shrank",
        severity=Severity.WARNING,
        boots=boot_before(512),
    ),
    Fault(
        story="another kernel reserves more",
        code="reservation-grew",
        severity=Severity.INFO,
        boots=boot_before(256),
    ),
    Fault(
        story="an administrator set crashkernel= in /etc/default/grub, as does the package's file",
        code="crashkernel-repeated",
        severity=Severity.INFO,
        how=lambda tree: ask(tree, f"crashkernel=128M {ASKED}"),
    ),
    Fault(
        story="crashkernel=SIZE,low was taken from another machine",
        code="crashkernel-ignored",
        severity=Severity.INFO,
        how=lambda tree: ask(tree, f"{ASKED} crashkernel=72M,low"),
    ),
    Fault(
        story="a mistake in typing stayed on the command line beside the right word",
        code="crashkernel-misspelled",
        severity=Severity.INFO,
        how=lambda tree: ask(tree, f"crashkernal=384M {ASKED}"),
    ),
    Fault(
        story="the last of the ranges was written wrongly",
        code="crashkernel-fragile",
        severity=Severity.INFO,
        how=lambda tree: ask(tree, "crashkernel=1G-4G:384M,4G-512M"),
    ),
    Fault(
        story="the partition was moved to firmware without fadump",
        code="fadump-refused",
        severity=Severity.INFO,
        how=refuse_fadump,
        machine=POWER,
    ),
    Fault(
        story="the firmware's dump was unregistered",
        code="crash-kernel-unloaded",
        severity=Severity.FATAL,
        how=lambda tree: tree.write("sys/kernel/fadump/registered", "0\n"),
        machine=POWER,
        besides=codes("panic-timeout"),
        untold=OF_LOADED,
    ),
    Fault(
        story="update-initramfs was told MODULES=most for the crash kernel as well",
        code="reservation-below-estimate",
        severity=Severity.WARNING,
        how=lambda tree: tree.sparse("var/lib/kdump/initrd.img-6.1.0-56-amd64", 130_647_015),
        untold=codes("reservation-small"),
    ),
]
