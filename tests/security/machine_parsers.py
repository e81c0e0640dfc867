# SPDX-License-Identifier: GPL-2.0-or-later
"""Every parser of the machine's own files, with what real machines have in them."""

from collections.abc import Callable

from kdumpd.model.formats.boot_messages import COMPLAINTS
from tests.security import machine_readings as readings
from tests.security.inputs import DEFAULTS, MOUNTS
from tests.security.mutator import Parts
from tests.security.parser import Parser
from tests.support.machine_file import read_machine
from tests.support.sample_machines import machines

CONTENTS = [
    {entry.path: entry.content for entry in read_machine(machines()[name]).entries}
    for name in ("debian-12-ready", "debian-13-ready")
]
LARGEST = 32 << 10  # bytes of a file: the larger, the slower

LOG = b"""\
[    0.000000] Linux version 6.1.0-56-amd64
[    0.015340] crashkernel: memory value expected
[    0.015341] setup: Reserving 192MB of low memory at 464MB for crashkernel (System RAM: 2047MB)
[    0.015342] Reserving 256MB of memory at 6128MB for crashkernel (System RAM: 8191MB)
[    0.015343] crashkernel reserved: 0x00000000d8000000 - 0x00000000e8000000 (256 MB)
[    0.015344] crashkernel low memory reserved: 0xd8000000 - 0xe0000000 (128 MB)
[    0.015345] crashkernel CMA reserved: 512 MB in 2 ranges
[    0.015346] fadump: Reserved 512MB of memory at 0x00000020000000 (System RAM: 8192MB)
[    0.015347][    T0] cannot allocate crashkernel (size:0x40000000)
[    0.015348] Failed to reserve memory for crashkernel!
"""
BOOT = b"""\
Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) #1 SMP
Command line: root=/dev/vda reset_devices nr_cpus=1 elfcorehdr=883456K
OF: fdt: Reserving 1 KiB of memory at 0xf4fff000 for elfcorehdr
rtas fadump: Firmware-assisted dump is active.
Kernel command line: root=/dev/vda reset_devices nr_cpus=1 elfcorehdr=883456K
Memory: 260916K/785908K available (14343K kernel code)
"""
LAST_WORDS = b"Kernel Offset: disabled\nKernel panic - not syncing: Fatal exception\n"
TIMES = b"".join(
    number.to_bytes(8, "big") for number in (1_700_000_000_000_000, 60_000_000, 50_000_000, 0)
)
RECORDS = b"""\
6,0,0,-;Linux version 6.1.0-56-amd64
6,1,15342,-,caller=T0;Reserving 256MB of memory at 6128MB for crashkernel (System RAM: 8191MB)
 SUBSYSTEM=acpi
30,2,15343,-;systemd[1]: \\x1b[31mcrashkernel reservation failed - No suitable area found.
"""
COMPLAINING = b"".join(
    b"[    0.1] " + pattern.replace("\\", "").encode() + b"\n" for pattern, *_ in COMPLAINTS
)
GRUB = b"""\
set default="${saved_entry}"
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
fi
set kernelopts="root=/dev/vda ro crashkernel=256M"
menuentry 'Debian' --class debian $menuentry_id_option 'gnulinux-simple-4a9d' {
\tlinux\t/boot/vmlinuz-6.1.0-56-amd64 root=UUID=4a9d ro $kernelopts
\tinitrd\t/boot/initrd.img-6.1.0-56-amd64
}
submenu "Advanced" $menuentry_id_option 'gnulinux-advanced-4a9d' {
\tmenuentry 'old' --id=old {
\t\tlinux16 /boot/vmlinuz-5.10.0-1-amd64 "root=/dev/vda" ro crashkernel=1G-:128M
\t}
}
blscfg
"""
GRUBENV = b"# GRUB Environment Block\nsaved_entry=gnulinux-advanced-4a9d>old\nnext_entry=\n####\n"
ENTRY = b"""\
title Fedora Linux
version 6.11.4-301.fc41.x86_64
linux /vmlinuz-6.11.4-301.fc41.x86_64
initrd /initramfs-6.11.4-301.fc41.x86_64.img
options root=UUID=4a9d ro crashkernel=2G-64G:256M $kernelopts ${tuned_params}
"""
ZIPL = b"""\
[defaultboot]
defaultmenu=menu
[linux]
target=/boot/zipl
image=/boot/vmlinuz-6.11.4
parameters="root=/dev/dasda1 crashkernel=320M"
:menu
1=linux
default=1
"""
FSTAB = b'UUID=4a9d / ext4 errors=remount-ro 0 1\nLABEL="var" /var/my\\040crash ext4 noauto 0 2\n'
CONF = b"""\
# kdump.conf
nfs my.server.com:/export/tmp
ext4 UUID=03138356-5e61-4ab3-b58e-27507ac41937
path /var/crash
core_collector makedumpfile -l --message-level 7 -d 31,16
dracut_args --mount "/dev/sda1 /mnt ext4"
extra_bins /usr/bin/lftp /sbin/ip
"""
SUSE = b"""\
KDUMP_SAVEDIR="file:///var/crash ssh://user:secret@host/dumps"
KDUMP_DUMPLEVEL="31"
KDUMP_DUMPFORMAT="lzo"
KDUMP_FREE_DISK_SIZE="64"
KDUMP_TRANSFER=""
"""
OS_RELEASE = b'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nPRETTY_NAME="openSUSE"\n'


