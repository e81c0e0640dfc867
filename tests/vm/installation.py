# SPDX-License-Identifier: GPL-2.0-or-later
"""What is installed on the disk of a whole Debian: packages, and a unit that does what it is told.

Each boot of the disk does what the host has left for it, as root: see debian.py.
"""

import re
import shutil
from pathlib import Path

from tests.support.debian_packages import find, run
from tests.vm.guest import GuestError

CRASHKERNEL = "crashkernel=384M"

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "polkitd", "udev", "kmod", "grub-pc"),
    *("linux-image-amd64", "initramfs-tools", "makedumpfile", "kexec-tools"),
    *("python3", "python3-dbus-fast", "python3-pyinotify", "python3-systemd"),
    # What debootstrap or the installer puts on every machine: kdump-config has sysctl(8) set what
    # panics, and mkinitramfs packs with zstd.
    *("procps", "zstd", "busybox"),
)
# A kernel that is configured after kdump-tools calls their hook, which makes an initrd for the disk
# that / is on, and fails as there is none yet. On a machine too they come after the kernel. With
# its own settings for apt, mmdebstrap has this machine's install what belongs below its directory,
# $1.
KDUMP_TOOLS = (
    'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"'
    ' apt-get --quiet --yes install -o DPkg::Chroot-Directory="$1" kdump-tools'
)
UUID = "4a9d1f0e-6f0b-4c55-9a2e-2f1b6c7d8e90"  # of the root file system; the boot loader names it
DISK_SIZE = "3G"  # sparse

# Type=simple, and after the last target, so that no job is left over: the machine is "running".
# The crash kernel has other targets, and is no boot that the host counts.
UNIT = """[Unit]
Description=Run what the host left for this boot
After=multi-user.target
ConditionPathExists=!/proc/vmcore
FailureAction=poweroff-force

[Service]
Type=simple
ExecStart=/usr/local/sbin/from-host
StandardOutput=journal+console
"""
# A boot that went as it should is followed by the next one, if there is one.
FROM_HOST = """#!/bin/sh
set -e
mkdir -p /host
modprobe 9pnet_virtio
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 host /host
boot=$(($(cat /host/guest/boots) + 1))
echo $boot > /host/guest/boots
mine=/host/guest/$boot
next=/host/guest/$((boot + 1))
set +e
sh -e $mine/script > $mine/output 2>&1
status=$?
echo $status > $mine/status
sync
if [ $status = 0 ] && [ ! -e $mine/crashes ] && [ -e $next ]; then
    exec systemctl --no-block reboot
fi
exec systemctl --force poweroff
"""
FILES = {
    "etc/fstab": f"UUID={UUID} / ext4 errors=remount-ro 0 1\n",
    "etc/hostname": "debian\n",
    "etc/hosts": "127.0.0.1 localhost debian\n",
    "etc/systemd/system/from-host.service": UNIT,
    "usr/local/sbin/from-host": FROM_HOST,
}
JOURNAL = (
    "var/log/journal"  # without the directory nothing is kept; its rights are systemd-tmpfiles'
)
# The first boot is done in two: one only for the boot loader's file, which no chroot can make.
FOR_GRUB = f"""
sed -i 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="console=ttyS0"/' /etc/default/grub
sed -i 's/crashkernel=[^ "]*/{CRASHKERNEL}/' /etc/default/grub.d/kdump-tools.cfg
update-grub
cp /boot/grub/grub.cfg /host/grub.cfg
"""
FOR_CAPTURE = "kdump-config show; ls -lR /var/lib/kdump"  # the service has made its initrd
# The journal is to begin with the first boot that somebody asks for.
FORGET = f"""
systemctl stop systemd-journald.socket systemd-journald-dev-log.socket \\
    systemd-journald-audit.socket systemd-journald.service
rm -r /{JOURNAL}/*
"""
RECIPE = (PACKAGES, KDUMP_TOOLS, DISK_SIZE, FILES, JOURNAL, FOR_GRUB, FOR_CAPTURE, FORGET)


def install(suite: str, root: Path, directory: Path, disk: Path) -> None:
    """Make a disk of what is put into `root`; its kernel and initrd go to `directory`."""
    run(
        *("mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        *(f"--customize-hook={KDUMP_TOOLS}", suite, str(root)),
    )
    (root / "etc/hostname").unlink()  # mmdebstrap takes this machine's name, and its resolvers
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / JOURNAL).mkdir(exist_ok=True)
    for name, text in FILES.items():
        path = root / name
        path.write_text(text)
        path.chmod(0o755 if "sbin" in name else 0o644)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    (wants / "from-host.service").symlink_to("/etc/systemd/system/from-host.service")
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile(find(root / "boot", f"{name}-*"), directory / name)
    run("mkfs.ext4", "-q", "-U", UUID, "-d", str(root), str(disk), DISK_SIZE)


def boot_cmdline(grub: str) -> str:
    """Return what GRUB gives to the kernel of its first entry."""
    found = re.search(r"^\s*linux\s+(\S+)\s+(.*?)\s*$", grub, re.MULTILINE)
    if found is None:
        raise GuestError(f"no kernel in grub.cfg:\n{grub}")
    return f"BOOT_IMAGE={found[1]} {found[2]}"
