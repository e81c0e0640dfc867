# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture: what one crash of a kernel left on disk."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, auto
from hashlib import sha256
from stat import S_IROTH, S_ISREG

from kdumpd.model.captures.core import NOTHING_READ, CoreFacts, FileStamp, Format
from kdumpd.model.text import time_of_file
from kdumpd.model.vocabulary import CaptureState, Crash, crash_was_intended

CAPTURE_ID_DIGITS = 16
UNKNOWN_CRASH = Crash()


class Layout(StrEnum):
    """Which tool's way of naming files a capture follows."""

    KDUMP_TOOLS = "kdump-tools"  # Debian, Ubuntu
    KDUMP_UTILS = "kdump-utils"  # Fedora, RHEL
    SUSE = auto()
    STEAMOS = auto()
    APPORT = auto()  # Ubuntu's report of a crash: the kernel log alone
    UBUNTU = auto()  # before it had kdump-tools
    PSTORE = auto()  # the archive of systemd-pstore


# Of these there never is a core, and the log may be a copy. apport copies the kernel log of
# kdump-tools' captures into reports of its own. The kernel itself writes its log to pstore as well
# where crash_kexec_post_notifiers is set, as on Hyper-V.
LOG_ONLY_LAYOUTS = frozenset({Layout.APPORT, Layout.PSTORE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One look at one directory that holds, or may come to hold, a capture."""

    directory: bytes
    layout: Layout
    trusted: bool
    trusted_directory: bool = True  # whether only the machine's owner can have made the directory
    own_files: bool = True  # whether only he can have written the files, wherever they lie
    doubtful: bool = False  # whether only its contents, which are not read, tell if it is a capture
    files_id: str = ""  # the same while nobody wrote to the files, whoever may by now
    owner: int = 0  # a uid: whoever it belongs to besides the machine's owner, else he
    mixed: bool = False  # whether files of the machine's owner lie in somebody else's directory
    problem: str = ""  # why the contents were not read
    files: tuple[FileStamp, ...]
    core: FileStamp | None
    dmesg: FileStamp | None
    facts: CoreFacts = NOTHING_READ
    crash: Crash | None = None  # what the kernel log beside the core says; None without one
    log_awaited: bool = False  # whether the kernel log is still to be read out of the core
    id: str = ""
    filesystem: int = 0  # the id of the one it lies on, the same at every mount
    parts: tuple[FileStamp, ...] = ()  # of a split core, all of them; the core is the first
    member: bytes = b""  # which one, where several captures lie in one directory
    is_test: bool = False  # whether its writer was told that the crash would be a test
    log_id: str = ""  # of the end of its kernel log; two of one crash have the same
    logged_at: datetime | None = None  # when its kernel log was last written
    reachable: bool = True  # whether everybody may go through the directories on its path
    listable: bool = True  # whether everybody may also list those from the crash directory on
    made_at: datetime | None = None  # when its directory, or its file in a shared one, last changed

    @property
    def place(self) -> bytes:
        """What no other capture shares: its directory, and which one it is there."""
        return place_of(self.directory, self.member)

    @property
    def core_size(self) -> int:
        """The size of the core in bytes, of all its parts."""
        return sum(file.size for file in self.parts) or (self.core.size if self.core else 0)

    @property
    def complete(self) -> bool:
        """Whether the core proves, by its content, to be whole."""
        return self.core is not None and self.facts.complete

    @property
    def state(self) -> CaptureState:
        """What the capture is if nothing is written to it any more."""
        if not self.trusted or self.problem:
            return CaptureState.UNREADABLE
        if self.core is None:
            return CaptureState.DMESG_ONLY if self.dmesg else CaptureState.INCOMPLETE
        if self.facts.complete:
            return CaptureState.COMPLETE
        if self.facts.format is Format.UNKNOWN and self.core.size > 0:
            return CaptureState.UNREADABLE
        return CaptureState.INCOMPLETE


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What is known of one capture, as the ledger keeps it and the bus shows it."""

    id: str
    directory: bytes
    core_file: bytes  # whole path, empty when there is none
    dmesg_file: bytes
    layout: Layout
    format: Format
    compression: str
    size: int
    state: CaptureState
    trusted: bool
    problem: str
    crashed_at: datetime | None
    found_at: datetime
    host: str
    kernel_release: str
    architecture: str
    build_id: str
    world_readable: bool
    filesystem: int = 0
    dump_level: int | None = None
    crash: Crash = UNKNOWN_CRASH
    log_awaited: bool = False  # whether the kernel log is still to be read out of the core
    occurrence: int = 0  # which one this is of the crashes with its signature; 0 without one
    member: bytes = b""
    is_test: bool = False
    removal_at: datetime | None = None  # when the machine's own jobs will remove it
    removal: str = ""  # which of them; without a time, when the next capture is saved
    identified: bool = False  # whether a core said which crash it is, so that no other can be it
    log_id: str = ""  # of the end of its kernel log
    exposed_file: bytes = b""  # one that everybody may read, whole path; the core if it is one
    exposed_at: datetime | None = None  # when its mode, or something else of it, changed last
    acknowledged: bool = False  # whether somebody has taken note of it
    written_at: datetime | None = None  # when the core was last written to
    gone_at: datetime | None = None  # when it was found to be gone
    files_id: str = ""  # of the files as they were seen last
    told_state: CaptureState | None = None  # what its contents last showed, None for never read
    owner: int = 0  # the uid of whoever could have put it there
    mixed: bool = False  # whether files of the machine's owner lie in somebody else's directory
    untold_since: datetime | None = None  # where that it is not trusted is still to be told
    listable: bool = False  # whether everybody may see the names of its directory and its files

    @property
    def happened_at(self) -> datetime:
        """When the kernel died, where that is known, else when the capture was found."""
        return self.crashed_at or self.found_at

    @property
    def is_exposed(self) -> bool:
        """Whether everybody may read what its owner alone should."""
        return self.world_readable and self.trusted and self.state is not CaptureState.GONE

    @property
    def was_intended(self) -> bool:
        """Whether somebody crashed the kernel on purpose: as a test, or by hand."""
        return crash_was_intended(self.crash.class_, is_test=self.is_test)

    @property
    def is_unacknowledged(self) -> bool:
        """Whether it tells of a crash of which nobody has taken note yet.

        What a stranger put into a crash directory is no crash; a test, or one by hand, is no
        incident.
        """
        return self.trusted and not (self.acknowledged or self.was_intended)

    @property
    def was_armed(self) -> bool:
        """Whether a crash kernel was loaded at death: a core proves it, a log may say it."""
        return bool(self.core_file) if self.crash.armed is None else self.crash.armed

    @property
    def place(self) -> bytes:
        """What no other capture shares: its directory, and which one it is there."""
        return place_of(self.directory, self.member)

    @property
    def may_be_anybodys(self) -> bool:
        """Whether it is there, and not trusted."""
        return not self.trusted and self.state is not CaptureState.GONE

    @property
    def was_believed(self) -> bool:
        """Whether its contents are believed, or were until somebody else could change them."""
        return self.trusted or self.told_state is not None

    @property
    def was_read(self) -> bool:
        """Whether its contents were ever believed and read."""
        # An older kdumpd kept only what it had read.
        return self.was_believed or self.crashed_at is not None or bool(self.kernel_release)

    def is_as_before(self, distrusted: "Capture") -> bool:
        """Return whether it is believed again, and shows what was told before it no more was."""
        if distrusted.trusted or not self.trusted or self.log_awaited:
            return False
        return distrusted.told_state is self.state


def place_of(directory: bytes, member: bytes) -> bytes:
    """Return what no other capture shares: its directory, and which one it is there."""
    return directory.rstrip(b"/") + b"/" + member if member else directory


def capture_id(*parts: bytes) -> str:
    """Return the 16 hex digits that name the capture made of these parts."""
    digest = sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:CAPTURE_ID_DIGITS]


def files_id(files: Iterable[FileStamp]) -> str:
    """Return what names the content of files without reading it.

    It stays the same when rights and owners change, as those of a whole tree may by mistake.
    """
    stamps = [(file.name, file.inode, file.size, file.modified_ns) for file in files]
    return capture_id(repr(stamps).encode("ascii"))


def capture_from(sighting: Sighting, found_at: datetime, before: Capture | None = None) -> Capture:
    """Return the capture that a settled sighting shows, first found at `found_at`.

    What was read of it `before` stays known when nobody vouches for its contents any more.
    """
    facts = sighting.facts
    if before is not None and not sighting.trusted:
        facts = replace(
            facts,
            format=before.format,
            compression=before.compression,
            crashed_at=before.crashed_at,
            host=before.host,
            kernel_release=before.kernel_release,
            architecture=before.architecture,
            build_id=before.build_id,
            dump_level=before.dump_level,
        )
    core, dmesg = sighting.core, sighting.dmesg
    exposed = next((file for file in (core, *sighting.parts, dmesg) if _is_open(file)), None)
    exposed = exposed if sighting.reachable else None
    crash = sighting.crash or (before.crash if before else UNKNOWN_CRASH)
    return Capture(
        id=sighting.id,
        directory=sighting.directory,
        core_file=_inside(sighting.directory, core),
        dmesg_file=_inside(sighting.directory, dmesg),
        layout=sighting.layout,
        format=facts.format,
        compression=facts.wrapper or facts.compression,
        size=sighting.core_size,
        state=sighting.state,
        trusted=sighting.trusted,
        problem=sighting.problem or facts.problem,
        crashed_at=facts.crashed_at or sighting.logged_at,
        found_at=found_at,
        host=facts.host,
        kernel_release=facts.kernel_release or crash.kernel_release,
        architecture=facts.architecture,
        build_id=facts.build_id,
        world_readable=exposed is not None,
        filesystem=sighting.filesystem,
        dump_level=facts.dump_level,
        crash=crash,
        log_awaited=sighting.log_awaited,
        occurrence=before.occurrence if before else 0,
        member=sighting.member,
        is_test=sighting.is_test or (before is not None and before.is_test),
        removal_at=before.removal_at if before else None,
        removal=before.removal if before else "",
        identified=bool(facts.identity) or (before is not None and before.identified),
        log_id=sighting.log_id or (before.log_id if before else ""),
        exposed_file=_inside(sighting.directory, exposed),
        exposed_at=time_of_file(exposed.changed_ns) if exposed else None,
        acknowledged=before is not None and before.acknowledged,
        written_at=_written_at(sighting),
        files_id=sighting.files_id,
        told_state=_told_state(sighting, before),
        owner=sighting.owner,
        mixed=sighting.mixed,
        untold_since=before.untold_since if before and not sighting.trusted else None,
        listable=sighting.listable,
    )


def _told_state(sighting: Sighting, before: Capture | None) -> CaptureState | None:
    if sighting.trusted and not sighting.log_awaited:
        return sighting.state
    if before is None or before.told_state or before.log_awaited or not before.trusted:
        return before.told_state if before else None
    return before.state  # an older kdumpd did not keep it


def _written_at(sighting: Sighting) -> datetime | None:
    files = sighting.parts or ((sighting.core,) if sighting.core else ())
    last = max((file.modified_ns for file in files), default=0)
    return time_of_file(last) if last > 0 else None


def _is_open(file: FileStamp | None) -> bool:
    return file is not None and S_ISREG(file.mode) and bool(file.mode & S_IROTH and file.size)


def _inside(directory: bytes, file: FileStamp | None) -> bytes:
    return b"" if file is None else place_of(directory, file.name)


def by_time(capture: Capture) -> tuple[datetime, str]:
    """Return what sorts captures by when they happened, the oldest first."""
    return capture.happened_at, capture.id
