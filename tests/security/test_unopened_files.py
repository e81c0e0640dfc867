# SPDX-License-Identifier: GPL-2.0-or-later
"""The proof that nothing was opened is worth something: it sees whatever is opened."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.security.unopened_files import Bait, Baits
from tests.support.namespace import ROOT


def test_nothing_is_seen_where_nothing_is_opened(bait: Bait, guard: Baits) -> None:
    bait.file.stat()
    (bait.directory.parent / "link").symlink_to(bait.file)
    (bait.directory.parent / "link").lstat()
    (bait.directory.parent / "link").stat()
    assert not guard.opened()


def test_open_is_seen(bait: Bait, guard: Baits) -> None:
    bait.file.read_bytes()
    assert bytes(bait.file) in guard.opened()
    assert not guard.opened()


@pytest.mark.parametrize("kind", ["link", "hard link", "directory link"])
def test_open_by_another_name_is_seen(kind: str, bait: Bait, guard: Baits) -> None:
    other = bait.directory.parent / "other"
    if kind == "link":
        other.symlink_to(bait.file)
    elif kind == "hard link":
        os.link(bait.file, other)
    else:
        other.symlink_to(bait.directory)
        other /= "vmcore"
    other.read_bytes()
    assert bytes(bait.file) in guard.opened()


def test_open_by_another_process_is_seen(bait: Bait, guard: Baits) -> None:
    subprocess.run(["/bin/cat", str(bait.file)], check=True, capture_output=True)  # noqa: S603 - ours
    assert bytes(bait.file) in guard.opened()


def test_listing_is_seen(bait: Bait, guard: Baits) -> None:
    list(bait.directory.iterdir())
    assert bytes(bait.directory) in guard.opened()


def test_fifo_is_seen(tmp_path: Path, guard: Baits) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    guard.watch(fifo)
    os.close(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
    assert guard.opened() == [bytes(fifo)]


@pytest.mark.skipif(not ROOT, reason="only root makes devices")
def test_device_is_seen(tmp_path: Path, guard: Baits) -> None:
    device = tmp_path / "zero"
    os.mknod(device, 0o20666, os.makedev(1, 5))
    guard.watch(device)
    os.close(os.open(device, os.O_RDONLY))
    assert guard.opened() == [bytes(device)]
