# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the dump goes."""

import os

from kdumpd.model.readiness.finding import Severity
from tests.broken_machines.fault import PLACE, Fault, Tree, codes, each
from tests.broken_machines.tool import FEDORA, SETTINGS, SUSE

MOUNTS, ROOT = "proc/self/mountinfo", " - ext4 /dev/vda rw,errors=remount-ro"
DIRECTORY = 'KDUMP_COREDIR="/var/crash"'
CONF = "etc/kdump.conf"
SUSES = "etc/sysconfig/kdump"
LUKS = "CRYPT-LUKS2-4a9d1f0e6f0b4c559a2e2f1b6c7d8e90-root_crypt\n"


def mount(tree: Tree, line: str) -> None:
    """Have one more file system mounted."""
    table = (tree.root / MOUNTS).read_text()
    tree.write(MOUNTS, f"{table}90 27 {line}\n")


def encrypt(tree: Tree, key: str) -> None:
    """Have everything on an encrypted disk."""
    tree.replace(MOUNTS, "ext4 /dev/vda rw", "ext4 /dev/mapper/root_crypt rw")
    tree.link("dev/mapper/root_crypt", "../dm-0")
    tree.write("sys/class/block/dm-0/dm/uuid", LUKS)
    tree.write("sys/class/block/dm-0/dm/name", "root_crypt\n")
    tree.directory("sys/class/block/dm-0/slaves/vda")
    tree.write("etc/crypttab", f"root_crypt /dev/vda {key}\n")


def move(tree: Tree, directory: str) -> None:
    """Have dumps go to another directory."""
    tree.replace(SETTINGS, DIRECTORY, f'KDUMP_COREDIR="{directory}"')
    tree.directory(directory.lstrip("/"))


def grow(tree: Tree, times: int) -> None:
    """Have so many times the memory that the disk is large.

    What the kernel needs to keep track of memory is a 64th of it, which a dump holds, compressed to
    the half; the tables of a dump are about a 6500th.
    """
    disk = os.statvfs(tree.root)
    size = times * disk.f_bfree * disk.f_frsize
    tree.replace("proc/meminfo", "MemTotal:        1103056 kB", f"MemTotal: {size // 1024} kB")