def x86_image() -> bytes:
    """Return the first bytes of a bzImage (Documentation/arch/x86/boot.rst)."""
    head = bytearray(0x1000)
    head[0x202:0x206] = b"HdrS"
    head[0x206:0x208] = (0x20F).to_bytes(2, "little")
    head[0x20E:0x210] = (0x600).to_bytes(2, "little")
    head[0x260:0x264] = (64 << 20).to_bytes(4, "little")
    words = b"6.1.0-56-amd64 (debian-kernel@lists.debian.org) #1 SMP\0"
    head[0x800 : 0x800 + len(words)] = words
    return bytes(head)


def arm64_image() -> bytes:
    """Return the first bytes of an Image (Documentation/arch/arm64/booting.rst)."""
    head = bytearray(64)
    head[16:24] = (40 << 20).to_bytes(8, "little")
    head[56:60] = b"ARM\x64"
    return bytes(head)


def of_trees(name: str) -> tuple[Parts, ...]:
    """Return what the machines that were captured have in this file."""
    return tuple((contents[name][:LARGEST],) for contents in CONTENTS if name in contents)


def parser(name: str, read: Callable[..., None], *seeds: Parts) -> Parser:
    """Return a parser that declares no error."""
    return Parser(name=name, read=read, errors=(), seeds=seeds)


MACHINE = (
    parser(
        "command-line",
        readings.read_command_line,
        (b"BOOT_IMAGE=/vmlinuz ro crashkernel=1G-4G:192M,4G-:256M@16M swiotlb=65536 quiet\n",),
        (b"crashkernel=1G,high crashkernel=72M,low crashkernel=1E,cma crashkernel:=1M\n",),
        (b"crashkernel=auto CRASHKERNEL=1M crash_kernel=2M crashkernel=0x10000000@0777\n",),
        *of_trees("proc/cmdline"),
    ),
    parser("memparse", readings.read_number, (b"0x1fffG,high",), (b"0777k@",), (b"99999999E",)),
    parser("boot-log", readings.read_boot_log, (LOG,), (COMPLAINING,)),
    parser(
        "boot",
        readings.read_boot,
        (BOOT, LAST_WORDS, TIMES),
        (BOOT.replace(b"elfcorehdr=883456K", b"quiet"), b"eth0: link up", TIMES),
    ),
    parser(
        "pstore-name",
        readings.read_archive_name,
        (b"1700000123/001",),
        (str(1_700_000_123 << 32).encode(),),
    ),
    parser("kmsg", readings.read_records, (RECORDS,)),
    parser("iomem", readings.read_iomem, *of_trees("proc/iomem")),
    parser(
        "cma-ranges",
        readings.read_cma_ranges,
        (b"0000000100000000-000000011fffffff\n00000002-00000003\n",),
        (b"",),
    ),
    parser(
        "grub",
        readings.read_grub,
        (GRUB, GRUBENV),
        *((one, GRUBENV) for (one,) in of_trees("boot/grub/grub.cfg")),
    ),
    parser(
        "boot-entries",
        readings.read_entries,
        (ENTRY, ENTRY.replace(b"6.11", b"6.9"), b"one*.conf"),
    ),
    parser("zipl", readings.read_zipl, (ZIPL,), (b"[defaultboot]\ndefault=a\n[a]\nimage=x\n",)),
    parser(
        "mount-table",
        readings.read_mounts,
        (MOUNTS, FSTAB, b"/var/crash"),
        (MOUNTS, FSTAB, b"/"),
        *((one, FSTAB, b"/var/crash/a") for (one,) in of_trees("proc/self/mountinfo")),
    ),
    parser("meminfo", readings.read_meminfo, *of_trees("proc/meminfo")),
    parser(
        "kdump-tools", readings.read_kdump_tools, (DEFAULTS,), *of_trees("etc/default/kdump-tools")
    ),
    parser("kdump-conf", readings.read_kdump_conf, (CONF,)),
    parser("suse-kdump", readings.read_suse, (SUSE,)),
    parser(
        "assignments",
        readings.read_assignments,
        (DEFAULTS,),
        (b'A="$A${B}\\"x"\nexport B=$A\'y\'\\z\nif true; then\nC=1\nfi\nD=`date`\n',),
        *of_trees("etc/default/grub"),
        *of_trees("etc/default/grub.d/kdump-tools.cfg"),
    ),
    parser(
        "kernel-image",
        readings.read_image,
        (x86_image(), b"vmlinuz-6.1.0-56-amd64"),
        (arm64_image(), b"vmlinuz-6.12.0+kdump"),
    ),
    parser("os-release", readings.read_os_release, (OS_RELEASE,), *of_trees("usr/lib/os-release")),
    parser("sysrq", readings.read_sysrq, (b"\0\0\0\0\0\0\x01\xb6",), (b"\0" * 8,)),
)
