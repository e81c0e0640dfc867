# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the capture kernel has the folder that a dump goes to, and kdumpd looks into it."""

from collections.abc import Iterator

from kdumpd.model.facts.storage import DumpFolder, Unlocking
from kdumpd.model.formats.kdump_settings import DumpSettings, Tool
from kdumpd.model.formats.mounts import Mount, clean_path, is_inside
from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, Unknown, fatal, fine, info, unknown, warning
from kdumpd.model.text import shown

IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs"}
RAM_DISKS = (b"/dev/zram", b"/dev/ram")
NEVER_WRITTEN = {"squashfs", "iso9660", "erofs", "cramfs"}
# What systemd counts as network file systems (fstype_is_network in mountpoint-util.c).
NETWORK = {
    *("afs", "ceph", "cifs", "smb3", "smbfs", "sshfs", "ncpfs", "ncp", "nfs", "nfs4", "gfs"),
    *("gfs2", "glusterfs", "pvfs2", "ocfs2", "lustre", "davfs"),
}
DEEPEST = 1  # folders between a crash folder and the folders of its captures
UNMOUNTABLE = "dump-folder-unmountable"
SETTINGS = {
    Tool.KDUMP_TOOLS: "/etc/default/kdump-tools (KDUMP_COREDIR=)",
    Tool.KDUMP_UTILS: "/etc/kdump.conf (path)",
    Tool.SUSE: "/etc/sysconfig/kdump (KDUMP_SAVEDIR=)",
}


def dump_folder_missing(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump folder that is not there, where the tool does not make it itself.

    kdump-config runs `mkdir -p`, SUSE's kdump makes it as well; mkdumprd of kdump-utils refuses.
    """
    settings = machine.storage.settings
    watched = {clean_path(folder.path) for folder in machine.folders}
    for folder in machine.storage.folders:
        name = shown(folder.path)
        if not isinstance(settings, DumpSettings):
            continue
        if folder.present is False:
            remedy = f"move '{name}' away, and mkdir -m 0700 '{name}'"
            message = f"the dump folder '{name}' is no folder, so no dump can be saved"
            yield fatal("dump-folder-missing", message, remedy)
        elif folder.path in watched:
            continue  # said of the crash folder
        elif folder.present is None and not settings.makes_folder:
            remedy = f"mkdir -m 0700 '{name}', then kdumpctl restart"
            message = f"the dump folder '{name}' does not exist, so kdump may fail to start"
            yield warning("dump-folder-missing", message, remedy)


def dump_folder_read_only(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump folder that nobody can write to; kdump-utils mounts it anew for writing."""
    for folder in machine.storage.folders:
        mount, name = folder.mount, shown(folder.path)
        if mount is None or not mount.read_only:
            continue
        message = f"the dump folder '{name}' is mounted read-only, so a dump may not be saved"
        if mount.type in NEVER_WRITTEN:
            yield fatal(
                "dump-folder-read-only",
                f"the dump folder '{name}' is on a file system of type {mount.type}, which cannot"
                " be written to: no dump can be saved",
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
        if folder.mount is not None and folder.present is not False and not folder.not_mounted:
            well = f"the crash kernel will have the dump folder '{shown(folder.path)}'"
            yield _mount_trouble(machine, folder, folder.mount) or fine(UNMOUNTABLE, well)


def dump_folder_not_mounted(machine: MachineFacts) -> Iterator[Finding]:
    """Report a file system that fstab has for the dump folder, and that is not mounted now.

    Debian's capture kernel boots up to local-fs.target: where that fails, no dump is saved.
    """
    for folder in machine.storage.folders:
        entry = folder.not_mounted
        if entry is not None:
            name, point = shown(folder.path), shown(entry.point)
            yield warning(
                "dump-folder-not-mounted",
                f"the dump folder '{name}' belongs on {shown(entry.source)} by /etc/fstab, which is"
                " not mounted: a dump may be lost, or fill the disk below",
                f"mount '{point}'"
                + ("" if entry.at_boot else f", and take noauto off '{point}' in /etc/fstab"),
            )


def dump_folder_encrypted(machine: MachineFacts) -> Iterator[Finding]:
    """Report a disk that the capture kernel must unlock, where nobody may be to type.

    LUKS2 unlocks by Argon2, in about 1 GiB of memory: more than is reserved as a rule
    (rhkdump/kdump-utils#10).
    """
    code = "dump-folder-encrypted"
    for folder in machine.storage.folders:
        disk = f"the dump folder '{shown(folder.path)}' is on an encrypted disk"
        remedy = (
            f"name a folder on a disk that is not encrypted in {_settings_file(machine)}, or prove"
            " by a crash test that a dump is saved"
        )
        if folder.unlocking is Unlocking.PASSPHRASE:
            yield warning(
                code,
                f"{disk}: the crash kernel waits for its passphrase, and may run out of memory"
                " unlocking it",
                remedy,
            )
        elif folder.unlocking is Unlocking.OWN_KEY:
            yield info(code, f"{disk}: unlocking it may need more memory than is reserved", remedy)
        elif folder.unlocking is Unlocking.HANDED_KEY:
            yield fine(code, f"{disk}, whose key the crash kernel is given")


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
                f"set CrashDirectories={every} in kdumpd.conf",
            )


def _mount_trouble(machine: MachineFacts, folder: DumpFolder, mount: Mount) -> Finding | None:
    where = f"the dump folder '{shown(folder.path)}' is on a file system of type {mount.type}"
    remedy = f"name a folder on a disk in {_settings_file(machine)}"
    if mount.type in IN_MEMORY or mount.source.startswith(RAM_DISKS):
        again = fatal if folder.mounted_at_boot is True else warning
        message = f"{where}, in memory: the reboot empties it"
        return again(UNMOUNTABLE, message, remedy)
    if mount.type == "overlay":
        message = f"{where}, made of layers that the crash kernel may not have"
        return warning(UNMOUNTABLE, message, remedy)
    # The initrd of the others mounts whatever the folder is on.
    return _left_out(folder, mount, where) if _tool(machine) is Tool.KDUMP_TOOLS else None


def _left_out(folder: DumpFolder, mount: Mount, where: str) -> Finding | None:
    """Return what a boot does not mount: Debian's capture kernel boots as far as sysinit.target."""
    if mount.type.removeprefix("fuse.") in NETWORK:
        return warning(
            UNMOUNTABLE,
            f"{where}, which the crash kernel does not wait for",
            "set NFS= or SSH= in /etc/default/kdump-tools",
        )
    if isinstance(folder.mounted_at_boot, Unknown):
        return unknown(UNMOUNTABLE, folder.mounted_at_boot)
    if folder.mounted_at_boot is False:
        name, point = shown(folder.path), shown(mount.point)
        return warning(
            UNMOUNTABLE,
            f"the dump folder '{name}' is on '{point}', which was mounted by hand: the crash"
            " kernel will not have it",
            f"add '{point}' to /etc/fstab",
        )
    return None


def _is_seen(path: bytes, watched: bytes) -> bool:
    below = path.removeprefix(watched.rstrip(b"/")).strip(b"/")
    return is_inside(path, watched) and below.count(b"/") < DEEPEST


def _tool(machine: MachineFacts) -> Tool | None:
    settings = machine.storage.settings
    return settings.tool if isinstance(settings, DumpSettings) else None


def _settings_file(machine: MachineFacts) -> str:
    tool = _tool(machine)
    return SETTINGS[tool] if tool else "the capture tool's settings"
