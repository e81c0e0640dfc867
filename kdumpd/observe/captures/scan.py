# SPDX-License-Identifier: GPL-2.0-or-later
"""Look at a crash directory: which captures lie in it, and what each proves about itself."""

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

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
    MAX_NAMES_IN_DIRECTORY,
    Directory,
    DirectoryError,
    Entry,
    OnDirectory,
    VanishedError,
    open_crash_directory,
    read_mount_points_below,
    read_mounted_names,
    read_strange_mount_points,
)
from kdumpd.observe.captures.scan_cache import Visits
from kdumpd.observe.readiness.shared_files import SharedFiles

# Entries that are looked at in the owner's directories, and in all those of others. Where others
# can make any in the owner's there is no bound: his come first, whatever the number of theirs.
MAX_ENTRIES, MAX_UNTRUSTED_ENTRIES = 2_000_000, 100_000
# of the machine's owner: the last by name, as most are named by the time
MAX_CAPTURE_DIRECTORIES = 100_000
MAX_UNTRUSTED_DIRECTORIES = 1_000  # of others
MAX_UNTRUSTED_CAPTURES = 1_000
ENTRIES_AT_ONCE = 100  # after so many a look has got further
MAX_COUNTED_STRANGERS = 100  # uids: a user may have 65,536 of them (subuid(5))
MAX_LOGGED_DIRECTORIES = 10_000
OTHER_STRANGERS = -1  # in the place of the uids beyond

T = TypeVar("T")

log = logging.getLogger(__name__)


class LastByName:
    """Stamps, of which so many are kept: those known before, and the last by name."""

    def __init__(self, most: int, known: Collection[bytes] = ()) -> None:
        self.complete = True
        self._most = most
        self._known = known
        self._stamps: list[FileStamp] = []

    def add(self, stamp: FileStamp) -> None:
        """Take one more."""
        self._stamps.append(stamp)
        if len(self._stamps) > 2 * self._most:
            self._keep(self._most)

    def taken(self, most: int) -> list[FileStamp]:
        """Return so many of them, sorted by name."""
        self._keep(most)
        return sorted(self._stamps, key=lambda one: one.name)

    def leave_out(self, names: Collection[bytes]) -> None:
        """Leave out those of these names."""
        self._stamps = [one for one in self._stamps if one.name not in names]

    def __len__(self) -> int:
        return len(self._stamps)

    def _keep(self, most: int) -> None:
        if len(self._stamps) > most:
            self.complete = False
            self._stamps.sort(key=lambda one: (one.name in self._known, one.name))
            del self._stamps[: len(self._stamps) - most]


class Found:
    """What lies in a directory: what may be a capture's file, and the directories.

    In a directory of the machine's owner, what is of others stands apart.
    """

    def __init__(self, most_names: int, known: Collection[bytes]) -> None:
        self._most_names = most_names
        self._names: list[bytes] = []
        self._strange_names = LastByName(MAX_UNTRUSTED_CAPTURES, known)
        self.directories = LastByName(MAX_CAPTURE_DIRECTORIES)
        self.strange_directories = LastByName(MAX_UNTRUSTED_DIRECTORIES, known)

    def add(self, entry: Entry, stamp: FileStamp | None, *, wanted: bool, strange: bool) -> None:
        """Take one more entry, by its name where that is wanted."""
        if wanted and strange and stamp is not None:
            self._strange_names.add(stamp)
        elif wanted and len(self._names) < self._most_names:
            self._names.append(entry.name)
        if entry.is_directory and stamp is not None:
            (self.strange_directories if strange else self.directories).add(stamp)

    def own_names(self) -> list[bytes]:
        """Return the owner's names, sorted."""
        return sorted(self._names)

    def strange_names(self) -> list[bytes]:
        """Return the names that are of others, sorted."""
        return [one.name for one in self._strange_names.taken(MAX_UNTRUSTED_CAPTURES)]

    def leave_out(self, names: Collection[bytes]) -> None:
        """Leave out the directories of these names."""
        for group in (self.directories, self.strange_directories):
            group.leave_out(names)

    @property
    def has_directories(self) -> bool:
        """Whether there is a directory inside."""
        return bool(len(self.directories) or len(self.strange_directories))


