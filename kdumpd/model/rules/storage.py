# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a dump has a place to go."""

from collections.abc import Iterator

from kdumpd.model.dump_estimate import MemoryUse, steady
from kdumpd.model.dump_target import DumpSettings, Kind, Tool
from kdumpd.model.facts.machine import MachineFacts
from kdumpd.model.facts.storage import DumpFolder
from kdumpd.model.finding import Finding, Unknown, fatal, fine, info, unknown, warning
from kdumpd.model.mount_table import Mount, clean_path, lies_below
from kdumpd.model.text import human_size, shown

IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs"}
NEVER_WRITTEN = {"squashfs", "iso9660", "erofs", "cramfs"}
# What systemd counts as network file systems (fstype_is_network in mountpoint-util.c).
NETWORK = {
    *("afs", "ceph", "cifs", "smb3", "smbfs", "sshfs", "ncpfs", "ncp", "nfs", "nfs4", "gfs"),
    *("gfs2", "glusterfs", "pvfs2", "ocfs2", "lustre", "davfs"),
}
DEEPEST = 1  # folders between a crash folder and the folders of its captures
CLEAR = "remove old dumps, or name a folder on a larger disk"
UNMOUNTABLE = "dump-folder-unmountable"
SETTINGS = {
    Tool.KDUMP_TOOLS: "/etc/default/kdump-tools",
    Tool.KDUMP_UTILS: "/etc/kdump.conf",
    Tool.SUSE: "/etc/sysconfig/kdump",
}