FAULTS = [
    Fault(
        story="an administrator has a script choose the directory",
        code="dump-settings-unreadable",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(SETTINGS, DIRECTORY, "if true; then\n KDUMP_COREDIR=/x\nfi"),
        untold=PLACE | codes("kdump-disabled"),
        unknown=True,
    ),
    Fault(
        story="/etc/default/kdump-tools was edited on Windows",
        code="dump-settings-unreadable",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(SETTINGS, DIRECTORY, f"{DIRECTORY}\r"),
        untold=PLACE | codes("kdump-disabled"),
        unknown=True,
    ),
    Fault(
        story="the disk of the dump directory is compressed memory",
        code="dump-directory-unmountable",
        severity=Severity.FATAL,
        how=each(
            lambda tree: mount(tree, "252:0 / /var/crash rw - ext4 /dev/zram0 rw"),
            lambda tree: tree.write(
                "etc/fstab",
                (tree.root / "etc/fstab").read_text() + "/dev/zram0 /var/crash ext4 rw 0 0\n",
            ),
        ),
    ),
    Fault(
        story="a disk for dumps was put into fstab, and is not there",
        code="dump-directory-not-mounted",
        severity=Severity.WARNING,
        how=lambda tree: tree.write(
            "etc/fstab",
            (tree.root / "etc/fstab").read_text() + "/dev/vdb1 /var/crash xfs defaults 0 2\n",
        ),
        untold=PLACE,
    ),
    Fault(
        story="somebody copied a core to /var/crash while there was no such directory",
        code="dump-directory-missing",
        severity=Severity.FATAL,
        how=each(
            lambda tree: tree.remove("var/crash"), lambda tree: tree.write("var/crash", "core")
        ),
        besides=codes("crash-directory-unreadable"),
        untold=PLACE,
    ),
    Fault(
        story="dumps go to a server that died",
        code="facts-unreadable",
        severity=Severity.WARNING,
        how=lambda tree: move(tree, "/srv/crash"),
        dead="srv/crash",
        unknown=True,
        untold=PLACE,
    ),
    Fault(
        story="somebody ran rmdir /var/crash",
        code="crash-directory-missing",
        severity=Severity.INFO,
        how=lambda tree: tree.remove("var/crash"),
        untold=PLACE,
    ),
    Fault(
        story="the same, where kdumpctl does not make it",
        code="crash-directory-missing",
        severity=Severity.WARNING,
        how=lambda tree: tree.remove("var/crash"),
        machine=FEDORA,
        untold=PLACE,
    ),
    Fault(
        story="/var/crash was replaced by a link to a larger disk",
        code="crash-directory-unreadable",
        severity=Severity.WARNING,
        how=each(
            lambda tree: tree.remove("var/crash"),
            lambda tree: tree.directory("srv/crash"),
            lambda tree: tree.link("var/crash", "/srv/crash"),
        ),
        unknown=True,
    ),
    Fault(
        story="somebody ran chmod 777 /var/crash, for a program that could not write there",
        code="crash-directory-untrusted",
        severity=Severity.WARNING,
        how=lambda tree: (tree.root / "var/crash").chmod(0o777),
    ),
    Fault(
        story="the same, of all of /var",
        code="crash-directory-untrusted",
        severity=Severity.WARNING,
        how=lambda tree: (tree.root / "var").chmod(0o777),
    ),
    Fault(
        story="a user filled a crash directory that everybody may write to",
        code="crash-directory-strangers",
        severity=Severity.INFO,
        how=each(
            lambda tree: (tree.root / "var/crash").chmod(0o3777),
            lambda tree: tree.directory("var/crash/202611230113"),
            lambda tree: os.chown(tree.root / "var/crash/202611230113", 1000, 1000),
        ),
        given_away=True,
    ),
    Fault(
        story="a user made the directory of a minute in which the kernel then died",
        code="crash-directory-mixed",
        severity=Severity.INFO,
        how=each(
            lambda tree: (tree.root / "var/crash").chmod(0o1777),
            lambda tree: tree.write("var/crash/202611230113/dump.202611230113", b"makedumpfile"),
            lambda tree: os.chown(tree.root / "var/crash/202611230113", 1000, 1000),
        ),
        given_away=True,
        besides=codes("crash-directory-strangers"),
    ),
    Fault(
        story="a crash of the file system left zeroes in the settings",
        code="dump-settings-unreadable",
        severity=Severity.WARNING,
        how=lambda tree: tree.write(SETTINGS, bytes(4562)),
        unknown=True,
        besides=codes("kdump-disabled"),
        untold=PLACE,
    ),
    Fault(
        story="an administrator set SSH=",
        code="dump-target-remote",
        severity=Severity.INFO,
        how=lambda tree: tree.replace(SETTINGS, DIRECTORY, f'{DIRECTORY}\nSSH="crash@collector"'),
        untold=PLACE,
    ),
    Fault(
        story="an administrator gave dumps a volume without a file system",
        code="dump-target-raw",
        severity=Severity.INFO,
        how=lambda tree: tree.write(CONF, "raw /dev/cs/dump\n"),
        untold=PLACE,
        machine=FEDORA,
    ),
    Fault(
        story="the volume for dumps is not mounted",
        code="dump-target-unmounted",
        severity=Severity.INFO,
        how=lambda tree: tree.write(CONF, "xfs LABEL=dump\npath /\n"),
        untold=PLACE,
        machine=FEDORA,
    ),
    Fault(
        story="an administrator named a directory that is not there",
        code="dump-directory-missing",
        severity=Severity.WARNING,
        how=lambda tree: tree.write(CONF, "path /var/crash/kdump\n"),
        machine=FEDORA,
        untold=PLACE,
    ),
    Fault(
        story="somebody has put a file where the directory should be",
        code="dump-directory-missing",
        severity=Severity.FATAL,
        how=each(
            lambda tree: tree.replace(SETTINGS, DIRECTORY, 'KDUMP_COREDIR="/var/crash/kdump"'),
            lambda tree: tree.write("var/crash/kdump", "notes\n"),
        ),
        untold=PLACE,
    ),
    Fault(
        story="errors of the disk made the root file system read-only",
        code="dump-directory-read-only",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(MOUNTS, ROOT, ROOT.replace("rw,", "ro,")),
    ),
    Fault(
        story="the system was started from an image that cannot be written to",
        code="dump-directory-read-only",
        severity=Severity.FATAL,
        how=lambda tree: tree.replace(MOUNTS, ROOT, " - squashfs /dev/vda ro"),
    ),
    Fault(
        story="an administrator put /var/crash into memory by fstab, to spare the disk",
        code="dump-directory-unmountable",
        severity=Severity.FATAL,
        how=each(
            lambda tree: mount(tree, "0:40 / /var/crash rw,relatime shared:34 - tmpfs tmpfs rw"),
            lambda tree: tree.replace(
                "etc/fstab", "UUID=", "tmpfs /var/crash tmpfs defaults 0 0\nUUID="
            ),
        ),
    ),
    Fault(
        story="an administrator mounted a larger disk on /var/crash, and not in fstab",
        code="dump-directory-unmountable",
        severity=Severity.WARNING,
        how=lambda tree: mount(
            tree, "254:16 / /var/crash rw,relatime shared:34 - ext4 /dev/vdb rw"
        ),
    ),
    Fault(
        story="/var/crash is on a server",
        code="dump-directory-unmountable",
        severity=Severity.WARNING,
        how=each(
            lambda tree: mount(
                tree, "0:40 / /var/crash rw,relatime shared:34 - nfs4 server:/crash rw"
            ),
            lambda tree: tree.replace(
                "etc/fstab", "UUID=", "server:/crash /var/crash nfs4 _netdev 0 0\nUUID="
            ),
        ),
        untold=codes("storage-too-small"),
    ),
    Fault(
        story="the disk was encrypted when the system was installed",
        code="dump-directory-encrypted",
        severity=Severity.WARNING,
        how=lambda tree: encrypt(tree, "none luks"),
    ),
    Fault(
        story="the same, and the TPM unlocks it",
        code="dump-directory-encrypted",
        severity=Severity.INFO,
        how=lambda tree: encrypt(tree, "none tpm2-device=auto"),
    ),
    Fault(
        story="an administrator set KDUMP_COREDIR, and kdumpd knows nothing of it",
        code="dump-directory-unwatched",
        severity=Severity.WARNING,
        how=lambda tree: move(tree, "/srv/crash"),
    ),
    Fault(
        story="the machine was given more memory than the disk has room for",
        code="storage-too-small",
        severity=Severity.WARNING,
        how=lambda tree: grow(tree, 1000),
    ),
    Fault(
        story="so much that not even the tables of a dump have room",
        code="storage-too-small",
        severity=Severity.FATAL,
        how=lambda tree: grow(tree, 12_000),
    ),
    Fault(
        story="an administrator set KDUMP_FREE_DISK_SIZE to more than the disk has",
        code="storage-too-small",
        severity=Severity.FATAL,
        how=lambda tree: tree.replace(
            SUSES, 'KDUMP_FREE_DISK_SIZE="64"', 'KDUMP_FREE_DISK_SIZE="999999999"'
        ),
        machine=SUSE,
    ),
    Fault(
        story="an administrator set KDUMP_SAVEDIR, and kdumpd knows nothing of it",
        code="dump-directory-unwatched",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(SUSES, '"/var/crash"', '"file:///srv/crash"'),
        machine=SUSE,
        untold=PLACE,
    ),
    Fault(
        story="an administrator had yast send dumps to another machine",
        code="dump-target-remote",
        severity=Severity.INFO,
        how=lambda tree: tree.replace(SUSES, '"/var/crash"', '"ssh://root@collector/crash"'),
        machine=SUSE,
        untold=PLACE,
    ),
    Fault(
        story="logs filled the disk",
        code="storage-too-small",
        severity=Severity.FATAL,
        disk="size=4k",
    ),
    Fault(
        story="a mail queue of small files used the last inode",
        code="storage-no-inodes",
        severity=Severity.FATAL,
        disk="nr_inodes=1",
    ),
]
