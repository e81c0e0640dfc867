# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a dump goes: whether the crash kernel reaches it, it has room, and kdumpd watches it."""

from collections.abc import Iterator

from kdumpd.model.formats.kdump_settings import DumpSettings, TargetKind, Tool
from kdumpd.model.formats.memory import MemoryUse, steady
from kdumpd.model.formats.mounts import Mount, clean_path, is_inside
from kdumpd.model.readiness.facts import DumpFolder, MachineFacts, Unlocking
from kdumpd.model.readiness.finding import (
    Finding,
    Unknown,
    fatal,
    fine,
    info,
    remedy_for_unreadable,
    unknown,
    warning,
)
from kdumpd.model.text import human_size, shown

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
    if machine.system.live or machine.system.container:
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


CLEAR = "remove old dumps, or name a folder on a larger disk"


def dump_settings_unreadable(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the capture tool's settings cannot be read: the place of a dump is not known."""
    if isinstance(machine.storage.settings, Unknown):
        yield unknown("dump-settings-unreadable", machine.storage.settings)


def dump_target_remote(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump that leaves the machine: whether it arrives cannot be seen from here."""
    yield from _elsewhere(machine, TargetKind.REMOTE, "dump-target-remote", "sent to", "arrives")


def dump_target_raw(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump that is written to a device without a file system."""
    yield from _elsewhere(
        machine, TargetKind.RAW, "dump-target-raw", "written to the bare device", "is whole"
    )


def dump_target_unmounted(machine: MachineFacts) -> Iterator[Finding]:
    """Report a device for dumps that is not mounted: kdump-utils wants it mounted when it loads."""
    for device in machine.storage.unmounted:
        yield info(
            "dump-target-unmounted",
            f"dumps go to '{shown(device)}', which is not mounted: its room is not known, and"
            " kdumpd does not see what is written there",
            f"give '{shown(device)}' a folder in /etc/fstab, mount that folder, and add it to"
            " CrashDirectories= in kdumpd.conf",
        )


def storage_too_small(machine: MachineFacts) -> Iterator[Finding]:
    """Report a disk that may, or that will, be full before the dump is whole."""
    code, storage = "storage-too-small", machine.storage
    if isinstance(storage.memory, Unknown):
        yield unknown(code, storage.memory)
    if not isinstance(storage.settings, DumpSettings):
        return
    for folder in storage.folders:
        if folder.present is False or folder.not_mounted:
            continue
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
                f"the disk of the dump folder '{shown(folder.path)}' has no free inodes, so no dump"
                " can be saved",
                f"du --inodes -xS '{_point(folder)}' | sort -n | tail shows which folders hold most"
                " files; remove some (rm)",
            )


def _elsewhere(
    machine: MachineFacts, kind: TargetKind, code: str, goes: str, does: str
) -> Iterator[Finding]:
    settings = machine.storage.settings
    for target in settings.targets if isinstance(settings, DumpSettings) else ():
        if target.kind is kind:
            place = shown(_without_password(target.place))
            yield info(
                code,
                f"dumps are {goes} '{place}': whether one {does} cannot be told from here, nor does"
                " kdumpd see it",
                "prove it by a crash test, and look there",
            )


def _without_password(place: bytes) -> bytes:
    """Return where it is, and who logs in there, without his password."""
    who, at, where = place.rpartition(b"@")
    return who.partition(b":")[0] + at + where


def _point(folder: DumpFolder) -> str:
    return shown(folder.mount.point if folder.mount else folder.path)


def _room(
    path: bytes, free: int, settings: DumpSettings, memory: MemoryUse | None
) -> Iterator[Finding]:
    code, name = "storage-too-small", shown(path)
    room = max(0, free - settings.left_free)
    need = memory.estimate(settings.level, compressed=settings.compressed) if memory else 0
    least = memory.least(settings.level) if memory else 1
    if room < least:
        full = f"the disk of the dump folder '{name}' is full, so no dump can be saved"
        yield fatal(code, full, CLEAR)
    elif steady(room) < steady(need):
        yield warning(
            code,
            f"a dump may need {human_size(steady(need))}, and the disk of the dump folder '{name}'"
            f" has {human_size(steady(room))} for it: the dump may be cut off",
            CLEAR,
        )
    elif memory:
        yield fine(
            code, f"the dump folder '{name}' has room for a dump of {human_size(steady(need))}"
        )


MADE = ": the capture tool makes it when it saves a dump"
FAILS = ": a dump may not be saved"
NOBODY = ", and no capture tool would make it"


def crash_folder_missing(machine: MachineFacts) -> Iterator[Finding]:
    """Report a crash folder that does not exist: some tools make it, others fail."""
    settings = machine.storage.settings
    made = isinstance(settings, DumpSettings) and settings.makes_folder
    report = info if made else warning
    for folder in machine.folders if machine.kernel.present else ():
        if not (folder.present or folder.problem or folder.optional):
            name = shown(folder.path)
            yield report(
                "crash-folder-missing",
                f"the crash folder '{name}' does not exist"
                + (MADE if made else FAILS if report is warning else NOBODY),
                f"mkdir -m 0700 '{name}', or mount what belongs there",
            )


def crash_folder_unreadable(machine: MachineFacts) -> Iterator[Finding]:
    """Report a crash folder whose captures could not be seen."""
    for folder in machine.folders:
        if folder.problem:
            yield unknown(
                "crash-folder-unreadable",
                Unknown(folder.problem),
                _to_see(folder.path) if folder.hidden else _to_read(folder.problem),
            )


def _to_see(path: bytes) -> str:
    return (
        f"systemctl edit kdumpd, and write there [Service] and BindReadOnlyPaths={shown(path)}, a"
        " line each, then systemctl restart kdumpd: see kdumpd.conf(5)"
    )


def _to_read(problem: str) -> str:
    if "cannot be" in problem:
        return remedy_for_unreadable(problem)
    if "does not answer" in problem:
        return "see whether its disk answers: journalctl -k -p err"
    return "name the folder where captures really are by CrashDirectories= in kdumpd.conf"
