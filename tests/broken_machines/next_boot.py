# SPDX-License-Identifier: GPL-2.0-or-later
"""What the next boot would be."""

from kdumpd.model.readiness.finding import Severity
from tests.broken_machines.fault import OF_LOADED, UNLOADED, Fault, Tree, codes, each, unload
from tests.broken_machines.memory import ASKED
from tests.broken_machines.tool import FEDORA, FEDORAS, HOOK, IMAGE, RUNNING

MENU, PACKAGE = "boot/grub/grub.cfg", "etc/default/grub.d/kdump-tools.cfg"
KERNELS = codes("crash-kernel-missing crash-kernel-differs reservation-below-estimate")
NEXT = "6.1.0-57-amd64"
ENTRIES = "boot/loader/entries"
MAINFRAMES_ENTRY = "7c1c0ffee0ddba11ad0be5e0ff1ce000-5.14.0-427.13.1.el9_4.s390x.conf"
FEDORAS_ENTRY = f"7c1c0ffee0ddba11ad0be5e0ff1ce000-{FEDORAS}.conf"


def update_kernel(tree: Tree) -> None:
    """Have a newer kernel installed, which starts next."""
    tree.sparse(f"boot/vmlinuz-{NEXT}", 8_247_232)
    tree.directory(f"usr/lib/modules/{NEXT}")
    tree.replace(MENU, RUNNING, NEXT)


def remove_running(tree: Tree) -> None:
    """Have the running kernel's package removed after an update."""
    update_kernel(tree)
    tree.sparse(f"var/lib/kdump/initrd.img-{NEXT}", 7_216_553)
    tree.remove(IMAGE)
    tree.remove(f"usr/lib/modules/{RUNNING}")


FAULTS = [
    Fault(
        story="an administrator wrote MB for M, and ran update-grub",
        code="next-boot-unreserved",
        severity=Severity.WARNING,
        how=each(
            lambda tree: tree.replace(MENU, ASKED, f"{ASKED}B"),
            lambda tree: tree.replace(PACKAGE, ASKED, f"{ASKED}B"),
        ),
        besides=codes("next-boot-differs"),
    ),
    Fault(
        story="an administrator removed the package's crashkernel=, and ran update-grub",
        code="next-boot-unreserved",
        severity=Severity.WARNING,
        how=each(
            lambda tree: tree.replace(MENU, ASKED, ""),
            lambda tree: tree.replace(PACKAGE, ASKED, ""),
        ),
        untold=codes("next-boot-differs boot-loader-outdated"),
    ),
    Fault(
        story="an administrator ran `grubby --remove-args=crashkernel`",
        code="next-boot-unreserved",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(
            f"{ENTRIES}/{FEDORAS_ENTRY}", "crashkernel=2G-64G:256M,64G-:512M", ""
        ),
        machine=FEDORA,
        untold=codes("next-boot-differs"),
    ),
    Fault(
        story="an administrator took it out of the entry that zipl reads",
        code="next-boot-unreserved",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(
            f"{ENTRIES}/{MAINFRAMES_ENTRY}", "crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M", ""
        ),
        machine="rhel-9-s390x-zvm-1g",
        untold=codes("next-boot-differs"),
    ),
    Fault(
        story="an administrator asked for more, and ran update-grub",
        code="next-boot-differs",
        severity=Severity.INFO,
        how=each(
            lambda tree: tree.replace(MENU, ASKED, "crashkernel=512M"),
            lambda tree: tree.replace(PACKAGE, ASKED, "crashkernel=512M"),
        ),
    ),
    Fault(
        story="an administrator asked for more, and forgot update-grub",
        code="boot-loader-outdated",
        severity=Severity.INFO,
        how=lambda tree: tree.replace(PACKAGE, ASKED, "crashkernel=512M"),
    ),
    Fault(
        story="crashkernel= was written into grub.cfg by hand",
        code="boot-loader-outdated",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(PACKAGE, ASKED, ""),
    ),
    Fault(
        story="a new kernel was installed, and no capture initrd made for it",
        code="next-kernel-without-initrd",
        severity=Severity.INFO,
        how=update_kernel,
    ),
    Fault(
        story="the same, and the hook that makes it is gone",
        code="next-kernel-without-initrd",
        severity=Severity.WARNING,
        how=each(update_kernel, lambda tree: tree.remove(HOOK)),
    ),
    Fault(
        story="apt autoremove took the running kernel, as a newer one is installed",
        code="running-kernel-removed",
        severity=Severity.INFO,
        how=remove_running,
        untold=KERNELS,
    ),
    Fault(
        story="the same, and then the crash kernel was unloaded",
        code="running-kernel-removed",
        severity=Severity.WARNING,
        how=each(remove_running, unload),
        besides=UNLOADED,
        untold=KERNELS | OF_LOADED,
    ),
]
