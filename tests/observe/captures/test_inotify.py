# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdumpd.observe.captures.inotify import MAX_WATCHES, InotifyWatcher
from tests.support.namespace import MOUNTS_AS_ROOT, needs_root
from tests.support.process import output

LONG = 30.0


def descriptors() -> dict[str, str]:
    """Return what each open descriptor of this process leads to."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.name] = str(entry.readlink())
        except FileNotFoundError:
            continue  # the one of this listing
    return found


def watches() -> int:
    """Return how many directories the kernel watches for this process."""
    return sum(
        Path(f"/proc/self/fdinfo/{fd}").read_text().count("inotify wd:")
        for fd, target in descriptors().items()
        if target == "anon_inode:inotify"
    )


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


class Watched:
    """A directory that is watched, and the hints that came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hinted = asyncio.Event()
        self.watch = InotifyWatcher(self._hinted.set)

    def again(self) -> None:
        """Watch the directory, if it is not yet, as every look does."""
        with opened(self.path) as fd:
            self.watch.directory(fd)

    async def hint(self) -> None:
        """Return at the next hint, also one that came before."""
        async with asyncio.timeout(LONG):
            await self._hinted.wait()
        self._hinted.clear()

    async def quiet(self) -> bool:
        """Return whether no hint is under way."""
        for _ in range(20):
            await asyncio.sleep(0)
        return not self._hinted.is_set()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    path = tmp_path / "crash"
    (path / "inside").mkdir(parents=True)
    (path / "file").write_bytes(b"content")
    watched = Watched(path)
    with watched.watch.attached(asyncio.get_running_loop()):
        watched.again()
        yield watched


def append(path: Path) -> None:
    with (path / "file").open("ab") as file:
        file.write(b"more")


