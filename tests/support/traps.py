# SPDX-License-Identifier: GPL-2.0-or-later
"""What a stranger can put where a crash directory is expected to have a directory or a file."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.security.unopened_files import Bait
from tests.support.namespace import ROOT

NOBODY = 65534
STAMP = "202611230113"

# Every name of a file that a writer of captures is known by, or lays beside one.
FILES = (
    f"dump.{STAMP}",
    f"dump.{STAMP}.gz",
    "dump-incomplete",
    f"vmcore.{STAMP}",
    f"dmesg.{STAMP}",
    "vmcore",
    "vmcore-incomplete",
    "vmcore.flat",
    "vmcore.1",
    "vmcore.compressed",
    "vmcore-dmesg.txt",
    "vmcore-dmesg-incomplete.txt",
    "kexec-dmesg.log",
    "README.txt",
    "dmesg",
    "dmesg.txt",
    "opalcore",
    "vmcore-creation.status",
)
# Files that lie straight in the crash directory.
TOP_FILES = (
    "vmcore",
    "vmcore.log",
    f"linux-image-6.1.0-56-amd64-{STAMP}.crash",
    "kexec_cmd",
    "kdump_lock",
    ".notified",
)
NAMES = (
    b"line\nMESSAGE_ID=6bc3f018b40343559c7bccda6fc737c6\nfeed",
    b"\xff\xfe\x80",
    b"\x1b[31mred\x1b]0;title\x07",
    b"x" * 255,
    "\u202eevil\u2066\u200f".encode(),
    b"<b>&amp;\"'$(reboot)`",
    b"...",
    b"%s%n%x",
    b"\xed\xa0\x80",
    b" ",
)

Trap = Callable[[Path, Bait], None]


def link(path: Path, bait: Bait) -> None:
    path.symlink_to(bait.file)


def relative_link(path: Path, bait: Bait) -> None:
    path.symlink_to(os.path.relpath(bait.file, path.parent))


def directory_link(path: Path, bait: Bait) -> None:
    path.symlink_to(bait.directory)


def link_to_proc(path: Path, _: Bait) -> None:
    path.symlink_to("/proc/self/mem")


def link_through_proc(path: Path, bait: Bait) -> None:
    path.symlink_to(f"/proc/self/root{bait.file}")


def link_to_a_descriptor(path: Path, _: Bait) -> None:
    path.symlink_to("/proc/self/fd/0")


def dangling_link(path: Path, _: Bait) -> None:
    path.symlink_to("nothing is here")


def looping_link(path: Path, _: Bait) -> None:
    path.symlink_to(path.name)


def link_to_above(path: Path, _: Bait) -> None:
    path.symlink_to("..")


def hard_link(path: Path, bait: Bait) -> None:
    os.link(bait.file, path)


def fifo(path: Path, _: Bait) -> None:
    os.mkfifo(path)


def unix_socket(path: Path, _: Bait) -> None:
    # By a descriptor of the directory: the name of a socket has 107 bytes at most.
    directory = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{directory}/{path.name}")
    os.close(directory)


def device(path: Path, _: Bait) -> None:
    os.mknod(path, 0o20666, os.makedev(1, 5))  # zero


def block_device(path: Path, _: Bait) -> None:
    os.mknod(path, 0o60666, os.makedev(7, 0))  # loop0


def directory(path: Path, bait: Bait) -> None:
    path.mkdir()
    (path / "vmcore").symlink_to(bait.file)


TRAPS: tuple[Trap, ...] = (
    link,
    relative_link,
    directory_link,
    link_to_proc,
    link_through_proc,
    link_to_a_descriptor,
    dangling_link,
    looping_link,
    link_to_above,
    hard_link,
    fifo,
    unix_socket,
    *((device, block_device) if ROOT else ()),
    directory,
)
OPENABLE = {fifo, device, block_device}


def set_traps(crash: Path, bait: Bait, *, stranger: bool) -> Iterator[Path]:
    """Set every trap in the place of every file and directory; yield those that can be opened.

    Those of a stranger's belong to nobody, the others to whom the crash directory belongs.
    """
    whose = "stranger" if stranger else "own"
    places = [*_places(crash, whose), *_deep_places(crash, whose)]
    if stranger:
        places += _top_places(crash)
    for number, (trap, place) in enumerate(places):
        trap(place, bait)
        if trap in OPENABLE:
            yield place
        if stranger and ROOT:
            for path in (place, place.parent):
                if path != crash and trap is not hard_link:
                    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        if number % 2:
            _beside(place)


def _places(crash: Path, whose: str) -> Iterator[tuple[Trap, Path]]:
    for trap in TRAPS:
        yield trap, crash / f"entry-{whose}-{trap.__name__}"
        for name in FILES:
            within = crash / f"{whose}-{trap.__name__}-{name}"
            within.mkdir()
            yield trap, within / name


def _top_places(crash: Path) -> Iterator[tuple[Trap, Path]]:
    for number, name in enumerate(TOP_FILES):
        yield TRAPS[number % len(TRAPS)], crash / name


def _deep_places(crash: Path, whose: str) -> Iterator[tuple[Trap, Path]]:
    """Yield places one directory deeper, where some writers put theirs."""
    for trap in TRAPS:
        within = crash / f"deep-{whose}-{trap.__name__}"
        within.mkdir()
        yield trap, within / "001"
        below = within / "crash"
        below.mkdir()
        yield trap, below / "dmesg.txt"


def _beside(place: Path) -> None:
    """Lay the directory's other files beside a trap, so that it would be worth a look."""
    if place.parent.name.startswith("entry-") or place.name.startswith("entry-"):
        return
    for name in ("vmcore", "vmcore-dmesg.txt"):
        path = place.parent / name
        if path.parent.name != "crash" and not os.path.lexists(path):
            path.write_bytes(b"KDUMP   ")
