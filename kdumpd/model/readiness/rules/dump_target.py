# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a dump goes: whether the crash kernel reaches it, it has room, and kdumpd watches it."""

from collections.abc import Iterator

from kdumpd.model.captures.layouts import MAX_DIRECTORY_DEPTH, TOP_DIRECTORY_PREFIXES
from kdumpd.model.formats.kdump_settings import DumpSettings, TargetKind, Tool
from kdumpd.model.formats.memory import MemoryUse, steady
from kdumpd.model.formats.mounts import Mount, clean_path, is_inside
from kdumpd.model.readiness.facts import DirectoryFacts, DumpDirectory, MachineFacts, Unlocking
from kdumpd.model.readiness.finding import (
    CHECK_THE_DISK,
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

MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs", "devtmpfs"}
RAM_DISK_PREFIXES = (b"/dev/zram", b"/dev/ram")
READ_ONLY_FILE_SYSTEMS = {"squashfs", "iso9660", "erofs", "cramfs"}
# What systemd counts as network file systems (fstype_is_network in mountpoint-util.c).
NETWORK_FILE_SYSTEMS = {
    *("afs", "ceph", "cifs", "smb3", "smbfs", "sshfs", "ncpfs", "ncp", "nfs", "nfs4", "gfs"),
    *("gfs2", "glusterfs", "pvfs2", "ocfs2", "lustre", "davfs"),
}
UNMOUNTABLE = "dump-directory-unmountable"
DUMP_DIRECTORY_SETTINGS = {
    Tool.KDUMP_TOOLS: "/etc/default/kdump-tools (KDUMP_COREDIR=)",
    Tool.KDUMP_UTILS: "/etc/kdump.conf (path)",
    Tool.SUSE: "/etc/sysconfig/kdump (KDUMP_SAVEDIR=)",
}


def dump_directory_missing(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump directory that is not there, where the tool does not make it itself.

    kdump-config runs `mkdir -p`, SUSE's kdump makes it as well; mkdumprd of kdump-utils refuses.
    """
    settings = machine.storage.settings
    watched = {clean_path(directory.path) for directory in machine.directories}
    for directory in machine.storage.directories:
        name = shown(directory.path)
        if not isinstance(settings, DumpSettings):
            continue
        if directory.present is False:
            remedy = f"move '{name}' away, then run mkdir -m 0755 '{name}'"
            message = f"the dump directory '{name}' is not a directory, so no dump can be saved"
            yield fatal("dump-directory-missing", message, remedy)
        elif directory.path in watched:
            continue  # said of the crash directory
        elif directory.present is None and not settings.makes_directory:
            remedy = f"mkdir -m 0755 '{name}' && kdumpctl restart"
            message = f"the dump directory '{name}' does not exist, so kdump may fail to start"
            yield warning("dump-directory-missing", message, remedy)


def dump_directory_read_only(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump directory that nobody can write to; kdump-utils mounts it anew for writing."""
    for directory in machine.storage.directories:
        mount, name = directory.mount, shown(directory.path)
        if mount is None or not mount.read_only:
            continue
        message = f"the dump directory '{name}' is mounted read-only, so saving a dump may fail"
        if mount.type in READ_ONLY_FILE_SYSTEMS:
            yield fatal(
                "dump-directory-read-only",
                f"the dump directory '{name}' is on a read-only file system,"
                f" {mount.type}, so no dump can be saved",
                f"set another directory in {_settings_file(machine)}",
            )
        elif _tool(machine) is not Tool.KDUMP_UTILS:
            point = shown(mount.point)
            yield warning(
                "dump-directory-read-only",
                message,
                f"check journalctl -k for disk errors, then run mount -o remount,rw '{point}'",
            )


def dump_directory_unmountable(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump directory that the crash kernel will not have, or that the reboot empties."""
    storage = machine.storage
    if isinstance(storage.mounts, Unknown):
        yield unknown(UNMOUNTABLE, storage.mounts)
    if machine.system.live or machine.system.container:
        return  # nothing on it stays, and that is said
    for directory in storage.directories:
        if (
            directory.mount is not None
            and directory.present is not False
            and not directory.not_mounted
        ):
            if trouble := _mount_trouble(machine, directory, directory.mount):
                yield trouble
            elif directory.present is True:
                well = f"the crash kernel can reach the dump directory '{shown(directory.path)}'"
                yield fine(UNMOUNTABLE, well)


def dump_directory_not_mounted(machine: MachineFacts) -> Iterator[Finding]:
    """Report a file system that fstab has for the dump directory, and that is not mounted now.

    Debian's crash kernel boots up to local-fs.target: where that fails, no dump is saved.
    """
    for directory in machine.storage.directories:
        entry = directory.not_mounted
        if entry is not None:
            name, point = shown(directory.path), shown(entry.point)
            yield warning(
                "dump-directory-not-mounted",
                f"/etc/fstab puts the dump directory '{name}' on {shown(entry.source)}, which is"
                " not mounted: a dump may be lost, or fill the disk below",
                f"mount '{point}'"
                + ("" if entry.at_boot else f", and remove noauto from '{point}' in /etc/fstab"),
            )


def dump_directory_encrypted(machine: MachineFacts) -> Iterator[Finding]:
    """Report a disk that the crash kernel must unlock, where nobody may be to type.

    LUKS2 unlocks by Argon2, in about 1 GiB of memory: more than is reserved as a rule
    (rhkdump/kdump-utils#10).
    """
    code = "dump-directory-encrypted"
    for directory in machine.storage.directories:
        disk = f"the dump directory '{shown(directory.path)}' is on an encrypted disk"
        remedy = (
            f"set a directory on an unencrypted disk in {_settings_file(machine)}, or see by"
            " kdumpdctl test whether a dump is saved"
        )
        if directory.unlocking is Unlocking.PASSPHRASE:
            yield warning(
                code,
                f"{disk}: the crash kernel waits for its passphrase, and may run out of memory"
                " unlocking it",
                remedy,
            )
        elif directory.unlocking is Unlocking.OWN_KEY:
            yield info(code, f"{disk}: unlocking it may need more memory than is reserved", remedy)
        elif directory.unlocking is Unlocking.HANDED_KEY:
            yield fine(code, f"{disk}, and the crash kernel gets its key")


def dump_directory_unwatched(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump directory that kdumpd does not look into: it would miss the dump."""
    watched = [clean_path(directory.path) for directory in machine.directories]
    for directory in machine.storage.directories:
        if not any(_is_seen(directory.path, one) for one in watched):
            name = shown(directory.path)
            every = " ".join(shown(one) for one in [*watched, directory.path])
            yield warning(
                "dump-directory-unwatched",
                f"dumps go to '{name}', but kdumpd does not watch this directory",
                f"set CrashDirectories={every} in kdumpd.conf",
            )


def _mount_trouble(machine: MachineFacts, directory: DumpDirectory, mount: Mount) -> Finding | None:
    where = f"the dump directory '{shown(directory.path)}' is on {mount.type}"
    remedy = f"set a directory on a disk in {_settings_file(machine)}"
    if mount.type in MEMORY_FILE_SYSTEMS or mount.source.startswith(RAM_DISK_PREFIXES):
        again = fatal if directory.mounted_at_boot is True else warning
        message = f"{where}, in memory: the reboot deletes the dump"
        return again(UNMOUNTABLE, message, remedy)
    if mount.type == "overlay":
        message = f"{where}: the crash kernel may not have all of its layers"
        return warning(UNMOUNTABLE, message, remedy)
    # The initrd of the others mounts whatever the directory is on.
    return _left_out(directory, mount, where) if _tool(machine) is Tool.KDUMP_TOOLS else None


def _left_out(directory: DumpDirectory, mount: Mount, where: str) -> Finding | None:
    """Return what a boot does not mount: Debian's crash kernel boots as far as sysinit.target."""
    if mount.type.removeprefix("fuse.") in NETWORK_FILE_SYSTEMS:
        return warning(
            UNMOUNTABLE,
            f"{where}: the crash kernel does not wait for network file systems",
            "set NFS= or SSH= in /etc/default/kdump-tools",
        )
    if isinstance(directory.mounted_at_boot, Unknown):
        return unknown(UNMOUNTABLE, directory.mounted_at_boot)
    if directory.mounted_at_boot is False:
        name, point = shown(directory.path), shown(mount.point)
        return warning(
            UNMOUNTABLE,
            f"the dump directory '{name}' is on '{point}', which was mounted by hand: the crash"
            " kernel will not mount it",
            f"add '{point}' to /etc/fstab",
        )
    return None


def _is_seen(path: bytes, watched: bytes) -> bool:
    below = path.removeprefix(watched.rstrip(b"/")).strip(b"/")
    levels = len(below.split(b"/")) if below else 0
    return is_inside(path, watched) and levels < MAX_DIRECTORY_DEPTH


def _tool(machine: MachineFacts) -> Tool | None:
    settings = machine.storage.settings
    return settings.tool if isinstance(settings, DumpSettings) else None


def _settings_file(machine: MachineFacts) -> str:
    tool = _tool(machine)
    return DUMP_DIRECTORY_SETTINGS[tool] if tool else "the capture tool's settings"


MAKE_ROOM = "remove old dumps, or set a directory on a larger disk"


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
        machine, TargetKind.RAW, "dump-target-raw", "written to the raw device", "is complete"
    )


def dump_target_unmounted(machine: MachineFacts) -> Iterator[Finding]:
    """Report a device for dumps that is not mounted: kdump-utils wants it mounted when it loads."""
    for device in machine.storage.unmounted:
        yield info(
            "dump-target-unmounted",
            f"dumps go to '{shown(device)}', which is not mounted: kdumpd sees neither its free"
            " space nor its dumps",
            f"add '{shown(device)}' to /etc/fstab, mount it, and add its mount point to"
            " CrashDirectories= in kdumpd.conf",
        )


def storage_too_small(machine: MachineFacts) -> Iterator[Finding]:
    """Report a disk that may, or that will, be full before the dump is whole."""
    code, storage = "storage-too-small", machine.storage
    if isinstance(storage.memory, Unknown):
        yield unknown(code, storage.memory)
    if not isinstance(storage.settings, DumpSettings):
        return
    for directory in storage.directories:
        if directory.present is False or directory.not_mounted:
            continue
        if isinstance(directory.free, Unknown):
            yield unknown(code, directory.free)
        elif directory.free is not None:
            memory = storage.memory if isinstance(storage.memory, MemoryUse) else None
            yield from _room(directory, directory.free, storage.settings, memory)


def storage_no_inodes(machine: MachineFacts) -> Iterator[Finding]:
    """Report a file system on which no file can be made, however much room it has."""
    for directory in machine.storage.directories:
        if isinstance(directory.free_files, int) and directory.free_files < 1:
            yield fatal(
                "storage-no-inodes",
                f"the disk of the dump directory '{shown(directory.path)}' has no free inodes,"
                " so no dump can be saved",
                "remove files; to see where most are:"
                f" du --inodes -xS '{_point(directory)}' | sort -n | tail",
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
                f"dumps are {goes} '{place}': kdumpd cannot see whether one {does}",
                "run kdumpdctl test, then look for the dump there",
            )


def _without_password(place: bytes) -> bytes:
    """Return where it is, and who logs in there, without his password."""
    who, at, where = place.rpartition(b"@")
    return who.partition(b":")[0] + at + where


def _point(directory: DumpDirectory) -> str:
    return shown(directory.mount.point if directory.mount else directory.path)


def _room(
    directory: DumpDirectory, free: int, settings: DumpSettings, memory: MemoryUse | None
) -> Iterator[Finding]:
    code, name = "storage-too-small", shown(directory.path)
    room = max(0, free - settings.left_free)
    need = memory.estimate(settings.level, compressed=settings.compressed) if memory else 0
    least = memory.least(settings.level) if memory else 1
    if room < least:
        full = f"the disk of the dump directory '{name}' is full, so no dump can be saved"
        yield fatal(code, full, MAKE_ROOM)
    elif steady(room) < steady(need):
        yield warning(
            code,
            f"a dump may need {human_size(steady(need))}, but the disk of the dump directory"
            f" '{name}' has room for {human_size(steady(room))}: the dump may be cut off",
            MAKE_ROOM,
        )
    elif memory and directory.present is True:
        yield fine(
            code, f"the dump directory '{name}' has room for a dump of {human_size(steady(need))}"
        )


TOOL_MAKES_IT = ": the capture tool creates it when it saves a dump"
MAX_NAMED_STRANGERS = 3  # uids
STICKY_BIT = 0o1000
DUMP_MAY_FAIL = ": saving a dump may fail"


def crash_directory_missing(machine: MachineFacts) -> Iterator[Finding]:
    """Report a crash directory that does not exist: some tools make it, others fail."""
    settings = machine.storage.settings
    made = isinstance(settings, DumpSettings) and settings.makes_directory
    report = info if made else warning
    for directory in machine.directories if machine.kernel.present else ():
        if not (directory.present or directory.problem or directory.optional):
            name = shown(directory.path)
            yield report(
                "crash-directory-missing",
                f"the crash directory '{name}' does not exist"
                + (TOOL_MAKES_IT if made else DUMP_MAY_FAIL),
                f"run mkdir -m 0755 '{name}', or mount its file system",
            )


def crash_directory_unreadable(machine: MachineFacts) -> Iterator[Finding]:
    """Report a crash directory whose captures could not be seen."""
    for directory in machine.directories:
        if directory.problem:
            yield unknown(
                "crash-directory-unreadable",
                Unknown(directory.problem),
                _to_see(directory.path) if directory.hidden else _to_read(directory.problem),
                public_message=_without_names(directory),
            )


def _without_names(directory: DirectoryFacts) -> str:
    """Return what the problem comes to, empty where it names nothing that lies inside."""
    path = shown(directory.path).rstrip("/")
    names_more = f"'{path}/" in directory.problem
    return f"kdumpd cannot read everything in '{path}'" if names_more else ""


def crash_directory_untrusted(machine: MachineFacts) -> Iterator[Finding]:
    """Report a crash directory that others than root can change: no capture in it is believed.

    kdump-tools, kdump-utils and SUSE's kdump make it as mkdir(1) does, mode 0755; Ubuntu's apport
    has it 3777, so that each user's programs can leave their reports there.
    """
    for directory in machine.directories:
        reasons = [
            f"'{shown(path)}' {reason}"
            for path, uid, mode in directory.distrusted
            for reason in _wrong_rights(uid, mode, directory.owner)
        ]
        if reasons:
            yield warning(
                "crash-directory-untrusted",
                f"{', and '.join(reasons)}: kdumpd does not trust captures in"
                f" '{shown(directory.path)}', and reports none",
                ", then ".join(_right_rights(directory)),
            )


def _wrong_rights(uid: int, mode: int, owner: int) -> Iterator[str]:
    if uid != owner:
        yield f"belongs to uid {uid} instead of uid {owner}"
    if _is_open(mode):
        yield f"is writable by group or others (mode {mode:04o})"


def _right_rights(directory: DirectoryFacts) -> Iterator[str]:
    for path, uid, mode in directory.distrusted:
        if uid != directory.owner:
            name = "root:root" if directory.owner == 0 else str(directory.owner)
            yield f"chown {name} '{shown(path)}'"
        if _is_open(mode) and path == directory.path:
            yield (
                f"chmod 0755 '{shown(path)}' (chmod 3777 if users also save reports there, as with"
                " Ubuntu's apport)"
            )
        elif _is_open(mode):
            yield f"chmod go-w '{shown(path)}'"


def _is_open(mode: int) -> bool:
    return bool(mode & 0o022) and not mode & STICKY_BIT


def crash_directory_strangers(machine: MachineFacts) -> Iterator[Finding]:
    """Report what others than root have put into a crash directory: it says nothing of a crash."""
    for directory in machine.directories:
        if not directory.strangers:
            continue
        name = shown(directory.path)
        said = [_whose(*one) for one in directory.strangers[:MAX_NAMED_STRANGERS]]
        rest = len(directory.strangers) - len(said)
        said += [f"those of {rest} more uids"] if rest else []
        yield info(
            "crash-directory-strangers",
            f"'{name}' contains {', '.join(said)}: kdumpd does not read them",
            f"look at them, then remove them: {_removal(directory)}",
        )


def _removal(directory: DirectoryFacts) -> str:
    """Return the command that removes what was counted, and nothing of root's inside it."""
    alone = len(directory.strangers) == 1 and directory.strangers[0][0] >= 0
    whose = f"-uid {directory.strangers[0][0]}" if alone else "! -user root"
    kinds = ["-type d"] if any(directories for _, directories, _ in directory.strangers) else []
    if any(files for _, _, files in directory.strangers):
        kinds += [f"-name '{prefix.decode()}*'" for prefix in TOP_DIRECTORY_PREFIXES]
    kind = kinds[0] if len(kinds) == 1 else f"\\( {' -o '.join(kinds)} \\)"
    return (
        f"find '{shown(directory.path)}' -mindepth 1 -maxdepth 1 {kind} {whose} -exec find {{}}"
        " ! -uid 0 -delete \\;"
    )


def crash_directory_mixed(machine: MachineFacts) -> Iterator[Finding]:
    """Report directories of others that hold files of root: the tool may have dumped into them."""
    for directory in machine.directories:
        if not directory.mixed:
            continue
        named = [(shown(path), uid) for path, uid, _ in directory.mixed[:MAX_NAMED_STRANGERS]]
        said = [f"'{path}' of uid {uid}" for path, uid in named]
        rest = len(directory.mixed) - len(said)
        said += [f"{rest} more"] if rest else []
        holds, users = ("holds", "that user") if len(said) == 1 else ("hold", "those users")
        # A user can bring this about with any file of root's that he may move: no verdict changes.
        yield info(
            "crash-directory-mixed",
            f"{' and '.join(said)} {holds} files of root: this may be a real dump, but {users} can"
            " replace it, so kdumpd does not read it",
            "look into it before you remove it (ls -lA); if it is a dump that you trust, run "
            + " && ".join(f"chown root:root '{path}'" for path, _ in named),
        )


def _whose(uid: int, directories: int, files: int) -> str:
    kinds = (("directory", "directories", directories), ("file", "files", files))
    what = " and ".join(
        f"{count:,} {one if count == 1 else more}" for one, more, count in kinds if count
    )
    return f"{what} of {f'uid {uid}' if uid >= 0 else 'other uids'}"


def _to_see(path: bytes) -> str:
    return (
        f"run systemctl edit kdumpd, add the lines [Service] and BindReadOnlyPaths={shown(path)},"
        " then run systemctl restart kdumpd (see kdumpd.conf(5))"
    )


def _to_read(problem: str) -> str:
    if "cannot be" in problem:
        return remedy_for_unreadable(problem)
    if "does not answer" in problem:
        return CHECK_THE_DISK
    return "set CrashDirectories= in kdumpd.conf to the directory that holds the captures"