def dump_settings_unreadable(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the capture tool's settings cannot be read: the place of a dump is not known."""
    if isinstance(machine.storage.settings, Unknown):
        yield unknown("dump-settings-unreadable", machine.storage.settings)


def dump_target_remote(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump that leaves the machine: whether it arrives cannot be seen from here."""
    yield from _elsewhere(machine, Kind.REMOTE, "dump-target-remote", "sent to")


def dump_target_raw(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump that is written to a device without a file system."""
    yield from _elsewhere(machine, Kind.RAW, "dump-target-raw", "written to the bare device")


def dump_target_unmounted(machine: MachineFacts) -> Iterator[Finding]:
    """Report a device for dumps that is not mounted: kdump-utils wants it mounted when it loads."""
    for device in machine.storage.unmounted:
        yield info(
            "dump-target-unmounted",
            f"dumps go to '{shown(device)}', which is not mounted: how much room it has cannot be"
            " told, nor will kdumpd see what is written there",
            f"mount '{shown(device)}', and name its folder by CrashDirectories= in kdumpd.conf",
        )


def dump_folder_missing(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump folder that is not there, where the tool does not make it itself.

    kdump-config runs `mkdir -p`, SUSE's kdump makes it as well; mkdumprd of kdump-utils refuses.
    """
    settings = machine.storage.settings
    watched = {clean_path(folder.path) for folder in machine.folders}
    for folder in machine.storage.folders:
        name = shown(folder.path)
        if folder.path in watched or not isinstance(settings, DumpSettings):
            continue  # said of the crash folder
        if folder.present is False:
            remedy = f"move '{name}' away, and mkdir -m 0700 '{name}'"
            yield fatal("dump-folder-missing", f"the dump folder '{name}' is no folder", remedy)
        elif folder.present is None and not settings.makes_folder:
            remedy = f"mkdir -m 0700 '{name}', then kdumpctl restart"
            yield warning("dump-folder-missing", f"the dump folder '{name}' does not exist", remedy)


def dump_folder_read_only(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump folder that nobody can write to; kdump-utils mounts it anew for writing."""
    for folder in machine.storage.folders:
        mount, name = folder.mount, shown(folder.path)
        if mount is None or not mount.read_only:
            continue
        message = f"the dump folder '{name}' is on a file system that is mounted read-only"
        if mount.type in NEVER_WRITTEN:
            yield fatal(
                "dump-folder-read-only",
                f"the dump folder '{name}' is on a file system of type {mount.type}, which cannot"
                " be written to",
                f"name another folder in {_settings_file(machine)}",
            )
        elif _tool(machine) is not Tool.KDUMP_UTILS:
            point = shown(mount.point)
            yield warning(
                "dump-folder-read-only",
                message,
                f"see journalctl -k for errors of the disk, then mount -o remount,rw '{point}'",
            )


def dump_folder_unmountable(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump folder that the capture kernel will not have, or that the reboot empties."""
    storage = machine.storage
    if isinstance(storage.mounts, Unknown):
        yield unknown(UNMOUNTABLE, storage.mounts)
    if machine.surroundings.live or machine.surroundings.container:
        return  # nothing on it stays, and that is said
    for folder in storage.folders:
        if folder.mount is not None:
            well = f"the capture kernel will have the dump folder '{shown(folder.path)}'"
            yield _mount_trouble(machine, folder, folder.mount) or fine(UNMOUNTABLE, well)


def dump_folder_unwatched(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump folder that kdumpd does not look into: it would miss the dump."""
    watched = [clean_path(folder.path) for folder in machine.folders]
    for folder in machine.storage.folders:
        if not any(_is_seen(folder.path, one) for one in watched):
            name = shown(folder.path)
            every = " ".join(shown(one) for one in [*watched, folder.path])
            yield warning(
                "dump-folder-unwatched",
                f"dumps go to '{name}', where kdumpd does not look for them",
                f"CrashDirectories={every} in kdumpd.conf",
            )


def storage_too_small(machine: MachineFacts) -> Iterator[Finding]:
    """Report a disk that may, or that will, be full before the dump is whole."""
    code, storage = "storage-too-small", machine.storage
    if isinstance(storage.memory, Unknown):
        yield unknown(code, storage.memory)
    if not isinstance(storage.settings, DumpSettings):
        return
    for folder in storage.folders:
        if isinstance(folder.free, Unknown):
            yield unknown(code, folder.free)
        elif folder.free is not None:
            memory = storage.memory if isinstance(storage.memory, MemoryUse) else None
            yield from _room(folder.path, folder.free, storage.settings, memory)


def storage_no_inodes(machine: MachineFacts) -> Iterator[Finding]:
    """Report a file system on which no file can be made, however much room it has."""
    for folder in machine.storage.folders:
        if isinstance(folder.free_files, int) and folder.free_files < 1:
            yield fatal(
                "storage-no-inodes",
                f"no further file can be made on the disk of the dump folder '{shown(folder.path)}'"
                " (no free inodes)",
                f"df -i '{shown(folder.path)}', and remove files there",
            )


def _elsewhere(machine: MachineFacts, kind: Kind, code: str, goes: str) -> Iterator[Finding]:
    settings = machine.storage.settings
    for target in settings.targets if isinstance(settings, DumpSettings) else ():
        if target.kind is kind:
            yield info(
                code,
                f"dumps are {goes} '{shown(target.place)}': whether one arrives cannot be told"
                " from here, nor will kdumpd see it",
                "prove it by a crash test, and look there",
            )


def _mount_trouble(machine: MachineFacts, folder: DumpFolder, mount: Mount) -> Finding | None:
    where = f"the dump folder '{shown(folder.path)}' is on a file system of type {mount.type}"
    remedy = f"name a folder on a disk in {_settings_file(machine)}"
    if mount.type in IN_MEMORY:
        again = fatal if folder.mounted_at_boot else warning
        message = f"{where}, in memory: what is written there the reboot takes"
        return again(UNMOUNTABLE, message, remedy)
    if mount.type == "overlay":
        message = f"{where}, made of layers that the capture kernel may not have"
        return warning(UNMOUNTABLE, message, remedy)
    # The initrd of the others mounts whatever the folder is on.
    return _left_out(folder, mount, where) if _tool(machine) is Tool.KDUMP_TOOLS else None


def _left_out(folder: DumpFolder, mount: Mount, where: str) -> Finding | None:
    """Return what a boot does not mount: Debian's capture kernel boots as far as sysinit.target."""
    if mount.type.removeprefix("fuse.") in NETWORK:
        return warning(
            UNMOUNTABLE,
            f"{where}, which the capture kernel does not wait for",
            "set NFS= or SSH= in /etc/default/kdump-tools",
        )
    if folder.mounted_at_boot is False:
        name, point = shown(folder.path), shown(mount.point)
        return warning(
            UNMOUNTABLE,
            f"the dump folder '{name}' is on '{point}', which was mounted by hand: the capture"
            " kernel will not have it",
            f"add '{point}' to /etc/fstab",
        )
    return None


def _room(
    path: bytes, free: int, settings: DumpSettings, memory: MemoryUse | None
) -> Iterator[Finding]:
    code, name = "storage-too-small", shown(path)
    room = max(0, free - settings.left_free)
    need = memory.estimate(settings.level, compressed=settings.compressed) if memory else 0
    least = memory.least(settings.level) if memory else 1
    if room < least:
        yield fatal(code, f"the disk of the dump folder '{name}' is full", CLEAR)
    elif steady(room) < steady(need):
        yield warning(
            code,
            f"a dump may need {human_size(steady(need))}, and the disk of the dump folder '{name}'"
            f" has {human_size(steady(room))} for it",
            CLEAR,
        )
    elif memory:
        yield fine(code, f"'{name}' has room for a dump of {human_size(steady(need))}")


def _is_seen(path: bytes, watched: bytes) -> bool:
    below = path.removeprefix(watched.rstrip(b"/")).strip(b"/")
    return lies_below(path, watched) and below.count(b"/") < DEEPEST


def _tool(machine: MachineFacts) -> Tool | None:
    settings = machine.storage.settings
    return settings.tool if isinstance(settings, DumpSettings) else None


def _settings_file(machine: MachineFacts) -> str:
    tool = _tool(machine)
    return SETTINGS[tool] if tool else "the capture tool's settings"
