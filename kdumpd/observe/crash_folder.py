# SPDX-License-Identifier: GPL-2.0-or-later
"""Look at a crash folder: which captures lie in it, and what each proves about itself."""

import os
from collections.abc import Mapping
from pathlib import Path

from kdumpd.model.capture import CoreFacts, FileStamp, Sighting, capture_id
from kdumpd.model.crash import parse_kernel_log
from kdumpd.model.layout import Members, recognise
from kdumpd.model.readiness import FolderFacts
from kdumpd.model.state import CrashFolder
from kdumpd.model.text import shown
from kdumpd.observe.core import read_core
from kdumpd.observe.folder import (
    Folder,
    FolderError,
    OnFolder,
    VanishedError,
    open_crash_folder,
    untrusted_reason,
)
from kdumpd.observe.mounts import read_mount_points, read_mounted_names

ANOTHER = "is another file system, which is not looked into"
MOST_ENTRIES = 2_000_000  # looked at for folders among them
MOST_FOLDERS = 100_000  # of the machine's owner: the last by name, as most are named by the time
MOST_STRANGE = 1_000  # of others
DMESG_END = 1 << 16  # bytes of a kernel log, from its end, that tell it from another
LONGEST_LOG = 1 << 20  # bytes of a kernel log, from its end, in which the crash is looked for


def read_crash_folder(
    root: Path, path: bytes, known: Mapping[bytes, Sighting], on_folder: OnFolder
) -> CrashFolder:
    """Return what lies in the crash folder; a known sighting whose files are unchanged is kept.

    Nothing is raised for what lies there: what cannot be read is named, and the others go on.
    """
    filesystem = 0

    def come_across(fd: int) -> None:
        nonlocal filesystem
        filesystem = os.statvfs(fd).f_fsid
        on_folder(fd)

    try:
        with open_crash_folder(root, path, come_across) as folder:
            if folder is None:
                # What was seen here on another file system is not gone, but not mounted.
                facts = FolderFacts(path=path, present=False)
                return CrashFolder(facts=facts, filesystem=filesystem)
            return _read_captures(folder, known, on_folder)
    except (FolderError, OSError) as error:
        facts = FolderFacts(path=path, present=True, problem=_described(error, path))
        return CrashFolder(facts=facts, listed=False)


def _read_captures(
    folder: Folder, known: Mapping[bytes, Sighting], on_folder: OnFolder
) -> CrashFolder:
    sightings = []
    points = read_mount_points()
    names, problems, listed = _candidates(folder, points)
    for name in names:
        try:
            with folder.open_folder(name) as inside:
                on_folder(inside.fd)
                sighting = _read_sighting(inside, known.get(inside.path), points)
        except VanishedError:
            continue
        except (FolderError, OSError) as error:
            problems[name] = _described(error, folder.path_of(name))
            continue
        if sighting is not None:
            sightings.append(sighting)
    problem = _summed_up(folder, list(problems.values()), listed=listed)
    return CrashFolder(
        facts=FolderFacts(path=folder.path, present=True, problem=problem),
        sightings=tuple(sightings),
        listed=listed,
        filesystem=folder.filesystem,
        unread=frozenset(folder.path_of(name) for name in problems),
    )


def _candidates(
    folder: Folder, points: frozenset[bytes]
) -> tuple[list[bytes], dict[bytes, str], bool]:
    """Return the folders to look into, what is wrong with others, and whether those are all.

    A stranger can fill a folder that everybody may write to: his folders crowd out no others.
    """
    own: list[bytes] = []
    strange: list[bytes] = []
    problems = {}
    mounted = read_mounted_names(folder.fd, points)
    for name in folder.folders(MOST_ENTRIES):
        if name in mounted:
            path = shown(folder.path_of(name))
            problems[name] = f"'{path}' {ANOTHER}: name it in CrashDirectories="
            continue
        try:
            (own if folder.stamp(name).owner == folder.owner else strange).append(name)
        except VanishedError:
            continue
        except FolderError as error:
            problems[name] = str(error)
    all_seen = len(own) <= MOST_FOLDERS and len(strange) <= MOST_STRANGE
    return sorted(own)[-MOST_FOLDERS:] + sorted(strange)[-MOST_STRANGE:], problems, all_seen


def _summed_up(folder: Folder, problems: list[str], *, listed: bool) -> str:
    if not listed:
        return f"'{shown(folder.path)}' has too many folders to look into all of them"
    others = f" (and {len(problems) - 1} more like this)" if len(problems) > 1 else ""
    return problems[0] + others if problems else ""


def _read_sighting(
    folder: Folder, known: Sighting | None, points: frozenset[bytes]
) -> Sighting | None:
    names = folder.names()
    members = recognise(names)
    if members is None:
        return None
    wanted = (*members.cores, *((members.dmesg,) if members.dmesg else ()))
    for name in read_mounted_names(folder.fd, points).intersection(wanted):
        raise FolderError(f"'{shown(folder.path_of(name))}' {ANOTHER}")
    files = tuple(folder.stamp(name) for name in wanted)
    if known is not None and known.files == files and known.trusted_folder == folder.trusted:
        return known
    return _read_anew(folder, members, files)


def _read_anew(folder: Folder, members: Members, files: tuple[FileStamp, ...]) -> Sighting:
    stamps = {file.name: file for file in files}
    cores = [stamps[name] for name in members.cores]
    dmesg = stamps[members.dmesg] if members.dmesg else None
    problem = _distrust(folder, files)
    core, facts = (cores[0] if cores else None), CoreFacts()
    identity, log = b"", b""
    if not problem:
        core, facts = _best_core(folder, cores)
        log = _read_log(folder, dmesg)
        identity = facts.identity or log[-DMESG_END:] or (b"" if core is None else folder.name)
    return Sighting(
        directory=folder.path,
        layout=members.layout,
        trusted=not problem,
        trusted_folder=folder.trusted,
        problem=problem,
        files=files,
        core=core,
        dmesg=dmesg,
        facts=facts,
        crash=parse_kernel_log(log) if log else None,
        id=capture_id(identity or folder.name),
        filesystem=folder.filesystem,
    )


def _distrust(folder: Folder, files: tuple[FileStamp, ...]) -> str:
    if not folder.trusted:
        return f"{folder.distrust}: contents not read"
    for file in files:
        reason = untrusted_reason(file, folder.owner)
        if reason:
            return f"'{shown(file.name)}' {reason}: contents not read"
    return ""


def _best_core(folder: Folder, cores: list[FileStamp]) -> tuple[FileStamp | None, CoreFacts]:
    """Return the first complete core, else the first: the cp fallback leaves a stump beside one."""
    read: list[tuple[FileStamp, CoreFacts]] = []
    for core in cores:
        with folder.open_file(core) as fd:
            facts = read_core(fd)
        if facts.complete:
            return core, facts
        read.append((core, facts))
    return read[0] if read else (None, CoreFacts())


def _read_log(folder: Folder, dmesg: FileStamp | None) -> bytes:
    """Return the end of the kernel log beside the core, empty without one."""
    if dmesg is None or dmesg.size == 0:
        return b""
    with folder.open_file(dmesg) as fd:
        return os.pread(fd, LONGEST_LOG, max(0, dmesg.size - LONGEST_LOG))


def _described(error: Exception, path: bytes) -> str:
    if isinstance(error, OSError):
        return f"'{shown(path)}' cannot be read: {error.strerror}"
    return str(error)
