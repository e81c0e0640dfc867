# SPDX-License-Identifier: GPL-2.0-or-later
"""What is handed out is the capture's own file, and nothing that a stranger put in its place."""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from kdumpd.observe.captures.open_files import (
    MAX_STUCK_OPENINGS,
    CaptureFileError,
    CaptureFiles,
    FileGoneError,
    Openings,
    open_capture_file,
)
from tests.support.looks import as_listed, capture
from tests.support.machine import Machine
from tests.support.rights import as_root

DIRECTORY = b"/var/crash"
CORE = b"/var/crash/202611230113/dump.202611230113"


@pytest.fixture
def core(machine: Machine) -> Path:
    machine.root.chmod(0o755)
    return machine.kdump_tools("202611230113", b"what the machine held")


def read(machine: Machine, path: bytes = CORE, directory: bytes = DIRECTORY) -> bytes:
    with os.fdopen(open_capture_file(machine.root, directory, path), "rb") as file:
        return file.read()


def test_the_file_is_opened(machine: Machine, core: Path) -> None:
    assert read(machine) == core.read_bytes()
    assert read(machine, directory=b"/var") == core.read_bytes()
    assert read(machine, directory=b"/var/crash/202611230113") == core.read_bytes()
    assert read(machine, directory=b"/") == core.read_bytes()


def test_descriptor_cannot_be_written_to_or_inherited(machine: Machine, core: Path) -> None:
    fd = open_capture_file(machine.root, DIRECTORY, CORE)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(fd, b"x")
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)
    assert core.read_bytes() == b"what the machine held"


def link(core: Path) -> None:
    secret = core.with_name("secret")
    core.rename(secret)
    core.symlink_to(secret)


def hard_link(core: Path) -> None:
    core.with_name("other").hardlink_to(core)


def fifo(core: Path) -> None:
    core.unlink()
    os.mkfifo(core)


def directory_link(core: Path) -> None:
    core.parent.rename(core.parent.with_name("other"))
    core.parent.symlink_to("other")


def writable(core: Path) -> None:
    core.chmod(0o666)


def writable_directory(core: Path) -> None:
    core.parent.chmod(0o777)


def writable_crash_directory(core: Path) -> None:
    core.parent.parent.chmod(0o777)


def removed(core: Path) -> None:
    core.unlink()


def removed_directory(core: Path) -> None:
    core.parent.rename(core.parent.with_name("other"))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (link, CaptureFileError, "is not a regular file: not handed out"),
        (hard_link, CaptureFileError, "has 2 hard links: not handed out"),
        (fifo, CaptureFileError, "is not a regular file: not handed out"),
        (directory_link, FileGoneError, "a link or no directory"),
        (writable, CaptureFileError, "is writable by others than its owner"),
        (writable_directory, CaptureFileError, "is writable by others than its owner"),
        (writable_crash_directory, CaptureFileError, "is writable by others than its owner"),
        (removed, FileGoneError, "does not exist"),
        (removed_directory, FileGoneError, "does not exist"),
    ],
)
def test_what_changed_since_the_last_look_is_refused(
    machine: Machine,
    core: Path,
    change: Callable[[Path], None],
    error: type[CaptureFileError],
    words: str,
) -> None:
    change(core)
    with pytest.raises(error, match=words):
        read(machine)


@as_root
def test_file_of_a_stranger_is_refused(machine: Machine, core: Path) -> None:
    os.chown(core, 65534, 65534)
    with pytest.raises(
        CaptureFileError, match="belongs to uid 65534, not to uid 0: not handed out"
    ):
        read(machine)


@pytest.mark.parametrize(
    "path",
    [b"/etc/passwd", b"/var/crash/../../etc/passwd", b"/var/crash/", b"/var/crash", b""],
)
def test_path_that_leads_elsewhere_is_refused(machine: Machine, core: Path, path: bytes) -> None:
    assert core.exists()
    with pytest.raises(CaptureFileError, match="is no file of '/var/crash'"):
        read(machine, path)


async def test_what_a_capture_lacks_is_said(machine: Machine) -> None:
    capture_files = CaptureFiles(machine.root)
    with pytest.raises(FileGoneError, match="has no core"):
        await capture_files.open_core(DIRECTORY, as_listed(capture(facts=None)))
    with pytest.raises(FileGoneError, match="has no kernel log beside its core"):
        await capture_files.open_dmesg(DIRECTORY, as_listed(capture(dmesg=b"")))


class Hanging:
    """A file that is opened only when it is let go, as one on a server that does not answer."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._answers = threading.Event()

    def open(self) -> int:
        self._answers.wait(30)
        return os.open(self._file, os.O_RDONLY)

    async def let_go(self) -> None:
        """Let all attempts come to their ends, which nobody waits for."""
        self._answers.set()
        for thread in threading.enumerate():
            if thread.name == "kdumpd-reader":
                await asyncio.to_thread(thread.join)
        await asyncio.sleep(0)


def opened(file: Path) -> int:
    """Return how often this process has the file open."""
    links = []
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # of this very listing
            links.append(fd.readlink())
    return links.count(file)


async def test_directory_that_does_not_answer_stalls_no_other(core: Path) -> None:
    hanging, openings = Hanging(core), Openings(0.05)
    for _ in range(MAX_STUCK_OPENINGS + 3):
        with pytest.raises(CaptureFileError, match="'/slow' does not answer"):
            await openings.run(b"/slow", hanging.open)
    reading = [one for one in threading.enumerate() if one.name == "kdumpd-reader"]
    assert len(reading) == MAX_STUCK_OPENINGS
    os.close(await Openings(30).run(b"/other", lambda: os.open(core, os.O_RDONLY)))
    await hanging.let_go()
    assert opened(core) == 0
    os.close(await openings.run(b"/slow", lambda: os.open(core, os.O_RDONLY)))


async def test_descriptor_that_comes_too_late_for_the_caller_is_closed(core: Path) -> None:
    hanging = Hanging(core)
    asking = asyncio.create_task(Openings(30).run(b"/slow", hanging.open))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    await hanging.let_go()
    assert opened(core) == 0
