# SPDX-License-Identifier: GPL-2.0-or-later
"""Be told when a crash directory may have changed. Every event is only a hint to look again."""

import array
import asyncio
import contextlib
import fcntl
import logging
import os
import select
import struct
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pyinotify

from kdumpd.observe.captures.scan_cache import Identity

log = logging.getLogger(__name__)

# pyinotify takes 8 µs for each event, and a full queue has 16,384: a flood is not looked at.
MAX_WAITING_EVENTS_BYTES = 1 << 14
MAX_WATCHES = (
    4096  # of fs.inotify.max_user_watches, 8192 or more; the poll sees the others' changes
)

# DELETE_SELF comes only when the last descriptor is closed; IGNORED follows it, and an unmount.
WATCHED_EVENTS = (
    pyinotify.IN_CREATE
    | pyinotify.IN_CLOSE_WRITE
    | pyinotify.IN_MOVED_FROM
    | pyinotify.IN_MOVED_TO
    | pyinotify.IN_DELETE
    | pyinotify.IN_ATTRIB
    | pyinotify.IN_DELETE_SELF
    | pyinotify.IN_MOVE_SELF
    | pyinotify.IN_ONLYDIR
)


class InotifyWatcher:
    """Watches on directories and on the mount table; calls `hint` on the loop for any change."""

    def __init__(self, hint: Callable[[], None]) -> None:
        self._hint = hint
        self._manager = pyinotify.WatchManager()
        self._events = _Events(self._manager)
        self._watched: set[Identity] = set()
        self._identities: dict[int, Identity] = {}  # by watch descriptor
        self._seen: set[Identity] = set()  # in the look that is under way
        self._exhausted = False
        self._open = True

    def directory(self, fd: int) -> None:
        """Watch an open directory, once; called from the thread that is about to list it.

        The name under /proc leads to the very directory that is open, whatever its path has become.
        """
        status = os.fstat(fd)
        identity = status.st_dev, status.st_ino
        self._seen.add(identity)
        full = len(self._watched) >= MAX_WATCHES
        if identity in self._watched or full or not self._open:
            return
        try:
            added = self._manager.add_watch(f"/proc/self/fd/{fd}", WATCHED_EVENTS, quiet=False)
        except pyinotify.WatchManagerError as error:
            if not self._exhausted:
                log.warning("no more watches, changes are seen by looking each minute: %s", error)
            self._exhausted = True
            return
        self._identities.update(dict.fromkeys(added.values(), identity))
        self._watched.add(identity)

    def keep(self, identity: Identity) -> bool:
        """Go on to watch a directory that is not opened; return False where it has to be opened.

        Where no more can be watched, there is no reason to open it.
        """
        self._seen.add(identity)
        full = len(self._watched) >= MAX_WATCHES or self._exhausted
        return identity in self._watched or full

    def forget_others(self) -> None:
        """End the watches on directories that the look which ends now has not seen."""
        gone = {wd for wd, identity in self._identities.items() if identity not in self._seen}
        self._seen.clear()
        for wd in gone:
            self._watched.discard(self._identities.pop(wd))
            try:
                self._manager.rm_watch(wd, quiet=False)
            except pyinotify.WatchManagerError:  # the directory was removed, and its watch with it
                self._manager.del_watch(wd)

    @contextlib.contextmanager
    def attached(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Deliver hints while the context lasts; close all watches at its end."""
        mounts = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        # The table is always readable; a change of it shows as POLLPRI alone (proc(5)).
        changes = select.epoll()
        changes.register(mounts, select.EPOLLPRI)
        loop.add_reader(self._manager.get_fd(), self._drain)
        loop.add_reader(changes.fileno(), self._mounts_changed, changes)
        try:
            yield
        finally:
            loop.remove_reader(changes.fileno())
            loop.remove_reader(self._manager.get_fd())
            changes.close()
            os.close(mounts)
            self._open = False
            self._manager.close()

    def _mounts_changed(self, changes: select.epoll) -> None:
        changes.poll(0)
        self._hint()

    def _drain(self) -> None:
        for event in self._events.taken():
            if event.mask & pyinotify.IN_IGNORED:
                self._ended(event.wd)
        if self._events.lost:
            known = set(self._identities)  # before it is asked: another thread adds to them
            for wd in known - _kept_by_the_kernel(self._manager.get_fd()):
                self._ended(wd)
        self._hint()

    def _ended(self, wd: int) -> None:
        if wd in self._identities:
            self._watched.discard(self._identities.pop(wd))
            self._manager.del_watch(wd)


class _Events(pyinotify.Notifier):  # type: ignore[misc]  # pyinotify has no types
    """The events that pyinotify reads, without what it makes of them.

    Its processing follows directories by their paths, which these have not, and complains of that.
    """

    lost = False  # some of those that had come are not among the last that were taken

    def taken(self) -> Iterator[pyinotify.Event]:
        """Yield the events that have come, oldest first."""
        self.lost = not self._read()
        while self._eventq:
            event = self._eventq.popleft()
            self.lost = self.lost or bool(event.mask & pyinotify.IN_Q_OVERFLOW)
            yield event

    def _read(self) -> bool:
        """Read what has come; return False where some of it is lost."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self._fd, termios.FIONREAD, waiting)
        if waiting[0] > MAX_WAITING_EVENTS_BYTES:
            os.read(self._fd, waiting[0])
            return False
        try:
            self.read_events()
        except (UnicodeDecodeError, struct.error, pyinotify.NotifierError):
            return False  # what stands behind a name that is not UTF-8 is given up
        return True


def _kept_by_the_kernel(fd: int) -> set[int]:
    """Return the watch descriptors that are still in force (fs/notify/fdinfo.c: hexadecimal)."""
    words = Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii").split()
    return {int(word.removeprefix("wd:"), 16) for word in words if word.startswith("wd:")}
