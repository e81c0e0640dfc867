# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a dump has a place to go, and there is room for it."""

from collections.abc import Iterator

from kdumpd.model.dump_estimate import MemoryUse, steady
from kdumpd.model.facts.storage import DumpFolder
from kdumpd.model.formats.kdump_settings import DumpSettings, Kind
from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, Unknown, fatal, fine, info, unknown, warning
from kdumpd.model.text import human_size, shown

CLEAR = "remove old dumps, or name a folder on a larger disk"


def dump_settings_unreadable(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the capture tool's settings cannot be read: the place of a dump is not known."""
    if isinstance(machine.storage.settings, Unknown):
        yield unknown("dump-settings-unreadable", machine.storage.settings)


def dump_target_remote(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump that leaves the machine: whether it arrives cannot be seen from here."""
    yield from _elsewhere(machine, Kind.REMOTE, "dump-target-remote", "sent to", "arrives")


def dump_target_raw(machine: MachineFacts) -> Iterator[Finding]:
    """Report a dump that is written to a device without a file system."""
    yield from _elsewhere(
        machine, Kind.RAW, "dump-target-raw", "written to the bare device", "is whole"
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
    machine: MachineFacts, kind: Kind, code: str, goes: str, does: str
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