class Budget:
    """What is left for the rest of the look, at all depths together.

    Strangers have theirs apart, and nobody misses what is left out of it.
    """

    def __init__(self) -> None:
        self.all_seen = True  # whether nothing of the owner's had to be left out
        self._entries = {True: MAX_ENTRIES, False: MAX_UNTRUSTED_ENTRIES}
        self._directories = {True: MAX_CAPTURE_DIRECTORIES, False: MAX_UNTRUSTED_DIRECTORIES}
        self._captures = MAX_UNTRUSTED_CAPTURES
        self._strangers: dict[int, tuple[int, int]] = {}

    def entries(self, *, own: bool) -> int:
        """Return how many entries may be looked at."""
        return self._entries[own]

    def list_entries(self, number: int, *, own: bool) -> None:
        """Take note of so many entries that were looked at."""
        if own and number >= self._entries[own]:
            self.all_seen = False
        self._entries[own] -= min(number, self._entries[own])

    def taken(self, group: LastByName, *, own: bool) -> list[FileStamp]:
        """Return the directories of a group that may be looked into."""
        taken = group.taken(self._directories[own])
        self._directories[own] -= len(taken)
        self.all_seen = self.all_seen and (group.complete or not own)
        return taken

    def captures(self, captures: Sequence[T], *, own: bool) -> Sequence[T]:
        """Return those of what may be captures that may be looked at."""
        if own:
            return captures
        taken = captures[: self._captures]
        self._captures -= len(taken)
        return taken

    def count(self, uid: int, *, is_directory: bool) -> None:
        """Count what a stranger has put into the crash directory."""
        if uid not in self._strangers and len(self._strangers) >= MAX_COUNTED_STRANGERS:
            uid = OTHER_STRANGERS
        directories, files = self._strangers.get(uid, (0, 0))
        self._strangers[uid] = (directories + is_directory, files + (not is_directory))

    @property
    def strangers(self) -> tuple[tuple[int, int, int], ...]:
        """Who has put how many directories and files there, by uid; the most come first."""
        counted = ((uid, *counts) for uid, counts in self._strangers.items())
        return tuple(sorted(counted, key=lambda one: (-one[1] - one[2], one[0])))


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
                strange=_names_of_strangers(known.values(), directory.path),
            )
            look.visits.begin()
            sightings = sorted(look.at_the_top(directory), key=lambda one: one.place)
            return CrashDirectory(
                facts=DirectoryFacts(
                    path=path,
                    present=True,
                    problem=look.summed_up(directory),
                    listable=directory.listable,
                    owner=directory.owner,
                    distrusted=directory.distrusted,
                    strangers=look.budget.strangers,
                    mixed=tuple(sorted(look.mixed)),
                ),
                sightings=tuple(sightings),
                listed=look.budget.all_seen,
                filesystem=directory.filesystem,
                unread=frozenset(look.unread.union(look.problems)),
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
    strange: Collection[bytes] = ()  # names of what strangers had there at the last look
    budget: Budget = field(default_factory=Budget)
    problems: dict[bytes, str] = field(default_factory=dict)  # by path
    unread: set[bytes] = field(default_factory=set)  # paths of strangers' that cannot be looked at
    mixed: set[tuple[bytes, int, int]] = field(default_factory=set)  # as in DirectoryFacts

    @property
    def strange_points(self) -> frozenset[bytes]:
        """The mounts that strangers have made."""
        return read_strange_mount_points()

    def at_the_top(self, directory: Directory) -> Iterator[Sighting]:
        """Yield the captures in the crash directory and in the directories inside."""
        found = self._list(directory, own=True, is_top=True)
        mounted = read_mounted_names(directory.fd, self.points)
        for own, names in ((True, found.own_names()), (False, found.strange_names())):
            members = recognise_at_the_top(names, directory.name)
            for one in self.budget.captures(members, own=own):
                if one.member in mounted:
                    self._note_mount(directory, Entry(one.member, is_directory=True), own=own)
                else:
                    yield from self._captures(directory, (one,), own=own)
        yield from self._below(directory, found, depth=1, own=True)

    def summed_up(self, directory: Directory) -> str:
        """Return in one sentence what was wrong, empty when nothing was."""
        if not self.budget.all_seen:
            return f"'{shown(directory.path)}' has too many directories to look into all of them"
        first, *others = self.problems.values() or [""]
        return first + (f" (and {len(others)} more like this)" if others else "")

    def _list(self, directory: Directory, *, own: bool, is_top: bool = False) -> Found:
        """Return the names in a directory that may be those of captures, and the directories.

        Where strangers can make something, all is looked at: the owner's may lie behind theirs.
        """
        shared = own and (is_top or directory.shared)
        beginnings = TOP_DIRECTORY_PREFIXES if is_top else (b"",)
        mounted = read_mounted_names(directory.fd, self.points)
        found = Found(MAX_ENTRIES if is_top else MAX_NAMES_IN_DIRECTORY, self.strange)
        number, most = 0, None if shared else self.budget.entries(own=own)
        for entry in self._entries(directory, most):
            number += 1
            wanted = entry.name.startswith(beginnings)
            if not (wanted or entry.is_directory):
                continue
            stamp = None
            if entry.name in mounted:  # is asked nothing: who answers for it may never do so
                self._note_mount(directory, entry, own=own)
            elif entry.is_directory or shared:
                stamp = self._stamp(directory, entry.name, own=own)
                if stamp is None:
                    continue
            strange = own and stamp is not None and stamp.owner != directory.owner
            found.add(entry, stamp, wanted=wanted, strange=strange)
            if strange and is_top and stamp is not None:
                self.budget.count(stamp.owner, is_directory=entry.is_directory)
        if not shared:
            self.budget.list_entries(number, own=own)
        return found

    def _entries(self, directory: Directory, most: int | None) -> Iterator[Entry]:
        for number, entry in enumerate(islice(directory.entries(), most)):
            if number % ENTRIES_AT_ONCE == 0:
                self.visits.go_on()
            yield entry

    def _stamp(self, directory: Directory, name: bytes, *, own: bool) -> FileStamp | None:
        try:
            return directory.stamp(name)
        except VanishedError:
            return None
        except DirectoryError as error:
            self._note(directory.path_of(name), str(error), own=own)
            return None

    def _note(self, path: bytes, problem: str, *, own: bool) -> None:
        """Take note of what cannot be looked at; that of a stranger is nobody's problem."""
        if own:
            self.problems[path] = problem
        else:
            self.unread.add(path)

    def _note_mount(self, directory: Directory, entry: Entry, *, own: bool) -> None:
        if not entry.is_directory:
            return  # said of the capture that it is a file of, if it is
        path = directory.path_of(entry.name)
        problem = f"'{shown(path)}' {OTHER_FILE_SYSTEM}: name it in CrashDirectories="
        own = own and entry.name not in read_mounted_names(directory.fd, self.strange_points)
        self._note(path, problem, own=own)

    def _below(
        self, directory: Directory, found: Found, *, depth: int, own: bool
    ) -> Iterator[Sighting]:
        for group, owned in ((found.directories, own), (found.strange_directories, False)):
            for stamp in self.budget.taken(group, own=owned):
                for sighting in self._visited(directory, stamp, depth=depth, own=owned):
                    if sighting.mixed and own and not owned:
                        path = directory.path_of(stamp.name)
                        self.mixed.add((path, stamp.owner, stamp.inode))
                    yield sighting

    def _visited(
        self, directory: Directory, stamp: FileStamp, *, depth: int, own: bool
    ) -> Iterator[Sighting]:
        visit = self.visits.unchanged(directory, stamp)
        if visit is None:
            yield from self._opened(directory, stamp, depth=depth, own=own)
            return
        self.budget.list_entries(visit.entries, own=own)
        yield from self.budget.captures(visit.sightings, own=own)

    def _opened(
        self, directory: Directory, stamp: FileStamp, *, depth: int, own: bool
    ) -> Iterator[Sighting]:
        try:
            with directory.open_directory(stamp.name) as inside:
                self.visits.go_on()
                self.on_directory(inside.fd)
                yield from self._inside(directory, stamp, inside, depth=depth, own=own)
        except VanishedError:
            return
        except (DirectoryError, OSError) as error:
            path = directory.path_of(stamp.name)
            self._note(path, _described(error, path), own=own)

    def _inside(
        self, above: Directory, stamp: FileStamp, directory: Directory, *, depth: int, own: bool
    ) -> Iterator[Sighting]:
        before = self.budget.entries(own=own)
        listing = self._list(directory, own=own)
        entries = before - self.budget.entries(own=own)
        names = [*listing.own_names(), *listing.strange_names()]
        members = tuple(recognise(names, directory.name)) if names else ()
        found = list(self._captures(directory, self.budget.captures(members, own=own), own=own))
        yield from found
        # A file's name on a directory makes no directory of captures of it.
        listing.leave_out({name for one in members for name in one.names})
        if listing.has_directories and depth < MAX_DIRECTORY_DEPTH:
            yield from self._below(directory, listing, depth=depth + 1, own=own)
            return
        if not members:
            self.visits.on_foreign(directory.path)
        if len(found) == len(members) and self.budget.all_seen:
            self.visits.remember(above, stamp, directory, entries, found)

    def _captures(
        self, directory: Directory, members: Iterable[Members], *, own: bool
    ) -> Iterator[Sighting]:
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
                self._note(path, _described(error, path), own=own)


def _names_of_strangers(known: Iterable[Sighting], path: bytes) -> frozenset[bytes]:
    """Return the names in the crash directory under which something was seen and not read."""
    inside = path.rstrip(b"/") + b"/"
    places = (sighting.place for sighting in known if not sighting.trusted)
    return frozenset(place.removeprefix(inside).partition(b"/")[0] for place in places)


def _refuse(directory: Directory, mounted: Iterable[bytes]) -> None:
    for name in mounted:
        raise DirectoryError(f"'{shown(directory.path_of(name))}' {OTHER_FILE_SYSTEM}")


def _described(error: Exception, path: bytes) -> str:
    if isinstance(error, OSError):
        return f"'{shown(path)}' cannot be read: {error.strerror}"
    return str(error)


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
