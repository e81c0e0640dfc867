# SPDX-License-Identifier: GPL-2.0-or-later
"""Open directories and files that strangers may have prepared, never through a link.

A crash directory can be writable by everyone (Ubuntu's /var/crash is mode 03777), so each component
is opened from the descriptor of the one before it, and judged by what was really opened.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from kdumpd.model.captures.core import FileStamp
from kdumpd.model.formats.mounts import parse_mount_points, parse_user_mount_points
from kdumpd.model.text import shown

# O_NONBLOCK: a FIFO or a file under a write lease would hold a plain open (tried: 45 s).
OPEN_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
OPEN_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
FOR_EVERYBODY = stat.S_IROTH | stat.S_IXOTH

MAX_NAMES_IN_DIRECTORY = 1_000  # a capture has fewer than ten files


class Entry(NamedTuple):
    """A name in a directory, and what the listing tells of it; nothing was asked of it."""

    name: bytes
    is_directory: bool


OnDirectory = Callable[[int], None]  # told of each open directory before it is listed


class DirectoryError(Exception):
    """A directory or file cannot be used; the text names it and says why."""


class LinkError(DirectoryError):
    """What should be a directory is a link or a file."""


class VanishedError(DirectoryError):
    """Something was removed or replaced between two looks at it."""


@dataclass(frozen=True, slots=True)
class Directory:
    """An open directory; trusted when only the machine's owner can change what lies on its path."""

    fd: int
    path: bytes
    distrust: str  # which directory on the path others can change, and why; empty for none
    owner: int  # the machine's owner: of the root directory, 0 on a real machine
    own: bool = True  # whether only the machine's owner can change what lies in it, whatever above
    shared: bool = False  # whether others than its owner can make something in it
    # whose it is below the crash directory, or the one that it lies in; None for the owner's alone
    stranger: int | None = None
    reachable: bool = True  # whether everybody may go through every directory on its path
    listable: bool = True  # whether everybody may also list it, from the crash directory on
    # those on its path that others can change: path, uid and mode
    distrusted: tuple[tuple[bytes, int, int], ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether nobody but the machine's owner can change what lies on its path."""
        return not self.distrust

    @property
    def filesystem(self) -> int:
        """The id of the file system that it lies on (statfs(2)), the same at every mount."""
        return os.statvfs(self.fd).f_fsid

    @property
    def name(self) -> bytes:
        """The last component of its path."""
        return self.path.rpartition(b"/")[2]

    @property
    def modified_ns(self) -> int:
        """When something was last added to it or removed, in nanoseconds since 1970."""
        return os.fstat(self.fd).st_mtime_ns

    def names(self, most: int = MAX_NAMES_IN_DIRECTORY) -> list[bytes]:
        """Return the names in the directory, sorted, of so many entries at most."""
        return sorted(entry.name for entry in islice(self.entries(), most))

    def entries(self) -> Iterator[Entry]:
        """Yield what lies in the directory, in the order of the file system."""
        with os.scandir(self.fd) as entries:
            for entry in entries:
                yield Entry(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False))

    def path_of(self, name: bytes) -> bytes:
        """Return the path of a name in the directory."""
        return _join(self.path, name)

    def stamp(self, name: bytes) -> FileStamp:
        """Return what stat says of the name, links not followed; VanishedError without it."""
        return _stamp(name, self._status(name))

    def _status(self, name: bytes) -> os.stat_result:
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError as error:
            raise VanishedError(f"'{shown(self.path_of(name))}' does not exist") from error
        except OSError as error:
            path = shown(self.path_of(name))
            raise DirectoryError(f"'{path}' cannot be read: {error.strerror}") from error

    @contextmanager
    def open_directory(self, name: bytes) -> Iterator["Directory"]:
        """Open the directory of this name inside; VanishedError when it is none any more."""
        try:
            fd = _open(name, OPEN_DIRECTORY_FLAGS, self.fd, self.path_of(name))
        except LinkError as error:
            raise VanishedError(str(error)) from error
        try:
            status = os.fstat(fd)
            distrust = _distrust(status, self.owner, self.path_of(name))
            yield Directory(
                fd=fd,
                path=self.path_of(name),
                distrust=self.distrust or distrust,
                owner=self.owner,
                own=not distrust,
                shared=_is_shared(status),
                stranger=self._stranger_of(status),
                reachable=self.reachable and bool(status.st_mode & stat.S_IXOTH),
                listable=self.listable and status.st_mode & FOR_EVERYBODY == FOR_EVERYBODY,
            )
        finally:
            os.close(fd)

    def _stranger_of(self, status: os.stat_result) -> int | None:
        if self.stranger is None and status.st_uid != self.owner:
            return status.st_uid
        return self.stranger

    @contextmanager
    def open_file(self, expected: FileStamp) -> Iterator[int]:
        """Open the regular file that the stamp describes; DirectoryError when it has changed."""
        path = self.path_of(expected.name)
        fd = _open(expected.name, OPEN_FILE_FLAGS, self.fd, path)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_ino != expected.inode:
                raise VanishedError(f"'{shown(path)}' was replaced while it was opened")
            yield fd
        finally:
            os.close(fd)


