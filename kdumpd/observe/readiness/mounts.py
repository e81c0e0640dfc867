# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what is mounted on the machine, and what a boot would mount again."""

import os
from dataclasses import dataclass

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

# The first process sees the machine's mounts; this one may have its own view of them. One that
# does not see the first process finds its table where kdumpd.service puts it.
OF_MACHINE = ("run/kdumpd.machine/mountinfo", "proc/1/mountinfo")
OWN = "proc/self/mountinfo"
MOST = 1 << 20  # bytes; a machine that runs containers has thousands of mounts
FSTAB = "etc/fstab"
UNIT_DIRECTORIES = (
    "etc/systemd/system",
    "run/systemd/system",
    "run/systemd/generator",
    "run/systemd/generator.early",
    "run/systemd/generator.late",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
BY = {b"UUID": "uuid", b"LABEL": "label", b"PARTUUID": "partuuid", b"PARTLABEL": "partlabel"}
# Datasets are mounted by their own properties (zfs-mount.service).
MOUNTED_BY_ITSELF = {"zfs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MountTable:
    """What is mounted, and what fstab says; None where the machine has no fstab."""

    mounts: tuple[Mount, ...] = ()
    fstab: Fact[tuple[FstabEntry, ...]] = None


def read_mount_table(files: Files) -> Fact[MountTable]:
    """Return the machine's mounts; None below a tree that has no such table."""
    found: Fact[bytes] = None
    for name in (*OF_MACHINE, OWN):
        found = files.plain(name, MOST)
        if isinstance(found, bytes) and found.strip():
            break
    if not isinstance(found, bytes):
        return found
    mounts = tuple(parse_mountinfo(found, of_machine=name in OF_MACHINE))
    if not any(mount.point == b"/" for mount in mounts):
        return files.unknown(name, "does not name what is mounted on /")
    fstab = files.plain(FSTAB)
    entries = tuple(parse_fstab(fstab)) if isinstance(fstab, bytes) else fstab
    return MountTable(mounts=mounts, fstab=entries)


def is_hidden(files: Files, path: bytes) -> bool:
    """Return whether this process has something else at a path than the machine has there."""
    of_machine = (files.plain(name, MOST) for name in OF_MACHINE)
    machine = next((one for one in of_machine if isinstance(one, bytes) and one.strip()), None)
    own = files.plain(OWN, MOST)
    if machine is None or not isinstance(own, bytes):
        return False
    there, here = (find_mount(parse_mountinfo(one), path) for one in (machine, own))
    return there is not None and here is not None and there.device != here.device


def is_mounted_at_boot(files: Files, table: MountTable, mount: Mount) -> Fact[bool]:
    """Return whether the next boot mounts it as well, None where that cannot be told."""
    if mount.point == b"/":
        return True
    if table.fstab is None or mount.type in MOUNTED_BY_ITSELF:
        return None
    if isinstance(table.fstab, Unknown):
        return table.fstab
    if any(entry.at_boot for entry in table.fstab if entry.point == mount.point):
        return True
    unit = mount_unit(mount.point)
    return any(files.status(f"{directory}/{unit}") is not None for directory in UNIT_DIRECTORIES)


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
    if equals and tag in BY:
        device = f"/dev/disk/by-{BY[tag]}/".encode() + value
    if not device.startswith(b"/dev/"):
        return device
    return clean_path(os.fsencode(files.resolve(os.fsdecode(device))))
