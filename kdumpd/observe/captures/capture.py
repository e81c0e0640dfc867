# SPDX-License-Identifier: GPL-2.0-or-later
"""Read one capture: what its files prove, as far as they can be trusted."""

import binascii
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from stat import S_ISREG

from kdumpd.model.captures.capture import Layout, Sighting, capture_id, files_id, place_of
from kdumpd.model.captures.core import CoreFacts, FileStamp, joined
from kdumpd.model.captures.layouts import (
    MAX_README_BYTES,
    README_NAME,
    Members,
    parse_readme,
    with_readme,
)
from kdumpd.model.crashlog.crash import parse_kernel_log
from kdumpd.model.text import shown, time_of_file
from kdumpd.model.vocabulary import Crash
from kdumpd.observe.captures.safe_open import Directory, untrusted_reason
from kdumpd.observe.cores.core import read_core

LOG_ID_BYTES = 1 << 16  # of a kernel log, from its end, that tell it from another
UNTRUSTED_ID_PREFIX = b"not trusted\0"
MAX_LOG_TAIL_BYTES = 1 << 20  # of a kernel log, from its end, in which the crash is looked for
# apport's report of a kernel crash has KEY: VALUE lines (apport 2.28, problem_report.py). A long
# value is `base64`, and then a line for each block: the header of a gzip stream, and the stream. A
# value in plain text goes on in lines that begin with a blank.
KERNEL_CRASH_LINE = rb"(?m)^ProblemType:[ \t]*KernelCrash[ \t]*$"
REPORT_HEAD_BYTES = 4096  # the kind is the first thing that apport writes
MAX_REPORT_BYTES = 1 << 23  # of a report that are read; a log of 256 KiB makes 50 KiB
LOG_KEY = b"VmCoreDmesg"
MAX_UNPACKED_LOG_BYTES = 1 << 24  # of a log, unpacked
MAX_UNPACKED_AT_ONCE_BYTES = 1 << 20
LOG_UNREADABLE = "holds a kernel log that is broken, cut off or too long"
GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS


class NoCaptureError(Exception):
    """A file has a capture's name, and proves to be something else."""


class ReportError(ValueError):
    """The bytes are no report of apport's, or not a whole one; the text says what is wrong."""


def read_sighting(
    directory: Directory, members: Members, known: Mapping[bytes, Sighting]
) -> Sighting:
    """Return what the capture is now; a known sighting whose files are unchanged is kept.

    VanishedError and DirectoryError for files that cannot be read, NoCaptureError when it is none.
    """
    files = tuple(directory.stamp(name) for name in members.names)
    made_at = _made_at(directory, members, files)
    trusted_directory = directory.trusted and not _of_strangers(directory, members, files)
    owner = _owner(directory, members, files)
    own_files = directory.own and not any(untrusted_reason(one, directory.owner) for one in files)
    mixed = _is_mixed(directory, files)
    before = known.get(place_of(directory.path, members.member))
    if (
        before is not None
        and before.files == files
        and (before.trusted_directory, before.own_files) == (trusted_directory, own_files)
        and (before.owner, before.mixed) == (owner, mixed)
    ):
        if (before.made_at, before.reachable, before.listable) == (
            made_at,
            directory.reachable,
            directory.listable,
        ):
            return before
        return replace(
            before,
            made_at=made_at,
            reachable=directory.reachable,
            listable=directory.listable,
        )
    anew = _read_anew(directory, members, files)
    return replace(
        anew,
        made_at=made_at,
        trusted_directory=trusted_directory,
        own_files=own_files,
        owner=owner,
        mixed=mixed,
        reachable=directory.reachable,
        listable=directory.listable,
    )


def _read_anew(directory: Directory, members: Members, files: tuple[FileStamp, ...]) -> Sighting:
    stamps = {file.name: file for file in files}
    cores = [stamps[name] for name in members.cores]
    parts = [stamps[name] for name in members.parts]
    dmesg = stamps[members.dmesg] if members.dmesg else None
    problem = _distrust(directory, files)
    core, facts = next(iter(cores + parts), None), CoreFacts(problem=members.problem)
    log = b""
    if not problem:
        core, facts = _best_core(directory, cores, parts, facts)
        if README_NAME in stamps:
            facts = _with_readme(directory, stamps[README_NAME], facts, core)
        try:
            log = _read_log(directory, members.layout, dmesg)
        except ReportError as error:
            facts = replace(facts, problem=str(error))
    log_end = log[-LOG_ID_BYTES:]
    # What says nothing of itself is what lies there; and strangers' is never one of the owner's.
    place = place_of(directory.path, members.member)
    crash = parse_kernel_log(log) if log else None
    is_note = members.layout is Layout.PSTORE and _is_a_note(directory, crash)
    if is_note and not problem:
        raise NoCaptureError(directory.path)
    identity = facts.identity or log_end or (UNTRUSTED_ID_PREFIX + place if problem else place)
    return Sighting(
        directory=directory.path,
        layout=members.layout,
        trusted=not problem,
        problem=problem,
        doubtful=is_note,
        files=files,
        files_id=files_id(files),
        core=core,
        dmesg=dmesg,
        facts=facts,
        crash=crash,
        id=capture_id(identity),
        filesystem=directory.filesystem,
        parts=tuple(parts) if core in parts else (),
        member=members.member,
        is_test=members.is_test,
        log_id=capture_id(log_end) if log else "",
        logged_at=time_of_file(dmesg.modified_ns) if dmesg and log else None,
    )


