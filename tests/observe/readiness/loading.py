# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines as directories of files, as the capture tools of the distributions leave them."""

import os
from pathlib import Path

from tests.model.formats.test_kernel_image import x86_image
from tests.support.machine import RELEASE, Machine

NEXT = "6.1.0-57-amd64"
BUILT, INSTALLED, MADE = 1_700_000_000, 1_700_100_000, 1_700_200_000  # seconds since 1970
GRUB = """set default="0"
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'simple' {{
\tlinux\t/boot/vmlinuz-{release} root=UUID=1 ro quiet {crashkernel}
\tinitrd\t/boot/initrd.img-{release}
}}
"""


def put(machine: Machine, name: str, content: bytes | str = b"x", time: int = INSTALLED) -> Path:
    """Make a file of that content and time."""
    path = machine.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (time, time))
    return path


def link(machine: Machine, name: str, target: str) -> Path:
    """Make a link."""
    path = machine.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    return path


def boots(machine: Machine, release: str, crashkernel: str = "crashkernel=256M") -> None:
    """Let GRUB start this release, with this on the command line."""
    put(machine, "boot/grub/grub.cfg", GRUB.format(release=release, crashkernel=crashkernel))


def make_debian(machine: Machine) -> None:
    """Make it a Debian with kdump-tools, its crash kernel loaded at boot."""
    machine.write("proc/cmdline", f"BOOT_IMAGE=/boot/vmlinuz-{RELEASE} ro crashkernel=256M\n")
    put(machine, "usr/sbin/kdump-config")
    put(
        machine,
        "etc/default/kdump-tools",
        "USE_KDUMP=1\nKDUMP_KERNEL=/var/lib/kdump/vmlinuz\nKDUMP_INITRD=/var/lib/kdump/initrd.img\n",
    )
    put(machine, "etc/kernel/postinst.d/kdump-tools")
    put(machine, "etc/kdump/sysctl.conf", "kernel.panic = 5\n")
    put(machine, f"var/lib/kdump/latest_sysctls-{RELEASE}", "kernel.panic = 5\n")
    put(machine, "usr/lib/systemd/system/kdump-tools.service")
    link(
        machine,
        "etc/systemd/system/basic.target.wants/kdump-tools.service",
        "/usr/lib/systemd/system/kdump-tools.service",
    )
    put(machine, f"boot/vmlinuz-{RELEASE}", x86_image(text=RELEASE.encode() + b" (a@b)"), BUILT)
    put(machine, f"var/lib/kdump/initrd.img-{RELEASE}", bytes(5000), MADE)
    link(machine, "var/lib/kdump/vmlinuz", f"/boot/vmlinuz-{RELEASE}")
    link(machine, "var/lib/kdump/initrd.img", f"/var/lib/kdump/initrd.img-{RELEASE}")
    put(machine, "etc/default/grub", 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n')
    put(
        machine,
        "etc/default/grub.d/kdump-tools.cfg",
        'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=256M"\n',
    )
    boots(machine, RELEASE)


def make_fedora(machine: Machine) -> None:
    """Make it a Fedora with kdump-utils, its crash kernel loaded at boot."""
    machine.write("proc/cmdline", f"BOOT_IMAGE=(hd0,gpt2)/vmlinuz-{RELEASE} crashkernel=256M\n")
    put(machine, "usr/bin/kdumpctl")
    put(machine, "etc/kdump.conf", "# a comment\npath /var/crash\ncore_collector makedumpfile -l\n")
    put(machine, "etc/fstab")
    put(machine, "usr/lib/systemd/system/kdump.service")
    link(machine, "etc/systemd/system/multi-user.target.wants/kdump.service", "/usr/lib/systemd")
    put(machine, f"boot/vmlinuz-{RELEASE}", x86_image(text=RELEASE.encode()), BUILT)
    put(machine, f"boot/initramfs-{RELEASE}.img")
    put(machine, f"boot/initramfs-{RELEASE}kdump.img", bytes(5000), MADE)
    put(machine, "boot/grub2/grub.cfg", 'set default="${saved_entry}"\nblscfg\n')
    put(machine, "boot/grub2/grubenv", f"# GRUB Environment Block\nsaved_entry=m-{RELEASE}\n")
    put(
        machine,
        f"boot/loader/entries/m-{RELEASE}.conf",
        f"version {RELEASE}\nlinux /vmlinuz-{RELEASE}\noptions root=UUID=1 crashkernel=256M\n",
    )


def make_suse(machine: Machine) -> None:
    """Make it a SUSE with kdump, its crash kernel loaded at boot."""
    machine.write("proc/cmdline", f"BOOT_IMAGE=/boot/vmlinuz-{RELEASE} ro crashkernel=256M\n")
    put(machine, "usr/lib/kdump/load.sh")
    put(machine, "etc/sysconfig/kdump", 'KDUMP_SAVEDIR="/var/crash"\n')
    put(machine, "usr/lib/systemd/system/kdump.service")
    link(machine, "etc/systemd/system/multi-user.target.wants/kdump.service", "/usr/lib/systemd")
    put(machine, f"boot/vmlinuz-{RELEASE}", x86_image(text=RELEASE.encode()), BUILT)
    link(machine, "var/lib/kdump/kernel", f"/boot/vmlinuz-{RELEASE}")
    put(machine, "var/lib/kdump/initrd", bytes(5000), MADE)