@contextmanager
def open_crash_directory(
    root: Path, path: bytes, on_directory: OnDirectory
) -> Iterator[Directory | None]:
    """Open a directory below `root`, None when it does not exist.

    `on_directory` is called with the last directory on the way that exists, before that is known:
    whoever watches it will learn of what appears later.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        owner = os.fstat(fd).st_uid
        distrust, done, reachable = "", b"", True
        status, distrusted = os.fstat(fd), []
        if _distrust(status, owner, b"/"):
            distrust, distrusted = _distrust(status, owner, b"/"), [(b"/", status)]
        for name in filter(None, path.split(b"/")):
            below = _open_below(fd, name, path, on_directory)
            if below is None:
                yield None
                return
            os.close(fd)
            fd = below
            done = _join(done, name)
            status = os.fstat(fd)
            if problem := _distrust(status, owner, done):
                distrust = distrust or problem
                distrusted.append((done, status))
            reachable = reachable and bool(status.st_mode & stat.S_IXOTH)
        on_directory(fd)
        yield Directory(
            fd=fd,
            path=path,
            distrust=distrust,
            owner=owner,
            listable=reachable and bool(status.st_mode & stat.S_IROTH),
            own=not _distrust(status, owner, path),
            shared=_is_shared(status),
            reachable=reachable,
            distrusted=tuple(
                (name, status.st_uid, stat.S_IMODE(status.st_mode)) for name, status in distrusted
            ),
        )
    finally:
        os.close(fd)


def untrusted_reason(stamp: FileStamp, owner: int) -> str:
    """Return why a file's contents are not to be believed, empty when they are."""
    if not stat.S_ISREG(stamp.mode):
        return "is not a regular file"
    if stamp.links != 1:
        return f"has {stamp.links} hard links"
    if stamp.owner != owner:
        return f"belongs to uid {stamp.owner}, not to uid {owner}"
    if stamp.mode & 0o022:
        return f"is writable by others than its owner (mode {stat.S_IMODE(stamp.mode):04o})"
    return ""


def _distrust(status: os.stat_result, owner: int, path: bytes) -> str:
    if status.st_uid != owner:
        return f"'{shown(path)}' belongs to uid {status.st_uid}, not to uid {owner}"
    # In a sticky directory nobody but the owner can rename or replace the owner's entries.
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        mode = stat.S_IMODE(status.st_mode)
        return f"'{shown(path)}' is writable by others than its owner (mode {mode:04o})"
    return ""


def _is_shared(status: os.stat_result) -> bool:
    return bool(status.st_mode & 0o022)


def _open_below(fd: int, name: bytes, path: bytes, on_directory: OnDirectory) -> int | None:
    for watched in (False, True):
        if watched:
            on_directory(fd)
        try:
            return _open(name, OPEN_DIRECTORY_FLAGS, fd, path)
        except VanishedError:
            continue
    return None


def _open(name: bytes, flags: int, dir_fd: int, path: bytes) -> int:
    try:
        return os.open(name, flags, dir_fd=dir_fd)
    except FileNotFoundError as error:
        raise VanishedError(f"'{shown(path)}' does not exist") from error
    except OSError as error:
        # O_NOFOLLOW on a link: ELOOP, with O_DIRECTORY ENOTDIR (open(2)).
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise LinkError(
                f"'{shown(path)}' is, or leads through, a link or no directory"
            ) from error
        raise DirectoryError(f"'{shown(path)}' cannot be opened: {error.strerror}") from error


def _join(path: bytes, name: bytes) -> bytes:
    return path.rstrip(b"/") + b"/" + name


def _stamp(name: bytes, status: os.stat_result) -> FileStamp:
    return FileStamp(
        name=name,
        inode=status.st_ino,
        size=status.st_size,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
        mode=status.st_mode,
        links=status.st_nlink,
        owner=status.st_uid,
    )


def bears(stamp: FileStamp, status: os.stat_result) -> bool:
    """Return whether a file still bears the stamp but for its name.

    To make another stamp and compare both takes more than twice the time of a stat.
    """
    return (
        status.st_ctime_ns == stamp.changed_ns
        and status.st_size == stamp.size
        and status.st_mtime_ns == stamp.modified_ns
        and status.st_ino == stamp.inode
        and status.st_mode == stamp.mode
        and status.st_nlink == stamp.links
        and status.st_uid == stamp.owner
    )


MOUNTINFO = Path("/proc/self/mountinfo")


def read_mount_points() -> frozenset[bytes]:
    """Return the paths of all mounts that this process sees; none where there is no procfs."""
    try:
        return frozenset(parse_mount_points(MOUNTINFO.read_bytes()))
    except FileNotFoundError:
        return frozenset()


def read_strange_mount_points() -> frozenset[bytes]:
    """Return the paths of the mounts that other users than root have made (fusermount(1))."""
    try:
        return frozenset(parse_user_mount_points(MOUNTINFO.read_bytes()))
    except FileNotFoundError:
        return frozenset()


def read_mount_points_below(fd: int) -> frozenset[bytes]:
    """Return the paths of the mounts that lie below an open directory."""
    inside = _inside(fd)
    return frozenset(point for point in read_mount_points() if point.startswith(inside))


def read_mounted_names(fd: int, points: frozenset[bytes]) -> frozenset[bytes]:
    """Return the names in the open directory that are mount points; nothing is asked of them."""
    if not points:
        return frozenset()
    inside = _inside(fd)
    names = (point.removeprefix(inside) for point in points if point.startswith(inside))
    return frozenset(name for name in names if b"/" not in name)


def _inside(fd: int) -> bytes:
    return os.fsencode(Path(f"/proc/self/fd/{fd}").readlink()).rstrip(b"/") + b"/"
