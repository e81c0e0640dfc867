# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that several readers of one look need, read once: mount tables, kdump-tools' settings."""

import os
from typing import NamedTuple

from kdumpd.model.formats.kdump_settings import ShellSettings, parse_shell_settings
from kdumpd.model.formats.mounts import (
    FstabEntry,
    Mount,
    clean_path,
    find_mount,
    is_inside,
    mount_unit,
    parse_fstab,
    parse_mountinfo,
)
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.observe.files import Files
from kdumpd.observe.threads import Once

# The first process sees the machine's mounts; this one may have its own view of them. One that
# does not see the first process finds its table where kdumpd.service puts it.
MACHINE_MOUNTINFO = ("run/kdumpd.machine/mountinfo", "proc/1/mountinfo")
OWN_MOUNTINFO = "proc/self/mountinfo"
MAX_MOUNTINFO_BYTES = 1 << 20  # a machine that runs containers has thousands of mounts
FSTAB = "etc/fstab"
MOUNT_UNIT_DIRECTORIES = (
    "etc/systemd/system",
    "run/systemd/system",
    "run/systemd/generator",
    "run/systemd/generator.early",
    "run/systemd/generator.late",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
DISK_DIRECTORY_OF_TAG = {
    b"UUID": "uuid",
    b"LABEL": "label",
    b"PARTUUID": "partuuid",
    b"PARTLABEL": "partlabel",
}
# Datasets are mounted by their own properties (zfs-mount.service).
FILE_SYSTEMS_NOT_IN_FSTAB = {"zfs"}


class MountTable(NamedTuple):
    """What is mounted, and what fstab says; None where the machine has no fstab."""

    mounts: tuple[Mount, ...] = ()
    fstab: Fact[tuple[FstabEntry, ...]] = None


class Mounts:
    """The machine's mounts, and what of them this process sees; each table is read once."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._of_machine = Once(self._read_of_machine)
        self._own = Once(self._read_own)
        self._table = Once(self._read_table)

    @property
    def table(self) -> Fact[MountTable]:
        """The machine's mounts and fstab; None below a tree that has no such table."""
        return self._table.get()

    def is_hidden(self, path: bytes) -> bool:
        """Return whether this process has something else at a path than the machine has there."""
        of_machine, own = self._of_machine.get(), self._own.get()
        if of_machine is None or not isinstance(own, tuple):
            return False
        there, here = find_mount(of_machine[1], path), find_mount(own, path)
        return there is not None and here is not None and there.device != here.device

    def _read_table(self) -> Fact[MountTable]:
        name, mounts = self._of_machine.get() or (OWN_MOUNTINFO, self._own.get())
        if not isinstance(mounts, tuple):
            return mounts
        if not any(mount.point == b"/" for mount in mounts):
            return self._files.unknown(name, "does not name what is mounted on /")
        fstab = self._files.plain(FSTAB)
        entries = tuple(parse_fstab(fstab)) if isinstance(fstab, bytes) else fstab
        return MountTable(mounts=mounts, fstab=entries)

    def _read_of_machine(self) -> tuple[str, tuple[Mount, ...]] | None:
        """Return the first table that says anything, and where it stands."""
        for name in MACHINE_MOUNTINFO:
            table = self._files.plain(name, MAX_MOUNTINFO_BYTES)
            if isinstance(table, bytes) and table.strip():
                return name, tuple(parse_mountinfo(table, of_machine=True))
        return None

    def _read_own(self) -> Fact[tuple[Mount, ...]]:
        table = self._files.plain(OWN_MOUNTINFO, MAX_MOUNTINFO_BYTES)
        return tuple(parse_mountinfo(table)) if isinstance(table, bytes) else table


def is_mounted_at_boot(files: Files, table: MountTable, mount: Mount) -> Fact[bool]:
    """Return whether the next boot mounts it as well, None where that cannot be told."""
    if mount.point == b"/":
        return True
    if table.fstab is None or mount.type in FILE_SYSTEMS_NOT_IN_FSTAB:
        return None
    if isinstance(table.fstab, Unknown):
        return table.fstab
    if any(entry.at_boot for entry in table.fstab if entry.point == mount.point):
        return True
    unit = mount_unit(mount.point)
    return any(
        files.status(f"{directory}/{unit}") is not None for directory in MOUNT_UNIT_DIRECTORIES
    )


def find_device(files: Files, table: MountTable, device: bytes) -> Mount | None:
    """Return where a device, as kdump.conf(5) or fstab(5) names it, is mounted first."""
    for entry in table.fstab if isinstance(table.fstab, tuple) else ():
        if entry.source == device:
            return next((one for one in table.mounts if one.point == entry.point), None)
    wanted = _resolved(files, device)
    return next((one for one in table.mounts if _resolved(files, one.source) == wanted), None)


def find_not_mounted(table: MountTable, path: bytes) -> FstabEntry | None:
    """Return the file system that fstab has for a path, if it is not mounted there now."""
    if not table.mounts or not isinstance(table.fstab, tuple):
        return None
    wanted = [one for one in table.fstab if is_inside(path, one.point) and one.point != b"/"]
    nearest = max(wanted, key=lambda one: len(one.point), default=None)
    if nearest is None or any(mount.point == nearest.point for mount in table.mounts):
        return None
    return nearest


def _resolved(files: Files, device: bytes) -> bytes:
    tag, equals, value = device.partition(b"=")
    if equals and tag in DISK_DIRECTORY_OF_TAG:
        device = f"/dev/disk/by-{DISK_DIRECTORY_OF_TAG[tag]}/".encode() + value
    if not device.startswith(b"/dev/"):
        return device
    return clean_path(os.fsencode(files.resolve(os.fsdecode(device))))


KDUMP_TOOLS_CONFIG = "etc/default/kdump-tools"


class SharedFiles:
    """The files, and what of them is read when somebody in this look first asks for it.

    Each group of facts is read in a thread of its own, and waits for another one only where both
    want the same file. It keeps what of the files was read in this look.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.mounts = Mounts(files)
        self._kdump_tools = Once(self._read_kdump_tools)

    @property
    def kdump_tools(self) -> Fact[ShellSettings]:
        """What /etc/default/kdump-tools says."""
        return self._kdump_tools.get()

    def _read_kdump_tools(self) -> Fact[ShellSettings]:
        script = self.files.plain(KDUMP_TOOLS_CONFIG)
        return parse_shell_settings(script) if isinstance(script, bytes) else script