def _is_a_note(directory: Directory, crash: Crash | None) -> bool:
    """Return whether a dmesg.txt is somebody's note: an archive's directory is named in digits."""
    return not directory.name.isdigit() and not (crash and crash.reason)


def _of_strangers(directory: Directory, members: Members, files: tuple[FileStamp, ...]) -> bool:
    """Return whether others than the owner put the files among those of other captures."""
    return bool(members.member) and any(file.owner != directory.owner for file in files)


def _owner(directory: Directory, members: Members, files: tuple[FileStamp, ...]) -> int:
    """Return whom it belongs to besides the machine's owner, else him."""
    above = () if members.member else (os.fstat(directory.fd).st_uid,)
    owners = (*above, *(file.owner for file in files))
    whose = directory.owner if directory.stranger is None else directory.stranger
    return next((uid for uid in owners if uid != directory.owner), whose)


def _is_mixed(directory: Directory, files: tuple[FileStamp, ...]) -> bool:
    """Return whether files of the machine's owner lie in somebody else's directory.

    kdump-config makes a directory for each minute, and takes one that is there. A user can give a
    file of root's another name in a directory of his, by a link, where he may write to it.
    """
    return directory.stranger is not None and any(
        S_ISREG(file.mode) and file.links == 1 and file.owner == directory.owner for file in files
    )


def _made_at(
    directory: Directory, members: Members, files: tuple[FileStamp, ...]
) -> datetime | None:
    changed = max(file.modified_ns for file in files) if members.member else directory.modified_ns
    return time_of_file(changed)


def _distrust(directory: Directory, files: tuple[FileStamp, ...]) -> str:
    if not directory.trusted:
        return f"{directory.distrust}: contents not read"
    for file in files:
        reason = untrusted_reason(file, directory.owner)
        if reason:
            return f"'{shown(file.name)}' {reason}: contents not read"
    return ""


def _best_core(
    directory: Directory, cores: list[FileStamp], parts: list[FileStamp], unread: CoreFacts
) -> tuple[FileStamp | None, CoreFacts]:
    """Return the first complete core, else the first: the cp fallback leaves a stump beside one.

    The first part stands for a core in parts. Without any core, return what was not read.
    """
    read: list[tuple[FileStamp, CoreFacts]] = []
    for core in cores:
        facts = _read_core(directory, core)
        if facts.part is not None:
            facts = joined([(core.name, facts)])
        if facts.complete:
            return core, facts
        read.append((core, facts))
    if parts:
        facts = joined([(part.name, _read_core(directory, part)) for part in parts])
        if facts.complete:
            return parts[0], facts
        read.append((parts[0], facts))
    return read[0] if read else (None, unread)


def _read_core(directory: Directory, core: FileStamp) -> CoreFacts:
    with directory.open_file(core) as fd:
        return read_core(fd)


def _with_readme(
    directory: Directory, readme: FileStamp, facts: CoreFacts, core: FileStamp | None
) -> CoreFacts:
    with directory.open_file(readme) as fd:
        said = parse_readme(os.pread(fd, MAX_README_BYTES, 0))
    return with_readme(facts, said, has_core=core is not None)


def _read_log(directory: Directory, layout: Layout, dmesg: FileStamp | None) -> bytes:
    """Return the end of the kernel log, empty without one.

    ReportError when a report on the crash does not hold it.
    """
    if dmesg is None:
        return b""
    with directory.open_file(dmesg) as fd:
        if layout is not Layout.APPORT:
            return os.pread(fd, MAX_LOG_TAIL_BYTES, max(0, dmesg.size - MAX_LOG_TAIL_BYTES))
        if not is_kernel_crash(os.pread(fd, REPORT_HEAD_BYTES, 0)):
            raise NoCaptureError(dmesg.name)
        return parse_report(os.pread(fd, MAX_REPORT_BYTES, 0))[-MAX_LOG_TAIL_BYTES:]


def is_kernel_crash(head: bytes) -> bool:
    """Return whether a report that begins so is of a crash of the kernel, and not of an oops."""
    return re.search(KERNEL_CRASH_LINE, head) is not None


def parse_report(report: bytes) -> bytes:
    """Return the kernel log in the report; ReportError when it holds none that is whole."""
    values = dict(_report_values(report))
    if LOG_KEY not in values:
        raise ReportError("holds no kernel log")
    first, *more = values[LOG_KEY]
    return _unpacked_log(more) if first == b"base64" else b"\n".join(filter(None, (first, *more)))


def _report_values(report: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield each key, and the lines of its value."""
    key, lines = b"", list[bytes]()
    for line in report.split(b"\n"):
        if line.startswith(b" "):
            lines.append(line[1:])
            continue
        if key:
            yield key, lines
        key, _, value = line.partition(b":")
        lines = [value.strip()]
    if key:
        yield key, lines


def _unpacked_log(blocks: list[bytes]) -> bytes:
    """Return what the blocks hold; ReportError for more than MAX_UNPACKED_LOG_BYTES."""
    stream = zlib.decompressobj(GZIP_WINDOW_BITS)
    log = bytearray()
    try:
        for block in blocks:
            packed = binascii.a2b_base64(block)
            while packed and len(log) < MAX_UNPACKED_LOG_BYTES:
                log += stream.decompress(packed, MAX_UNPACKED_AT_ONCE_BYTES)
                packed = stream.unconsumed_tail
    except (binascii.Error, zlib.error) as error:
        raise ReportError(LOG_UNREADABLE) from error
    if not stream.eof:
        raise ReportError(LOG_UNREADABLE)
    return bytes(log)
