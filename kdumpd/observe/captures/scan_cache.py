# SPDX-License-Identifier: GPL-2.0-or-later
"""What the last looks found in each directory, so that an unchanged one is not opened."""

import os
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from kdumpd.model.captures.capture import Sighting
from kdumpd.model.captures.core import FileStamp
from kdumpd.observe.captures.safe_open import Directory, bears

Identity = tuple[int, int]  # of a directory: its device and inode


class Watcher(Protocol):
    """Somebody who watches the directories that a look comes across."""

    def directory(self, fd: int) -> None:
        """Watch an open directory."""

    def keep(self, identity: Identity) -> bool:
        """Go on to watch a directory that is not opened; return False where it has to be opened."""

    def forget_others(self) -> None:
        """Watch no directory any more that the look which ends now has not come across."""


class Unwatched:
    """Nobody watches: there will be one look."""

    def directory(self, fd: int) -> None:
        """Do nothing."""

    def keep(self, _: Identity) -> bool:
        """Return that nobody needs it opened."""
        return True

    def forget_others(self) -> None:
        """Do nothing."""


# A change in the tick of the clock in which a directory was listed leaves its times as they are.
# The coarsest, of FAT, is two seconds long; on a server's file system it is the server's clock.
MAX_CLOCK_TICK_S = 2.0
MAX_LOOK_S = 300.0  # of one that gets further all the time

Keep = Callable[[Identity], bool]  # whether a directory need not be opened to be watched on
OnForeign = Callable[[bytes], None]  # told the path of each directory that holds nothing of ours


def keep_all(_: Identity) -> bool:
    """Return that the directory is watched, or that nobody watches."""
    return True


class Visit(NamedTuple):
    """What a look found in a directory without directories of captures inside."""

    stamp: FileStamp  # the directory's own, from before it was listed
    identity: Identity
    around: tuple[str, bool, bool]  # what is thought of the directory above
    entries: int
    sightings: tuple[Sighting, ...]
    since: float  # when a look had seen this stamp for the first time
    settled: bool  # whether it was listed long enough after that
    files: tuple[tuple[bytes, FileStamp], ...]  # of the sightings, by their paths from above


class Visits:
    """The directories below one crash directory, by path, as the last two looks found them.

    What each held is kept, so that one whose times and files are the same is not opened.
    """

    def __init__(
        self,
        keep: Keep = keep_all,
        on_foreign: OnForeign = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_foreign = on_foreign
        self._keep = keep
        self._clock = clock
        self._before: dict[bytes, Visit] = {}
        self._now: dict[bytes, Visit] = {}
        self._began = self._moved = clock()

    def begin(self) -> None:
        """Begin a look: what the last one did not come across is forgotten."""
        self._before, self._now = self._now, {}
        self._began = self._moved = self._clock()

    def go_on(self) -> None:
        """Take note that the look which is under way has got further."""
        self._moved = self._clock()

    def goes_on(self, seconds: float) -> bool:
        """Return whether the look has got further in so many seconds, and began not long ago.

        What takes long is then no server that does not answer, but very many names.
        """
        now = self._clock()
        return now - self._moved < seconds and now - self._began < MAX_LOOK_S

    def unchanged(self, above: Directory, stamp: FileStamp) -> Visit | None:
        """Return what lies in the directory of this stamp if it is what lay there at the last look.

        What is behind its name by now is only compared, so that a link that was put there since
        leads to nothing.
        """
        path = above.path_of(stamp.name)
        visit = self._before.get(path)
        if visit is None or not visit.settled or visit.stamp != stamp:
            return None
        if visit.around != _around(above) or not self._keep(visit.identity):
            return None
        if not all(_is_unchanged(above.fd, name, known) for name, known in visit.files):
            return None
        self._now[path] = visit
        return visit

    def remember(
        self,
        above: Directory,
        stamp: FileStamp,
        inside: Directory,
        entries: int,
        found: list[Sighting],
    ) -> None:
        """Remember what was found in the directory of this stamp, which is open."""
        status = os.fstat(inside.fd)
        if status.st_ino != stamp.inode:
            return
        path = above.path_of(stamp.name)
        before = self._before.get(path)
        since = before.since if before is not None and before.stamp == stamp else self._clock()
        self._now[path] = Visit(
            stamp=stamp,
            identity=(status.st_dev, status.st_ino),
            around=_around(above),
            entries=entries,
            sightings=tuple(found),
            since=since,
            settled=self._began - since >= MAX_CLOCK_TICK_S,
            files=tuple(
                (stamp.name + b"/" + file.name, file) for one in found for file in one.files
            ),
        )


def _around(above: Directory) -> tuple[str, bool, bool]:
    return above.distrust, above.reachable, above.listable


def _is_unchanged(fd: int, path: bytes, known: FileStamp) -> bool:
    try:
        now = os.stat(path, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return False
    return bears(known, now)
