# SPDX-License-Identifier: GPL-2.0-or-later
"""Look at a crash directory: which captures lie in it, and what each proves about itself."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kdumpd.model.captures.capture import Sighting
from kdumpd.model.captures.core import FileStamp
from kdumpd.model.captures.layouts import (
    MAX_DIRECTORY_DEPTH,
    PSTORE_ARCHIVE,
    TOP_DIRECTORY_PREFIXES,
    Members,
    recognise,
    recognise_at_the_top,
)
from kdumpd.model.readiness.facts import DirectoryFacts
from kdumpd.model.state import CrashDirectory
from kdumpd.model.text import shown
from kdumpd.observe.captures.safe_open import (
    Directory,
    DirectoryError,
    OnDirectory,
    VanishedError,
    open_crash_directory,
    read_mount_points_below,
    read_mounted_names,
)
from kdumpd.observe.captures.scan_cache import Visits
from kdumpd.observe.readiness.shared_files import SharedFiles

MAX_ENTRIES = 2_000_000  # looked at for directories among them
# of the machine's owner: the last by name, as most are named by the time
MAX_CAPTURE_DIRECTORIES = 100_000
MAX_UNTRUSTED_DIRECTORIES = 1_000  # of others


class Budget:
    """What is left for the rest of the look, at all depths together."""

    def __init__(self) -> None:
        self.all_seen = True  # whether nothing had to be left out
        self.entries = MAX_ENTRIES
        self._left = {True: MAX_CAPTURE_DIRECTORIES, False: MAX_UNTRUSTED_DIRECTORIES}

    def list_entries(self, number: int) -> None:
        """Take note of so many entries that were looked at."""
        if number >= self.entries:
            self.all_seen = False
        self.entries -= min(number, self.entries)

    def allowed(
        self, directory: Directory, names: Iterable[bytes], problems: dict[bytes, str]
    ) -> list[FileStamp]:
        """Return what may be looked at of the names in a directory, and what is wrong with others.

        What belongs to strangers crowds out nothing of the owner's.
        """
        groups: dict[bool, list[FileStamp]] = {True: [], False: []}
        for name in names:
            try:
                stamp = directory.stamp(name)
                groups[stamp.owner == directory.owner].append(stamp)
            except VanishedError:
                continue
            except DirectoryError as error:
                problems[directory.path_of(name)] = str(error)
        return [stamp for own, group in groups.items() for stamp in self._taken(group, own=own)]

    def _taken(self, stamps: list[FileStamp], *, own: bool) -> list[FileStamp]:
        left = self._left[own]
        if len(stamps) > left:
            self.all_seen = False
        taken = sorted(stamps, key=lambda one: one.name)[-left:] if left else []
        self._left[own] -= len(taken)
        return taken


OTHER_FILE_SYSTEM = "is another file system, which is not looked into"

Known = Mapping[bytes, Sighting]  # by place


def read_crash_directory(
    shared: SharedFiles,
    path: bytes,
    known: Known,
    on_directory: OnDirectory,
    visits: Visits | None = None,
) -> CrashDirectory:
    """Return what lies in the crash directory; a known sighting whose files are unchanged is kept.

    Directories that are as they were at the last two visits are not opened.

    Nothing is raised for what lies there: what cannot be read is named, and the others go on.
    """
    filesystem = 0

    def come_across(fd: int) -> None:
        nonlocal filesystem
        filesystem = os.statvfs(fd).f_fsid
        on_directory(fd)

    try:
        with open_crash_directory(shared.files.root, path, come_across) as directory:
            if directory is None:
                if shared.mounts.is_hidden(path):
                    return CrashDirectory(facts=_hidden(path), listed=False)
                # What was seen here on another file system is not gone, but not mounted.
                optional = path.rstrip(b"/") == PSTORE_ARCHIVE
                facts = DirectoryFacts(path=path, present=False, optional=optional)
                return CrashDirectory(facts=facts, filesystem=filesystem)
            look = _Look(
                known=known,
                on_directory=on_directory,
                points=read_mount_points_below(directory.fd),
                visits=visits or Visits(),
            )
            look.visits.begin()
            sightings = sorted(look.at_the_top(directory), key=lambda one: one.place)
            return CrashDirectory(
                facts=DirectoryFacts(
                    path=path,
                    present=True,
                    problem=look.summed_up(directory),
                    listable=directory.listable,
                ),
                sightings=tuple(sightings),
                listed=look.budget.all_seen,
                filesystem=directory.filesystem,
                unread=frozenset(look.problems),
            )
    except (DirectoryError, OSError) as error:
        facts = DirectoryFacts(path=path, present=True, problem=_described(error, path))
        return CrashDirectory(facts=facts, listed=False)


def _hidden(path: bytes) -> DirectoryFacts:
    problem = f"'{shown(path)}' is hidden from kdumpd by its unit's sandbox"
    return DirectoryFacts(path=path, present=True, problem=problem, hidden=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look, as far as it has come."""

    known: Known
    on_directory: OnDirectory
    points: frozenset[bytes]
    visits: Visits
    budget: Budget = field(default_factory=Budget)
    problems: dict[bytes, str] = field(default_factory=dict)  # by path

    def at_the_top(self, directory: Directory) -> Iterator[Sighting]:
        """Yield the captures in the crash directory and in the directories inside."""
        listing = directory.listing(self.budget.entries, MAX_ENTRIES, TOP_DIRECTORY_PREFIXES)
        self.budget.list_entries(listing.entries)
        members = {one.member: one for one in recognise_at_the_top(listing.names, directory.name)}
        for stamp in self.budget.allowed(
            directory, self._unmounted(directory, members), self.problems
        ):
            yield from self._captures(directory, (members[stamp.name],))
        yield from self._below(directory, listing.directories, depth=1)

    def summed_up(self, directory: Directory) -> str:
        """Return in one sentence what was wrong, empty when nothing was."""
        if not self.budget.all_seen:
            return f"'{shown(directory.path)}' has too many directories to look into all of them"
        first, *others = self.problems.values() or [""]
        return first + (f" (and {len(others)} more like this)" if others else "")

    def _below(
        self, directory: Directory, names: Iterable[bytes], *, depth: int
    ) -> Iterator[Sighting]:
        for stamp in self.budget.allowed(
            directory, self._unmounted(directory, names), self.problems
        ):
            visit = self.visits.unchanged(directory, stamp)
            if visit is not None:
                self.budget.list_entries(visit.entries)
                yield from visit.sightings
                continue
            try:
                with directory.open_directory(stamp.name) as inside:
                    self.on_directory(inside.fd)
                    yield from self._inside(directory, stamp, inside, depth)
            except VanishedError:
                continue
            except (DirectoryError, OSError) as error:
                path = directory.path_of(stamp.name)
                self.problems[path] = _described(error, path)

    def _unmounted(self, directory: Directory, names: Iterable[bytes]) -> list[bytes]:
        """Return the names that are no mount points; the others are told, and asked nothing."""
        mounted = read_mounted_names(directory.fd, self.points)
        inside = []
        for name in names:
            if name in mounted:
                path = directory.path_of(name)
                self.problems[path] = (
                    f"'{shown(path)}' {OTHER_FILE_SYSTEM}: name it in CrashDirectories="
                )
            else:
                inside.append(name)
        return inside

    def _inside(
        self, above: Directory, stamp: FileStamp, directory: Directory, depth: int
    ) -> Iterator[Sighting]:
        listing = directory.listing(self.budget.entries)
        self.budget.list_entries(listing.entries)
        members = tuple(recognise(listing.names, directory.name)) if listing.names else ()
        found = list(self._captures(directory, members)) if members else []
        yield from found
        # A file's name on a directory makes no directory of captures of it.
        files = {name for one in members for name in one.names}
        below = [name for name in listing.directories if name not in files]
        if below and depth < MAX_DIRECTORY_DEPTH:
            yield from self._below(directory, below, depth=depth + 1)
            return
        if not members:
            self.visits.on_foreign(directory.path)
        if len(found) == len(members) and self.budget.all_seen:
            self.visits.remember(above, stamp, directory, listing.entries, found)

    def _captures(self, directory: Directory, members: Iterable[Members]) -> Iterator[Sighting]:
        # Most machines have never crashed: what reads captures is not loaded before there is one.
        from kdumpd.observe.captures.capture import NoCaptureError, read_sighting  # noqa: PLC0415  # as above

        mounted = read_mounted_names(directory.fd, self.points)
        for one in members:
            try:
                _refuse(directory, mounted.intersection(one.names))
                yield read_sighting(directory, one, self.known)
            except (NoCaptureError, VanishedError):
                continue
            except (DirectoryError, OSError) as error:
                path = directory.path_of(one.member) if one.member else directory.path
                self.problems[path] = _described(error, path)


def _refuse(directory: Directory, mounted: Iterable[bytes]) -> None:
    for name in mounted:
        raise DirectoryError(f"'{shown(directory.path_of(name))}' {OTHER_FILE_SYSTEM}")


def _described(error: Exception, path: bytes) -> str:
    if isinstance(error, OSError):
        return f"'{shown(path)}' cannot be read: {error.strerror}"
    return str(error)


log = logging.getLogger(__name__)

MAX_LOGGED_DIRECTORIES = 10_000


class ForeignDirectories:
    """Logs at debug level which directories were not recognised: each once, up to a bound."""

    def __init__(self) -> None:
        self._said: set[bytes] = set()

    def say(self, path: bytes) -> None:
        """Tell of a directory that holds no capture of any known layout."""
        if path in self._said or len(self._said) >= MAX_LOGGED_DIRECTORIES:
            return
        self._said.add(path)
        log.debug("'%s' holds no capture of a known layout", shown(path))