CHANGES: dict[str, Callable[[Path], object]] = {
    "file made": lambda path: (path / "new").write_bytes(b""),
    "file written": append,
    "file renamed": lambda path: (path / "file").rename(path / "renamed"),
    "file removed": lambda path: (path / "file").unlink(),
    "file moved out": lambda path: (path / "file").rename(path.parent / "file"),
    "file's mode": lambda path: (path / "file").chmod(0o600),
    "directory made": lambda path: (path / "new").mkdir(),
    "directory removed": lambda path: (path / "inside").rmdir(),
    "directory renamed": lambda path: (path / "inside").rename(path / "202611230113"),
    "directory's own mode": lambda path: path.chmod(0o700),
    "directory moved away": lambda path: path.rename(path.parent / "elsewhere"),
    "link made": lambda path: (path / "link").symlink_to("/"),
    "name that is not UTF-8": lambda path: (path / os.fsdecode(b"\xff\xfe")).mkdir(),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_hint(watched: Watched, change: str) -> None:
    assert await watched.quiet()
    CHANGES[change](watched.path)
    await watched.hint()


async def test_hints_go_on_after_any_name(watched: Watched) -> None:
    """pyinotify itself loses the rest of a read that holds such a name."""
    for name in (b"\xff", b"a", b"\xed\xa0\x80", b"\n"):
        (watched.path / os.fsdecode(name)).mkdir()
    await watched.hint()
    assert await watched.quiet()
    (watched.path / "after").mkdir()
    await watched.hint()


async def test_no_hint_without_a_change(watched: Watched) -> None:
    (watched.path / "file").read_bytes()
    list(watched.path.iterdir())
    assert await watched.quiet()


async def test_once_for_each_directory(watched: Watched) -> None:
    before = watches()
    for _ in range(3):
        watched.again()
    assert watches() == before
    with opened(watched.path / "inside") as fd:
        watched.watch.directory(fd)
    assert watches() == before + 1


async def test_kept_though_it_is_not_opened(watched: Watched) -> None:
    watched.again()
    watched.watch.forget_others()
    before = watches()
    status = watched.path.stat()
    assert watched.watch.keep((status.st_dev, status.st_ino))
    watched.watch.forget_others()
    assert watches() == before


async def test_what_is_not_watched_must_be_opened(watched: Watched) -> None:
    status = (watched.path / "inside").stat()
    assert not watched.watch.keep((status.st_dev, status.st_ino))


async def test_a_directory_in_a_directory(watched: Watched) -> None:
    with opened(watched.path / "inside") as fd:
        watched.watch.directory(fd)
    (watched.path / "inside/dump-incomplete").write_bytes(b"")
    await watched.hint()


async def test_the_directory_that_is_open_is_watched(watched: Watched, tmp_path: Path) -> None:
    """Not the one that has its name by now."""
    with opened(watched.path / "inside") as fd:
        (watched.path / "inside").rename(tmp_path / "moved")
        (watched.path / "inside").symlink_to("/")
        await watched.hint()
        watched.watch.directory(fd)
    assert await watched.quiet()
    (tmp_path / "moved/file").write_bytes(b"")
    await watched.hint()


async def test_a_file_is_not_watched(watched: Watched) -> None:
    before = watches()
    with (watched.path / "file").open("rb") as file:
        watched.watch.directory(file.fileno())
    assert watches() == before


async def removed(watched: Watched) -> int:
    """Remove the directory, and return the inode that is free now."""
    inode = watched.path.stat().st_ino
    (watched.path / "file").unlink()
    (watched.path / "inside").rmdir()
    await watched.hint()
    watched.path.rmdir()
    return inode


async def test_removed_and_made_again(watched: Watched) -> None:
    before = watches()
    await removed(watched)
    await watched.hint()
    assert watches() == before - 1
    watched.path.mkdir()
    watched.again()
    assert watches() == before
    assert await watched.quiet()
    (watched.path / "new").mkdir()
    await watched.hint()


async def test_made_again_with_the_same_inode(watched: Watched) -> None:
    """It looks like the directory that is watched already, until its removal is learned."""
    inode = await removed(watched)
    made = set[Path]()
    while not watched.path.exists() and len(made) < 100:
        watched.path.mkdir()
        if watched.path.stat().st_ino != inode:
            made.add(watched.path.rename(watched.path.with_name(f"other-{len(made)}")))
    if not watched.path.exists():
        pytest.skip("this file system does not use the inode again")
    watched.again()
    await watched.hint()  # of the removal: whoever is told looks again
    watched.again()
    assert await watched.quiet()
    (watched.path / "new").mkdir()
    await watched.hint()


async def test_forgotten(watched: Watched) -> None:
    """What a look does not come across any more is not watched for ever."""
    watched.watch.forget_others()
    before = watches()
    with opened(watched.path / "inside") as fd:
        watched.watch.directory(fd)
    watched.again()
    watched.watch.forget_others()  # of a look at both
    assert watches() == before + 1
    watched.again()
    watched.watch.forget_others()  # of a look at one
    assert watches() == before
    await watched.hint()
    (watched.path / "inside/new").mkdir()
    assert await watched.quiet()
    (watched.path / "new").mkdir()
    await watched.hint()
    # It can be watched again.
    with opened(watched.path / "inside") as fd:
        watched.watch.directory(fd)
    assert watches() == before + 1


async def test_forgotten_after_it_was_removed(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel has forgotten it already."""
    with opened(watched.path / "inside") as fd:
        watched.watch.directory(fd)
    watched.watch.forget_others()
    watched.again()
    (watched.path / "inside").rmdir()
    watched.watch.forget_others()
    await watched.hint()
    assert caplog.messages == []
    (watched.path / "new").mkdir()
    await watched.hint()


async def test_too_much_at_once(watched: Watched) -> None:
    """The queue overflows at 16,384 events, and then goes on."""
    for number in range(6000):
        path = watched.path / f"{number}"
        path.touch()  # open, attributes, close
        path.unlink()
    await watched.hint()
    while not await watched.quiet():
        await watched.hint()
    (watched.path / "after").mkdir()
    await watched.hint()


def flood(path: Path, files: int = 6000) -> None:
    for number in range(files):
        (path / f"{number}").touch()
        (path / f"{number}").unlink()


LOSSES: dict[str, Callable[[Path], object]] = {
    "a queue that is full": flood,
    "more than is looked at": lambda path: flood(path, 500),
    "a name that is not UTF-8": lambda path: (path / os.fsdecode(b"\xff")).touch(),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_watch_that_ends_among_lost_events(watched: Watched, loss: str) -> None:
    """Nobody says then that it has ended; the others go on."""
    inside = watched.path / "inside"
    with opened(inside) as fd:
        watched.watch.directory(fd)
    status = inside.stat()
    LOSSES[loss](watched.path)
    inside.rmdir()
    before = watches()
    await watched.hint()
    assert not watched.watch.keep((status.st_dev, status.st_ino))
    own = watched.path.stat()
    assert watched.watch.keep((own.st_dev, own.st_ino))
    watched.again()
    assert watches() == before
    assert await watched.quiet()
    (watched.path / "after").mkdir()
    await watched.hint()


async def test_more_watches_than_there_are_digits(watched: Watched) -> None:
    """Which of them are left is read as the kernel writes it, in hexadecimal."""
    kept = [watched.path / f"kept-{number}" for number in range(40)]
    for path in kept:
        path.mkdir()
        with opened(path) as fd:
            watched.watch.directory(fd)
    LOSSES["a name that is not UTF-8"](watched.path)
    await watched.hint()
    for path in kept:
        status = path.stat()
        assert watched.watch.keep((status.st_dev, status.st_ino))


async def test_too_many_directories(watched: Watched) -> None:
    """A stranger can make as many as he likes; what we take of the system is bounded."""
    with opened(watched.path / "inside") as parent:
        for number in range(MAX_WATCHES + 10):
            os.mkdir(f"{number}", dir_fd=parent)
            fd = os.open(f"{number}", os.O_RDONLY, dir_fd=parent)
            watched.watch.directory(fd)
            os.close(fd)
    assert watches() == MAX_WATCHES
    assert watched.watch.keep((0, 0)), "to open it would be of no use"


async def test_nothing_is_left(tmp_path: Path) -> None:
    before = descriptors()
    watched = Watched(tmp_path)
    with watched.watch.attached(asyncio.get_running_loop()):
        watched.again()
        assert descriptors() != before
    assert descriptors() == before
    watched.again()  # by a thread that was stuck until now
    assert descriptors() == before


async def test_nothing_is_left_after_a_failure(tmp_path: Path) -> None:
    before = descriptors()
    watched = Watched(tmp_path)
    with pytest.raises(ZeroDivisionError), watched.watch.attached(asyncio.get_running_loop()):
        raise ZeroDivisionError
    assert descriptors() == before


PROGRAM = """
import asyncio, logging, os, subprocess, sys
from kdumpd.observe.captures.inotify import InotifyWatcher

def directory(watch, path):
    fd = os.open(path, os.O_RDONLY)
    watch.directory(fd)
    os.close(fd)

async def main(path):
    hinted = asyncio.Event()
    watch = InotifyWatcher(hinted.set)
    with watch.attached(asyncio.get_running_loop()):
"""
MOUNT = """
        directory(watch, path)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
        await asyncio.wait_for(hinted.wait(), 30)
        hinted.clear()
        directory(watch, path)
        os.mkdir(path + "/new")
        await asyncio.wait_for(hinted.wait(), 30)
        hinted.clear()
        subprocess.run(["umount", path], check=True)
        await asyncio.wait_for(hinted.wait(), 30)
"""
EXHAUST = """
        open("/proc/sys/user/max_inotify_watches", "w").write("2")
        logging.basicConfig(stream=sys.stdout, format="%(levelname)s")
        for number in range(5):
            os.mkdir(f"{path}/{number}")
            directory(watch, f"{path}/{number}")
        os.mkdir(f"{path}/0/new")
        await asyncio.wait_for(hinted.wait(), 30)
"""
LAST = """
        print("hinted")
asyncio.run(main(sys.argv[1]))
"""


@needs_root
async def test_mounts(tmp_path: Path) -> None:
    """A file system mounted over a directory is no event of the directory."""
    program = PROGRAM + MOUNT + LAST
    printed = await output(*MOUNTS_AS_ROOT, sys.executable, "-c", program, str(tmp_path))
    assert printed == b"hinted\n"


def namespaces_of_users() -> bool:
    """Try it: whoever is in a chroot, or in a container without them, may make none."""
    attempt = ["unshare", "--user", "--map-root-user", "true"]
    done = subprocess.run(attempt, check=False, capture_output=True, timeout=10)  # noqa: S603
    return done.returncode == 0 and Path("/proc/sys/user/max_inotify_watches").exists()


@pytest.mark.skipif(not namespaces_of_users(), reason="no user namespaces")
@needs_root
async def test_no_more_watches(tmp_path: Path) -> None:
    """Then it is said once, and the others are watched as before."""
    program = PROGRAM + EXHAUST + LAST
    own = ("unshare", "--user", "--map-root-user", "--")
    printed = await output(*own, sys.executable, "-c", program, str(tmp_path))
    assert printed == b"WARNING\nhinted\n"
