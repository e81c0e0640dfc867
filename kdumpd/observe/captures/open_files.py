# SPDX-License-Identifier: GPL-2.0-or-later
"""Open a capture's files once more, or put a kernel log into a sealed one, to be handed out.

What is trusted is judged by what is opened. The way there is walked as every look does, one name
from the directory before it: since the last look anything in a crash directory may have been
replaced.
"""

import asyncio
import fcntl
import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from kdumpd.model.captures.capture import Capture
from kdumpd.model.text import shown
from kdumpd.observe.captures.safe_open import (
    Directory,
    DirectoryError,
    VanishedError,
    open_crash_directory,
    read_mount_points,
    read_mounted_names,
    untrusted_reason,
)
from kdumpd.observe.threads import start

OPEN_TIMEOUT_S = 10.0  # a disk that sleeps needs about five
MAX_STUCK_OPENINGS = 16  # threads that a crash directory which does not answer may hold


class CaptureFileError(Exception):
    """A file cannot be handed out; the text names it and says why."""


class FileGoneError(CaptureFileError):
    """There is no such file, or no more."""


class Openings:
    """Opens files in threads: a file system that hangs stalls nobody else."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._under_way: Counter[bytes] = Counter()  # by place

    async def run(self, place: bytes, open_: Callable[[], int]) -> int:
        """Return the descriptor that is opened below a place; CaptureFileError when none comes."""
        if self._under_way[place] >= MAX_STUCK_OPENINGS:
            raise CaptureFileError(f"'{shown(place)}' does not answer. Try again later.")
        opening = start(lambda: _opened_or_error(open_))
        self._under_way[place] += 1
        opening.add_done_callback(lambda _: self._under_way.subtract([place]))
        in_time = False
        try:
            done, _ = await asyncio.wait([opening], timeout=self._timeout)
            in_time = bool(done)
        finally:
            if not in_time:
                opening.add_done_callback(_close)
        if not in_time:
            raise CaptureFileError(f"'{shown(place)}' does not answer. Try again later.")
        result = opening.result()
        if isinstance(result, CaptureFileError):
            raise result
        return result


class CaptureFiles:
    """The files of captures below `root`, opened one at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._openings = Openings(OPEN_TIMEOUT_S)

    async def open_core(self, directory: bytes, capture: Capture) -> int:
        """Return a read-only descriptor of the core, which the caller closes."""
        if not capture.core_file:
            raise FileGoneError(f"Capture {capture.id} has no core.")
        return await self.open(directory, capture.core_file)

    async def open_dmesg(self, directory: bytes, capture: Capture) -> int:
        """Return a read-only descriptor of the kernel log, which the caller closes."""
        if not capture.dmesg_file:
            raise FileGoneError(f"Capture {capture.id} has no kernel log beside its core.")
        return await self.open(directory, capture.dmesg_file)

    async def open(self, directory: bytes, path: bytes) -> int:
        """Return a read-only descriptor of a file in a crash directory, which the caller closes."""
        return await self._openings.run(
            directory, lambda: open_capture_file(self._root, directory, path)
        )


def open_capture_file(root: Path, directory: bytes, path: bytes) -> int:
    """Return a read-only descriptor of a capture's file that lies inside the crash directory.

    CaptureFileError when it is not trusted, is no regular file with one name, or cannot be opened;
    FileGoneError when it does not exist.
    """
    names = path.removeprefix(directory.rstrip(b"/") + b"/").split(b"/")
    if not {b"", b".", b".."}.isdisjoint(names):
        raise CaptureFileError(f"'{shown(path)}' is no file of '{shown(directory)}'.")
    try:
        with ExitStack() as opened:
            inside = opened.enter_context(open_crash_directory(root, directory, _unwatched))
            if inside is None:
                raise FileGoneError(f"'{shown(directory)}' does not exist.")
            points = read_mount_points()
            for name in names[:-1]:
                _check_own(inside, name, points)
                inside = opened.enter_context(inside.open_directory(name))
            _check_own(inside, names[-1], points)
            return _open_file(inside, names[-1])
    except VanishedError as error:
        raise FileGoneError(f"{error}.") from error
    except DirectoryError as error:
        raise CaptureFileError(f"{error}.") from error
    except OSError as error:
        raise CaptureFileError(f"'{shown(path)}' cannot be read: {error.strerror}.") from error


def _open_file(directory: Directory, name: bytes) -> int:
    if not directory.trusted:
        raise CaptureFileError(f"{directory.distrust}: not handed out.")
    stamp = directory.stamp(name)
    reason = untrusted_reason(stamp, directory.owner)
    if reason:
        raise CaptureFileError(f"'{shown(directory.path_of(name))}' {reason}: not handed out.")
    with directory.open_file(stamp) as fd:
        status = os.fstat(fd)
        if (status.st_nlink, status.st_uid, status.st_mode) != (
            stamp.links,
            stamp.owner,
            stamp.mode,
        ):
            path = shown(directory.path_of(name))
            raise CaptureFileError(f"'{path}' was changed while it was opened: not handed out.")
        return os.dup(fd)


def _check_own(directory: Directory, name: bytes, points: frozenset[bytes]) -> None:
    if name in read_mounted_names(directory.fd, points):
        path = shown(directory.path_of(name))
        raise CaptureFileError(f"'{path}' is another file system, which is not looked into.")


def _opened_or_error(open_: Callable[[], int]) -> int | CaptureFileError:
    try:
        return open_()
    except CaptureFileError as error:
        return error


def _close(opening: asyncio.Future[int | CaptureFileError]) -> None:
    """Close what nobody waits for any more."""
    if not opening.cancelled() and opening.exception() is None:
        result = opening.result()
        if isinstance(result, int):
            os.close(result)


def _unwatched(_: int) -> None:
    """Watch nothing."""


MEMFD_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sealed(content: bytes) -> int:
    """Return a read-only descriptor of a file in memory, at its beginning, which the caller closes.

    Sealed (memfd_create(2)): whoever gets it can neither write to it nor make it longer.
    """
    fd = os.memfd_create("kernel-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, MEMFD_SEALS)
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)
