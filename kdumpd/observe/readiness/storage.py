# SPDX-License-Identifier: GPL-2.0-or-later
"""Read where a dump would be written."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from kdumpd.model.formats.kdump_settings import (
    DumpSettings,
    DumpTarget,
    ShellSettings,
    TargetKind,
    kdump_tools_settings,
    odd_line,
    parse_kdump_conf,
    parse_suse,
)
from kdumpd.model.formats.memory import MemoryUse, memory_use, parse_meminfo
from kdumpd.model.formats.mounts import Mount, clean_path, find_mount
from kdumpd.model.readiness.facts import DumpDirectory, StorageFacts, Unlocking
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.model.text import printable
from kdumpd.observe.files import KDUMP_CONF, KDUMP_SYSCONFIG, MEMINFO, NOT_THERE_ERRORS, Files
from kdumpd.observe.readiness.shared_files import (
    KDUMP_TOOLS_CONFIG,
    Mounts,
    MountTable,
    SharedFiles,
    find_device,
    find_not_mounted,
    is_mounted_at_boot,
)

BLOCK_DEVICES = "sys/class/block"
# dm/uuid by libcryptsetup
ENCRYPTED_UUID_PREFIXES = ("CRYPT-LUKS", "CRYPT-BITLK", "CRYPT-TCRYPT", "CRYPT-PLAIN")
MAX_DEVICES = 64  # below one file system: logical volumes, RAID and its disks
CRYPTTAB = "etc/crypttab"
KEYS_THAT_ASK = {"", "none", "-"}
# Options of crypttab(5) of systemd and of Debian that unlock without anybody typing.
UNLOCKING_OPTIONS = ("tpm2-device=", "tpm2", "keyscript=")
# Keys that the running kernel hands to the crash kernel (admin-guide/kdump/kdump.rst).
HANDED_KEYS = "sys/kernel/config/crash_dm_crypt_keys"
NOT_KEY_NAMES = {"count", "restore", "reuse"}


def read_unlocking(files: Files, source: bytes) -> Unlocking:
    """Return what unlocks the device of a mount before anything on it can be read."""
    names = [_dm_name(files, device) for device in _below(files, source)]
    encrypted = [name for name in names if name]
    if not encrypted:
        return Unlocking.NEEDLESS
    if set(files.readable_names(HANDED_KEYS)) - NOT_KEY_NAMES:
        return Unlocking.HANDED_KEY
    keyed = _unlocked_by_itself(files)
    return Unlocking.OWN_KEY if keyed.issuperset(encrypted) else Unlocking.PASSPHRASE


def _below(files: Files, source: bytes) -> list[str]:
    """Return the names of the device and of all that it is made of."""
    found: list[str] = []
    ahead = [files.resolve(os.fsdecode(source)).name] if source.startswith(b"/dev/") else []
    while ahead and len(found) < MAX_DEVICES:
        device = ahead.pop()
        if device in found or "/" in device:
            continue
        found.append(device)
        ahead += files.readable_names(f"{BLOCK_DEVICES}/{device}/slaves")
    return found


def _dm_name(files: Files, device: str) -> str:
    """Return the name of an encrypted device, empty for any other."""
    uuid = files.text(f"{BLOCK_DEVICES}/{device}/dm/uuid")
    if not isinstance(uuid, str) or not uuid.startswith(ENCRYPTED_UUID_PREFIXES):
        return ""
    name = files.text(f"{BLOCK_DEVICES}/{device}/dm/name")
    return name if isinstance(name, str) and name else device


def _unlocked_by_itself(files: Files) -> set[str]:
    lines = files.lines(CRYPTTAB)
    found = set()
    for line in lines if isinstance(lines, tuple) else ():
        fields = [*line.split(), "", "", "", ""]
        name, key, options = fields[0], fields[2], fields[3].split(",")
        if key not in KEYS_THAT_ASK or any(one.startswith(UNLOCKING_OPTIONS) for one in options):
            found.add(name)
    return found


# kdump-utils has an /etc/sysconfig/kdump as well, which says nothing of where it writes.
TOOL_CONFIGS: tuple[tuple[str, Callable[[bytes], DumpSettings], bool], ...] = (
    (KDUMP_CONF, parse_kdump_conf, False),  # whether a shell reads it
    (KDUMP_SYSCONFIG, parse_suse, True),
)
MAX_NAME_BYTES = 60  # of a line that is not understood
# ext4 keeps clusters that not even root gets, each a block but with bigalloc: the lesser of 2 % and
# 4096. f_bfree counts them (admin-guide/ext4.rst; ext4_has_free_clusters, fs/ext4/balloc.c).
EXT4_RESERVED_CLUSTERS = "sys/fs/ext4/{device}/reserved_clusters"
# Asking these how much room they have may take for ever, or mount something.
FILE_SYSTEMS_NOT_ASKED = (
    "nfs",
    "cifs",
    "smb",
    "ceph",
    "glusterfs",
    "fuse",
    "autofs",
    "9p",
    "lustre",
    "afs",
)


def read_storage(shared: SharedFiles) -> StorageFacts:
    """Return where a dump would be written; nothing is raised for what is wrong."""
    files = shared.files
    settings = _read_settings(shared)
    memory = _read_memory(files)
    if not isinstance(settings, DumpSettings):
        return StorageFacts(settings=settings, memory=memory)
    table = shared.mounts.table
    mounted = table if isinstance(table, MountTable) else MountTable()
    paths = [(one, _directory(files, mounted, one)) for one in settings.targets]
    return StorageFacts(
        settings=settings,
        directories=tuple(
            _read_directory(files, shared.mounts, mounted, path)
            for _, path in paths
            if path is not None
        ),
        unmounted=tuple(
            one.place
            for one, path in paths
            if one.kind is TargetKind.FILE_SYSTEM and path is None and mounted.mounts
        ),
        mounts=len(table.mounts) if isinstance(table, MountTable) else table,
        memory=memory,
    )


def _read_settings(shared: SharedFiles) -> Fact[DumpSettings]:
    files, debian = shared.files, shared.kdump_tools
    if isinstance(debian, ShellSettings):
        if debian.odd_line is not None:
            return _untold(files, KDUMP_TOOLS_CONFIG, debian.odd_line)
        return kdump_tools_settings(debian.values)
    if debian is not None:
        return debian
    for name, parse, is_script in TOOL_CONFIGS:
        content = files.plain(name)
        if isinstance(content, bytes):
            odd = odd_line(content) if is_script else None
            return parse(content) if odd is None else _untold(files, name, odd)
        if content is not None:
            return content
    return None


def _untold(files: Files, name: str, line: bytes) -> Unknown:
    # Only what is set: the value may be a password, and everybody is told.
    shown = printable(line.partition(b"=")[0][:MAX_NAME_BYTES])
    return files.unknown(
        name,
        f"holds more than plain settings, such as '{shown}=…': only a shell could tell what they"
        " are",
    )


def _read_memory(files: Files) -> Fact[MemoryUse]:
    content = files.plain(MEMINFO)
    if not isinstance(content, bytes):
        return content
    return memory_use(parse_meminfo(content)) or files.unknown(MEMINFO, "does not say MemTotal")


def _directory(files: Files, table: MountTable, target: DumpTarget) -> bytes | None:
    if target.kind is TargetKind.DIRECTORY:
        return target.place
    if target.kind is not TargetKind.FILE_SYSTEM:
        return None
    mount = find_device(files, table, target.place)
    return None if mount is None else clean_path(mount.point + target.below)


def _read_directory(files: Files, mounts: Mounts, table: MountTable, path: bytes) -> DumpDirectory:
    mount = find_mount(table.mounts, path)
    hidden = mounts.is_hidden(path)
    asked = not (hidden or (mount and mount.type.startswith(FILE_SYSTEMS_NOT_ASKED)))
    room = _room(files, path, _reserved(files, mount)) if asked else (None, None)
    return DumpDirectory(
        path=path,
        present=Unknown("it is hidden from kdumpd") if hidden else _is_directory(files, path),
        mount=mount,
        mounted_at_boot=_at_boot(files, table, mount),
        not_mounted=find_not_mounted(table, path),
        unlocking=read_unlocking(files, mount.source if mount else b""),
        free=room[0],
        free_files=room[1],
    )


def _at_boot(files: Files, table: MountTable, mount: Mount | None) -> Fact[bool]:
    return None if mount is None else is_mounted_at_boot(files, table, mount)


def _is_directory(files: Files, path: bytes) -> Fact[bool]:
    if b"\0" in path:
        return False
    status = files.status(os.fsdecode(path))
    return stat.S_ISDIR(status.st_mode) if isinstance(status, os.stat_result) else status


def _reserved(files: Files, mount: Mount | None) -> int:
    """Return how many free blocks nobody can have."""
    if mount is None or not mount.source.startswith(b"/dev/"):
        return 0
    device = files.resolve(os.fsdecode(mount.source)).name
    clusters = files.number(EXT4_RESERVED_CLUSTERS.format(device=device))
    return max(0, clusters) if isinstance(clusters, int) else 0


def _room(files: Files, path: bytes, reserved: int) -> tuple[Fact[int], Fact[int]]:
    """Return the free bytes and files where the directory is, or where it would be made."""
    for directory in _upwards(path):
        try:
            status = os.statvfs(files.resolve(directory))
        except OSError as error:
            if error.errno in NOT_THERE_ERRORS:
                continue
            problem = files.unknown(
                directory, f"does not say how much room it has: {error.strerror}"
            )
            return problem, problem
        except ValueError:  # a zero byte
            return Unknown("the dump directory has a name that no directory can have"), None
        return (
            max(0, status.f_bfree - reserved) * status.f_frsize if status.f_blocks else None,
            status.f_ffree if status.f_files else None,
        )
    return None, None


def _upwards(path: bytes) -> Iterator[str]:
    directory = PurePosixPath(os.fsdecode(path))
    return (str(one) for one in (directory, *directory.parents))
