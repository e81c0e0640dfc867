# SPDX-License-Identifier: GPL-2.0-or-later
"""How each capture tool names and describes its files.

Names are matched whole, never by prefix: `vmcore-dmesg-incomplete.txt` is no core
(open-power/op-test#780). The directory's own name is asked only where two writers use the same
names: people rename directories, and a server that collects from hosts adds their names.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from kdumpd.model.captures.capture import Layout
from kdumpd.model.captures.core import CoreFacts
from kdumpd.model.text import EPOCH, printable

STAMP_PATTERN = rb"\d{12}"  # kdump-tools 1.8 and kdumpst: date +%Y%m%d%H%M
COMPRESSED = rb"\.(gz|bz2|xz|lz4|zst)"
MAYBE_COMPRESSED = rb"(" + COMPRESSED + rb")?"  # kdump-tools' KDUMP_COMPRESSION
PSTORE_ARCHIVE = b"/var/lib/systemd/pstore"  # made by systemd-tmpfiles
MAX_DIRECTORY_DEPTH = 2  # levels of directories below a crash directory that are looked into
README_NAME = b"README.txt"
CRASH_KERNEL_LOG_NAME = b"kexec-dmesg.log"
TEST_STATUS_NAME = b"vmcore-creation.status"
NOTHING_SAVED = (
    f"holds nothing of the crash: '{CRASH_KERNEL_LOG_NAME.decode()}' is the log of the kernel that"
    " was to save it, and tells why it could not"
)


class Members(NamedTuple):
    """The files of a capture: cores in the order of preference, and the kernel log beside them."""

    layout: Layout
    cores: tuple[bytes, ...] = ()
    dmesg: bytes | None = None
    parts: tuple[bytes, ...] = ()  # of one core that was split, in their order
    notes: tuple[bytes, ...] = ()  # neither core nor log, but watched, or read for what they tell
    member: bytes = b""  # which one, where several captures lie in one directory
    is_test: bool = False
    problem: str = ""  # what the names alone tell

    @property
    def names(self) -> tuple[bytes, ...]:
        """All of the files, each once."""
        log = (self.dmesg,) if self.dmesg else ()
        return tuple(dict.fromkeys((*self.cores, *self.parts, *log, *self.notes)))


Recogniser = Callable[[Collection[bytes], bytes], Iterable[Members]]


def kdump_tools(names: Collection[bytes], _: bytes) -> Iterable[Members]:
    """Recognise Debian's and Ubuntu's kdump-tools 1.8 (/usr/sbin/kdump-config).

    dump-incomplete becomes dump.STAMP; the fallback, cp, writes vmcore-incomplete, later
    vmcore.STAMP. Of two crashes in one minute the second replaces the core of the first; its
    kernel log, dmesg.STAMP, is then the first's: makedumpfile 1.7.2 overwrites no log (tried).
    """
    cores = _matching(
        names,
        rb"dump\." + STAMP_PATTERN + MAYBE_COMPRESSED,
        rb"vmcore\." + STAMP_PATTERN + MAYBE_COMPRESSED,
    )
    growing = _matching(names, rb"dump-incomplete" + MAYBE_COMPRESSED)
    logs = _matching(names, rb"dmesg\." + STAMP_PATTERN)
    if cores or growing or logs:
        # The cp fallback's temporary name is also kdump-utils'; beside these files it is Debian's.
        growing += _matching(names, rb"vmcore-incomplete")
        yield Members(layout=Layout.KDUMP_TOOLS, cores=cores + growing, dmesg=_last(logs))


def kdump_utils(names: Collection[bytes], directory: bytes) -> Iterable[Members]:
    """Recognise Fedora's and RHEL's kdump-utils 1.0 (dracut module 99kdumpbase, kdump.sh).

    Only `kdumpctl test` makes it write vmcore-creation.status, beside the core.
    """
    cores = _matching(names, rb"vmcore", rb"vmcore\.flat", rb"vmcore-incomplete")
    cores += _matching(names, rb"vmcore(\.flat)?" + COMPRESSED)  # by hand, to save space
    parts = sorted(_matching(names, rb"vmcore\.[1-9]\d{0,3}"), key=_number)
    logs = _matching(names, rb"vmcore-dmesg-incomplete\.txt", rb"vmcore-dmesg\.txt")
    nothing = not (cores or parts or logs)
    if nothing and CRASH_KERNEL_LOG_NAME not in names:
        return
    yield Members(
        layout=Layout.KDUMP_UTILS,
        cores=cores,
        parts=tuple(parts),
        dmesg=_last(logs),
        notes=(CRASH_KERNEL_LOG_NAME,) if nothing else (),
        is_test=TEST_STATUS_NAME in names or bool(re.fullmatch(rb"kdump-test-\d+-\d+", directory)),
        problem=NOTHING_SAVED if nothing else "",
    )


def suse(names: Collection[bytes], _: bytes) -> Iterable[Members]:
    """Recognise SUSE's kdump (dracut/kdump-save; its older kdumptool wrote README.txt once, last).

    README.txt comes first, then the log, then vmcore under its final name; at last README.txt is
    written again.
    """
    cores = _matching(names, rb"vmcore" + MAYBE_COMPRESSED)
    logs = _matching(names, rb"dmesg\.txt", rb"dmesg")
    if ((cores or logs) and README_NAME in names) or (cores and logs):
        notes = (README_NAME,) if README_NAME in names else ()
        yield Members(layout=Layout.SUSE, cores=cores, dmesg=_last(logs), notes=notes)


def steamos(names: Collection[bytes], directory: bytes) -> Iterable[Members]:
    """Recognise SteamOS's kdumpst (initramfs/kdump-collect.sh), in crash/STAMP.

    The log comes first; without FULL_COREDUMP it is all.
    """
    cores = _matching(names, rb"vmcore\.compressed")
    logs = _matching(names, rb"dmesg\.txt")
    if cores or (logs and re.fullmatch(STAMP_PATTERN, directory) and not _pstore_parts(names)):
        yield Members(layout=Layout.STEAMOS, cores=cores, dmesg=_last(logs))


def steamos_saved(names: Collection[bytes], directory: bytes) -> Iterable[Members]:
    """Recognise what kdumpst makes of its captures at the next boot (save-dumps.sh).

    The cores of all crashes lie in one directory, as crash/vmcore.STAMP; their logs went into a
    zip.
    """
    cores = _matching(names, rb"vmcore\." + STAMP_PATTERN)
    others = _matching(
        names,
        rb"(dump|dmesg)\." + STAMP_PATTERN + MAYBE_COMPRESSED,
        rb"dump-incomplete" + MAYBE_COMPRESSED,
    )
    if not others and (directory == b"crash" or len(cores) > 1):
        for core in cores:
            yield Members(layout=Layout.STEAMOS, cores=(core,), member=core)


def pstore(names: Collection[bytes], _: bytes) -> Iterable[Members]:
    """Recognise the archive of systemd-pstore (252 and later, pstore.c): ID/, or ID/001/.

    dmesg.txt is put together from the parts beside it; of those the first holds the log's end.
    """
    parts = _pstore_parts(names)
    logs = _matching(names, rb"dmesg\.txt")
    if logs or parts:
        yield Members(layout=Layout.PSTORE, dmesg=(logs or parts)[0])


def apport(names: Collection[bytes], _: bytes) -> Iterable[Members]:
    """Recognise the reports of Ubuntu's apport (data/kernel_crashdump) on kdump-tools' captures.

    Each is named after a kernel package and the capture's directory. Reports of programs begin with
    an underscore; those of kernel packages that failed to install have no stamp.
    """
    for name in _matching(names, rb"linux-image-[^/]+-" + STAMP_PATTERN + rb"(\.\d+)?\.crash"):
        yield Members(layout=Layout.APPORT, dmesg=name, member=name)


def ubuntu(names: Collection[bytes], _: bytes) -> Iterable[Members]:
    """Recognise what Ubuntu had before kdump-tools (initramfs script 0_kdump): one file.

    Beside it vmcore.log holds what makedumpfile said, and no kernel log.
    """
    if b"vmcore" in names:
        yield Members(layout=Layout.UBUNTU, cores=(b"vmcore",), member=b"vmcore")


def ramoops(names: Collection[bytes], _: bytes) -> Iterable[Members]:
    """Recognise what systemd-pstore has of back ends other than EFI and ERST: one record a file."""
    for name in _matching(names, rb"dmesg-(?!efi|erst)[a-z_]+-\d+"):
        yield Members(layout=Layout.PSTORE, dmesg=name, member=name)


DIRECTORY_RECOGNISERS: tuple[Recogniser, ...] = (
    steamos_saved,
    kdump_tools,
    steamos,
    suse,
    pstore,
    kdump_utils,
)
TOP_DIRECTORY_RECOGNISERS: tuple[Recogniser, ...] = (apport, ubuntu, ramoops)


TOP_DIRECTORY_PREFIXES = (b"linux-image-", b"vmcore", b"dmesg-")  # of the names these rules want


def recognise(names: Collection[bytes], directory: bytes = b"") -> tuple[Members, ...]:
    """Return the captures that a directory of this name holds, by the names of the files in it."""
    return next(
        (found for rule in DIRECTORY_RECOGNISERS if (found := tuple(rule(names, directory)))), ()
    )


def recognise_at_the_top(names: Collection[bytes], directory: bytes = b"") -> tuple[Members, ...]:
    """Return the captures whose files lie in a crash directory itself, which has this name."""
    saved = steamos_saved(names, directory) if directory == b"crash" else ()
    return (
        *saved,
        *(found for rule in TOP_DIRECTORY_RECOGNISERS for found in rule(names, directory)),
    )


def _matching(names: Collection[bytes], *patterns: bytes) -> tuple[bytes, ...]:
    return tuple(
        name for pattern in patterns for name in sorted(names) if re.fullmatch(pattern, name)
    )


def _pstore_parts(names: Collection[bytes]) -> tuple[bytes, ...]:
    return _matching(names, rb"dmesg-(efi|efi_pstore|erst)-\d+")


def _last(names: Collection[bytes]) -> bytes | None:
    return tuple(names)[-1] if names else None


def _number(part: bytes) -> int:
    return int(part.rpartition(b".")[2])


MAX_README_BYTES = 4096
MAX_README_VALUE_CHARACTERS = 128
README_PLACEHOLDER = b"the crash dump is likely incomplete"
README_UNFINISHED = "its writer has not finished: README.txt is still the placeholder"


class Readme(NamedTuple):
    """What a README.txt says; an unknown text is empty."""

    finished: bool  # whether it was written again after the core
    status: str = ""  # of the core, in the writer's words; older writers say none
    host: str = ""
    kernel_release: str = ""


def parse_readme(text: bytes) -> Readme:
    """Return what the text says; nothing is wrong with any."""
    lines = (line.partition(b":") for line in text[:MAX_README_BYTES].splitlines())
    values = {key.strip().lower(): _value(value) for key, _, value in lines}
    return Readme(
        finished=README_PLACEHOLDER not in re.sub(rb"\s+", b" ", text[:MAX_README_BYTES]),
        status=values.get(b"vmcore status", ""),
        host=values.get(b"host", ""),
        kernel_release=values.get(b"kernel version", ""),
    )


def with_readme(facts: CoreFacts, readme: Readme, *, has_core: bool) -> CoreFacts:
    """Return the facts and what the README.txt adds: a core that proves whole is whole."""
    facts = replace(
        facts,
        host=facts.host or readme.host,
        kernel_release=facts.kernel_release or readme.kernel_release,
    )
    if facts.complete:
        return facts
    said = f"README.txt says '{readme.status}'" if readme.status else ""
    return replace(
        facts,
        problem="; ".join(
            filter(
                None,
                (
                    facts.problem if has_core else "has no core",
                    said if readme.finished else README_UNFINISHED,
                ),
            )
        ),
    )


def _value(value: bytes) -> str:
    return printable(value.strip())[:MAX_README_VALUE_CHARACTERS]


PSTORE_DIRECTORY_PATTERN = rb"/(\d{9,20})(?:/\d{3})?/?$"
EFI_DIGITS, OLD_EFI_DIGITS = 10, 9
OLD_ERST_DIGITS, ERST_DIGITS, ERST_SEQUENCE_FACTOR = range(12, 14), range(18, 20), 1_000_000
ERST_ID_LIMIT = 1 << 63  # after 2038, ERST's numbers are made another way


class RecordTime(NamedTuple):
    """A time in the life of the kernel that died."""

    at: datetime
    exact: bool  # whether it is when it died; otherwise it may have lived on for long


def parse_record_time(directory: bytes) -> RecordTime | None:
    """Return what the name of an archive's directory says of the time, None if nothing.

    systemd-pstore (src/pstore/pstore.c) names the directory after the record's number without the
    part's own digits. EFI's number is (seconds since 1970 * 100 + part) * 1000 + count
    (drivers/firmware/efi/efi-pstore.c, generic_id()), and the directory is the seconds with, below
    it, the count. ERST's has in its upper half the seconds since 1970 of the first record of that
    boot (drivers/firmware/efi/cper.c, cper_next_record_id()). Debian's 252 and older ones leave the
    last six digits out of either number.
    """
    match = re.search(PSTORE_DIRECTORY_PATTERN, directory)
    if match is None:
        return None
    digits, number = len(match[1]), int(match[1])
    if digits == EFI_DIGITS:
        return RecordTime(EPOCH + timedelta(seconds=number), exact=True)
    if digits == OLD_EFI_DIGITS:
        return RecordTime(EPOCH + timedelta(seconds=number * 10 + 9), exact=True)
    if digits in OLD_ERST_DIGITS:
        number, digits = number * ERST_SEQUENCE_FACTOR, ERST_DIGITS.start
    if digits in ERST_DIGITS and number < ERST_ID_LIMIT:
        return RecordTime(EPOCH + timedelta(seconds=number >> 32), exact=False)
    return None
