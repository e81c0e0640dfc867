# SPDX-License-Identifier: GPL-2.0-or-later
import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from kdumpd.model.captures.capture import Layout, Sighting, capture_from
from kdumpd.model.captures.core import CoreFacts, Format
from kdumpd.model.vocabulary import CaptureState
from kdumpd.observe.captures.safe_open import MAX_NAMES_IN_DIRECTORY, OnDirectory
from kdumpd.observe.captures.scan import (
    MAX_CAPTURE_DIRECTORIES,
    MAX_COUNTED_STRANGERS,
    MAX_ENTRIES,
    MAX_UNTRUSTED_CAPTURES,
    MAX_UNTRUSTED_DIRECTORIES,
    MAX_UNTRUSTED_ENTRIES,
    OTHER_STRANGERS,
    Budget,
    LastByName,
    read_crash_directory,
)
from kdumpd.observe.captures.scan_cache import Visits
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles
from tests.support.cores import Crash, elf, flattened, kdump
from tests.support.looks import stamp as stamp_of
from tests.support.machine import Machine
from tests.support.namespace import MOUNTS_AS_ROOT, needs_root
from tests.support.process import output
from tests.support.rights import SOMEBODY, WITHOUT_RIGHTS, as_root

CRASH = b"/var/crash"
STAMP = "202611230113"
WHEN = "2026-11-23-01:13:34"
DMESG = b"[    3.994837] Kernel panic - not syncing: sysrq triggered crash\n"

NOTHING: Mapping[bytes, Sighting] = {}


def ignore(_: int) -> None:
    pass


def look(
    machine: Machine, known: Mapping[bytes, Sighting] = NOTHING, on_directory: OnDirectory = ignore
) -> tuple[Sighting, ...]:
    """Return what lies in the crash directory, which has no problem."""
    directory = read_crash_directory(SharedFiles(Files(machine.root)), CRASH, known, on_directory)
    assert directory.facts.present
    assert directory.facts.problem == ""
    assert directory.listed
    assert directory.unread == frozenset()
    filesystem = os.statvfs(machine.crash).f_fsid
    assert {directory.filesystem, *(sighting.filesystem for sighting in directory.sightings)} == {
        filesystem
    }
    return directory.sightings


def only(machine: Machine) -> Sighting:
    (sighting,) = look(machine)
    return sighting


def by_directory(sightings: tuple[Sighting, ...]) -> dict[bytes, Sighting]:
    return {sighting.directory: sighting for sighting in sightings}


def test_empty_directory(machine: Machine) -> None:
    assert look(machine) == ()


def test_missing_directory(machine: Machine) -> None:
    machine.crash.rmdir()
    directory = read_crash_directory(SharedFiles(Files(machine.root)), CRASH, {}, ignore)
    assert not directory.facts.present
    assert directory.facts.problem == ""
    assert directory.listed
    assert directory.filesystem == os.statvfs(machine.root).f_fsid
    assert directory.sightings == ()


def test_no_root() -> None:
    directory = read_crash_directory(SharedFiles(Files(Path("/nowhere"))), CRASH, {}, ignore)
    assert "No such file" in directory.facts.problem
    assert not directory.listed


def test_kdump_tools(machine: Machine) -> None:
    crash = Crash()
    core = machine.kdump_tools(STAMP, flattened(crash), DMESG)
    sighting = only(machine)
    assert sighting.directory == b"/var/crash/202611230113"
    assert sighting.layout is Layout.KDUMP_TOOLS
    assert sighting.state is CaptureState.COMPLETE
    assert sighting.trusted
    assert sighting.core is not None
    assert sighting.core.name == b"dump.202611230113"
    assert sighting.core.size == core.stat().st_size
    assert sighting.dmesg is not None
    assert sighting.dmesg.name == b"dmesg.202611230113"
    assert {file.name for file in sighting.files} == {sighting.core.name, sighting.dmesg.name}
    assert sighting.facts.kernel_release == crash.release
    assert sighting.facts.crashed_at == crash.crashed_at


def test_kdump_utils(machine: Machine) -> None:
    machine.kdump_utils(WHEN, kdump(Crash()), DMESG)
    sighting = only(machine)
    assert sighting.directory == b"/var/crash/127.0.0.1-2026-11-23-01:13:34"
    assert sighting.layout is Layout.KDUMP_UTILS
    assert sighting.state is CaptureState.COMPLETE
    assert sighting.core is not None
    assert sighting.core.name == b"vmcore"
    assert sighting.dmesg is not None
    assert sighting.dmesg.name == b"vmcore-dmesg.txt"


def test_the_copy_beside_a_broken_dump(machine: Machine) -> None:
    """When makedumpfile fails, kdump-tools copy all of memory, and leave what it had written."""
    core = machine.kdump_tools(STAMP, flattened(Crash())[:5000])
    core.rename(core.with_name("dump-incomplete"))
    core.with_name(f"vmcore.{STAMP}").write_bytes(elf(Crash()))
    sighting = only(machine)
    assert sighting.state is CaptureState.COMPLETE
    assert sighting.core is not None
    assert sighting.core.name == b"vmcore.202611230113"
    assert sighting.facts.format is Format.ELF
    assert len(sighting.files) == 3


def test_the_copy_while_it_is_written(machine: Machine) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash())[:5000])
    core.rename(core.with_name("dump-incomplete"))
    core.with_name("vmcore-incomplete").write_bytes(elf(Crash())[:-1])
    sighting = only(machine)
    assert sighting.layout is Layout.KDUMP_TOOLS
    assert sighting.state is CaptureState.INCOMPLETE
    core.with_name("vmcore-incomplete").write_bytes(elf(Crash()))
    sighting = only(machine)
    assert sighting.complete
    assert sighting.core is not None
    assert sighting.core.name == b"vmcore-incomplete"


def test_a_finished_core_beside_its_temporary_name(machine: Machine) -> None:
    core = machine.kdump_utils(WHEN, kdump(Crash()))
    core.with_name("vmcore-incomplete").write_bytes(kdump(Crash())[:5000])
    sighting = only(machine)
    assert sighting.complete
    assert sighting.core is not None
    assert sighting.core.name == b"vmcore"


def test_a_renamed_core_of_a_killed_writer(machine: Machine) -> None:
    """Its name says that it is whole."""
    machine.kdump_tools(STAMP, flattened(Crash())[:-17])
    sighting = only(machine)
    assert sighting.state is CaptureState.INCOMPLETE
    assert sighting.facts.kernel_release == Crash().release


def test_a_kernel_log_alone(machine: Machine) -> None:
    machine.kdump_tools(STAMP, b"", DMESG).unlink()
    sighting = only(machine)
    assert sighting.state is CaptureState.DMESG_ONLY
    assert sighting.core is None
    assert sighting.facts == CoreFacts()


def test_an_unfinished_kernel_log_alone(machine: Machine) -> None:
    """It is no core, whatever its name begins with."""
    core = machine.kdump_utils(WHEN, b"", DMESG)
    core.unlink()
    core.with_name("vmcore-dmesg.txt").rename(core.with_name("vmcore-dmesg-incomplete.txt"))
    sighting = only(machine)
    assert sighting.state is CaptureState.DMESG_ONLY
    assert sighting.core is None
    assert sighting.dmesg is not None
    assert sighting.dmesg.name == b"vmcore-dmesg-incomplete.txt"


@pytest.mark.parametrize(
    ("content", "state"),
    [(b"", CaptureState.INCOMPLETE), (b"what is this\n", CaptureState.UNREADABLE)],
)
def test_no_core_in_its_place(machine: Machine, content: bytes, state: CaptureState) -> None:
    machine.kdump_tools(STAMP, content)
    sighting = only(machine)
    assert sighting.state is state
    assert sighting.facts.problem
    assert sighting.trusted


def test_a_dump_that_is_compressed_once_more(machine: Machine) -> None:
    """kdump-tools append the compressor's suffix; that is a dump, if one we cannot judge."""
    core = machine.kdump_tools(STAMP, b"\x1f\x8b" + bytes(100))
    core.rename(core.with_name(f"dump.{STAMP}.gz"))
    assert only(machine).state is not CaptureState.DMESG_ONLY


@pytest.mark.parametrize(
    "name",
    [
        "_usr_bin_python3.11.1000.crash",
        "linux-image-6.1.0-56-amd64.0.crash",  # of an oops, or of a package that failed to install
        "linux-image-6.1.0-56-amd64-202611230113.crash",  # but no report inside
        "vmcore.log",
        "kexec_cmd",
        "kdump_lock",
        "dump.202611230113",
    ],
)
def test_files_beside_the_captures(machine: Machine, name: str) -> None:
    (machine.crash / name).write_bytes(flattened(Crash()))
    assert look(machine) == ()


@pytest.mark.parametrize(
    "name",
    [
        "_usr_bin_x.1000.crash",
        "vmcore-dmesg.txt.old",
        "vmcore.txt",
        "vmcore2",
        "myvmcore",
        "dump.2026",
        "dump.20261123011300",
        "dump.202611230113~",
        "dump.202611230113\n",
        "dmesg",
        "README.txt",
        "opalcore",
        "vmcore-creation.status",
    ],
)
def test_a_directory_of_something_else(machine: Machine, name: str) -> None:
    (machine.crash / STAMP).mkdir()
    (machine.crash / STAMP / name).write_bytes(flattened(Crash()))
    assert look(machine) == ()


def test_a_capture_in_a_directory_of_a_directory(machine: Machine) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    (machine.crash / "saved").mkdir()
    core.parent.rename(machine.crash / "saved" / STAMP)
    assert only(machine).directory == b"/var/crash/saved/202611230113"


def test_a_capture_too_deep(machine: Machine) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    (machine.crash / "saved/more").mkdir(parents=True)
    core.parent.rename(machine.crash / "saved/more" / STAMP)
    assert look(machine) == ()


def test_both_layouts_and_others(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash(crash_time=1)))
    machine.kdump_utils(WHEN, kdump(Crash(crash_time=2)))
    (machine.crash / "empty").mkdir()
    (machine.crash / "_bin_sh.0.crash").write_bytes(b"ProblemType: Crash\n")
    assert [sighting.layout for sighting in look(machine)] == [
        Layout.KDUMP_UTILS,
        Layout.KDUMP_TOOLS,
    ]


def test_many_captures(machine: Machine) -> None:
    stamps = [f"2026{number:08}" for number in range(300)]
    for number, stamp in enumerate(stamps):
        machine.kdump_tools(stamp, flattened(Crash(crash_time=number + 1, pages=(b"x" * 4096,))))
    seen = look(machine)
    assert [sighting.directory for sighting in seen] == [
        b"/var/crash/" + stamp.encode() for stamp in stamps
    ]
    assert all(sighting.complete for sighting in seen)
    assert len({sighting.id for sighting in seen}) == 300


@pytest.mark.parametrize("name", [b"\xff\xfe202611230113", b"\xe4", b"a\nb", b"\x1b[31m", b"-rf"])
def test_a_directory_of_any_name(machine: Machine, name: bytes) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    core.parent.rename(machine.crash / os.fsdecode(name))
    assert only(machine).directory == b"/var/crash/" + name


def test_a_root_with_a_trailing_slash(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()))
    directory = read_crash_directory(SharedFiles(Files(machine.root)), b"/var/crash/", {}, ignore)
    assert [sighting.directory for sighting in directory.sightings] == [b"/var/crash/202611230113"]


# What a stranger may have prepared


def untrusted(machine: Machine) -> Sighting:
    """Return the one sighting, which is not believed in anything."""
    sighting = only(machine)
    assert not sighting.trusted
    assert sighting.problem.endswith("contents not read")
    assert sighting.state is CaptureState.UNREADABLE
    assert sighting.facts == CoreFacts()
    return sighting


def test_a_linked_directory(machine: Machine, tmp_path: Path) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    core.parent.rename(tmp_path / "elsewhere")
    (machine.crash / STAMP).symlink_to(tmp_path / "elsewhere")
    (machine.crash / "dangling").symlink_to("nothing")
    (machine.crash / "circle").symlink_to("circle")
    assert look(machine) == ()


def link_elsewhere(path: Path) -> None:
    target = path.rename(path.parent.parent.parent / path.name)
    path.symlink_to(target)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        directory = os.open(path.parent, os.O_PATH)
        listening.bind(f"/proc/self/fd/{directory}/{path.name}")  # a socket's path is short
        os.close(directory)


def link_hard(path: Path) -> None:
    path.with_name("another").hardlink_to(path)


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (link_elsewhere, "is not a regular file"),
    "fifo": (make_fifo, "is not a regular file"),
    "directory": (make_directory, "is not a regular file"),
    "socket": (make_socket, "is not a regular file"),
    "hard link": (link_hard, "has 2 hard links"),
    "group": (lambda path: path.chmod(0o664), "is writable by others"),
    "world": (lambda path: path.chmod(0o646), "is writable by others"),
}


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("name", [f"dump.{STAMP}", f"dmesg.{STAMP}"])
def test_a_file_that_is_not_trusted(machine: Machine, name: str, strange: str) -> None:
    change, reason = STRANGE[strange]
    core = machine.kdump_tools(STAMP, flattened(Crash()), DMESG)
    change(core.with_name(name))
    sighting = untrusted(machine)
    assert f"'{name}' {reason}" in sighting.problem
    assert sighting.trusted_directory


@as_root
@pytest.mark.parametrize("name", [f"dump.{STAMP}", f"dmesg.{STAMP}"])
def test_a_file_of_somebody(machine: Machine, name: str) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()), DMESG)
    os.chown(core.with_name(name), SOMEBODY, -1)
    assert f"'{name}' belongs to uid {SOMEBODY}" in untrusted(machine).problem


@as_root
def test_a_group_of_somebody(machine: Machine) -> None:
    """Ubuntu's crash directory is setgid: all that lies there belongs to its group."""
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    for path in (core, core.parent, machine.crash):
        os.chown(path, -1, SOMEBODY)
    machine.crash.chmod(0o3777)
    assert only(machine).complete


@as_root
@pytest.mark.parametrize("path", ["var", "var/crash", f"var/crash/{STAMP}"])
def test_a_directory_of_somebody(machine: Machine, path: str) -> None:
    """A local user can make the next minute's directory, and root's tools write into it."""
    machine.kdump_tools(STAMP, flattened(Crash()))
    machine.crash.chmod(0o3777)
    os.chown(machine.root / path, SOMEBODY, -1)
    sighting = untrusted(machine)
    assert f"'/{path}' belongs to uid {SOMEBODY}" in sighting.problem
    assert not sighting.trusted_directory


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
@pytest.mark.parametrize("path", ["var", "var/crash", f"var/crash/{STAMP}"])
def test_a_directory_that_others_can_change(machine: Machine, path: str, mode: int) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()))
    (machine.root / path).chmod(mode)
    assert f"'/{path}' is writable by others" in untrusted(machine).problem


@pytest.mark.parametrize("mode", [0o1777, 0o3777])
def test_a_sticky_crash_directory(machine: Machine, mode: int) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()))
    machine.crash.chmod(mode)
    assert only(machine).complete


def test_another_core_that_is_not_trusted(machine: Machine) -> None:
    """One that a stranger put beside ours must not be read, nor ours be taken for its work."""
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    core.with_name("dump.202611230114").symlink_to("/etc/shadow")
    untrusted(machine)


def test_the_others_are_still_seen(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()))
    core = machine.kdump_tools("202611230114", flattened(Crash(crash_time=2)))
    make_fifo(core)
    first, second = look(machine)
    assert first.complete
    assert not second.trusted


def test_swapped_while_it_is_read(machine: Machine) -> None:
    """What was opened is what is read, whatever its name leads to by then."""
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    theirs = machine.kdump_tools("202611230114", flattened(Crash(release="theirs"))).parent
    theirs.rename(machine.root / "theirs")
    mine = core.parent
    opened = []

    def swap(fd: int) -> None:
        opened.append(fd)
        if os.path.samestat(os.fstat(fd), (machine.root / "theirs").stat()):
            pytest.fail("theirs was opened")
        if len(opened) == 2:
            mine.rename(machine.root / "mine")
            mine.symlink_to(machine.root / "theirs")

    (sighting,) = look(machine, on_directory=swap)
    assert len(opened) == 2
    assert sighting.facts.kernel_release == Crash().release


def test_gone_while_it_is_read(machine: Machine) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    machine.kdump_tools("202611230114", flattened(Crash(crash_time=2)))
    calls = []

    def remove(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 2:
            shutil.rmtree(core.parent)

    assert [one.directory for one in look(machine, on_directory=remove)] == [
        b"/var/crash/202611230114"
    ]


def test_what_comes_while_it_is_read(machine: Machine) -> None:
    """The directory is told before it is listed, so that nothing falls between."""
    came = list[Path]()

    def write(_: int) -> None:
        if not came:
            came.append(machine.kdump_tools(STAMP, flattened(Crash())))

    (sighting,) = look(machine, on_directory=write)
    assert sighting.complete


def test_every_directory_is_told(machine: Machine) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    (machine.crash / "empty").mkdir()
    told = set[int]()
    look(machine, on_directory=lambda fd: told.add(os.fstat(fd).st_ino))
    assert told == {
        path.stat().st_ino for path in (machine.crash, core.parent, machine.crash / "empty")
    }


def test_no_descriptor_is_left(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()))
    machine.kdump_utils(WHEN, kdump(Crash())[:-1])
    make_fifo(machine.kdump_tools("202611230114", flattened(Crash())))
    before = len(list(Path("/proc/self/fd").iterdir()))
    look(machine)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# Problems


@pytest.mark.parametrize("path", [b"/var", b"/var/crash"])
def test_a_link_on_the_path(machine: Machine, path: bytes) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()))
    link_elsewhere_directory(machine.root / os.fsdecode(path[1:]))
    directory = read_crash_directory(SharedFiles(Files(machine.root)), CRASH, {}, ignore)
    assert "link or no directory" in directory.facts.problem
    assert directory.facts.present
    assert not directory.listed
    assert directory.sightings == ()


def link_elsewhere_directory(path: Path) -> None:
    target = path.rename(path.parent / "elsewhere")
    path.symlink_to(target)


SEEN = """
import sys
from pathlib import Path
from kdumpd.observe.captures.scan import read_crash_directory
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles
files = SharedFiles(Files(Path(sys.argv[1])))
directory = read_crash_directory(files, b"/var/crash", {}, lambda _: None)
print(directory.facts.problem)
print(directory.listed, *sorted(name.decode() for name in directory.unread))
for sighting in directory.sightings:
    print(sighting.directory.decode(), sighting.state)
"""


async def seen_without_rights(machine: Machine) -> list[str]:
    """Return what is seen by one who is denied what modes deny.

    First the problem, then whether all is listed and what is unread, then the captures.
    """
    printed = await output(*WITHOUT_RIGHTS, sys.executable, "-c", SEEN, str(machine.root))
    return printed.decode().splitlines()


@pytest.mark.parametrize(
    ("unreadable", "problem"),
    [
        (f"{STAMP}", f"'/var/crash/{STAMP}' cannot be opened: Permission denied"),
        (f"{STAMP}/dump.{STAMP}", f"dump.{STAMP}' cannot be opened: Permission denied"),
    ],
)
async def test_unreadable(machine: Machine, unreadable: str, problem: str) -> None:
    """It is named, and the others are seen."""
    machine.kdump_tools(STAMP, flattened(Crash()))
    machine.kdump_tools("202611230114", flattened(Crash(crash_time=2)))
    (machine.crash / unreadable).chmod(0)
    said, unread, *captures = await seen_without_rights(machine)
    (machine.crash / unreadable).chmod(0o700)
    assert problem in said
    assert unread == f"True /var/crash/{STAMP}"
    assert captures == ["/var/crash/202611230114 complete"]


async def test_several_unreadable_directories(machine: Machine) -> None:
    for minute in range(3):
        machine.kdump_tools(f"20261123011{minute}", flattened(Crash())).parent.chmod(0)
    said, unread = await seen_without_rights(machine)
    for directory in machine.crash.iterdir():
        directory.chmod(0o700)
    assert "202611230110" in said
    assert unread.count("/var/crash/20261123011") == 3
    assert "and 2 more like this" in said


async def test_an_unreadable_crash_directory(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()))
    machine.crash.chmod(0)
    said, unread = await seen_without_rights(machine)
    machine.crash.chmod(0o700)
    assert said == "'/var/crash' cannot be opened: Permission denied"
    assert unread == "False"


async def test_a_crash_directory_that_can_only_be_listed(machine: Machine) -> None:
    """Its names are seen, and nothing of what they are: that makes nothing gone."""
    machine.kdump_tools(STAMP, flattened(Crash()))
    machine.crash.chmod(0o444)
    said, unread = await seen_without_rights(machine)
    machine.crash.chmod(0o700)
    assert said == f"'/var/crash/{STAMP}' cannot be read: Permission denied"
    assert unread == f"True /var/crash/{STAMP}"


MOUNTED = """
import os, subprocess
subprocess.run(["mount", "-t", "tmpfs", "x", sys.argv[1] + "/var/crash/mounted"], check=True)
told = []
files = SharedFiles(Files(Path(sys.argv[1])))
directory = read_crash_directory(files, b"/var/crash", {}, lambda fd: told.append(fd))
print(len(told), directory.facts.problem)
print(directory.listed, *directory.unread)
"""


@needs_root
async def test_a_mount_in_a_crash_directory(machine: Machine) -> None:
    """A user may mount there what never answers: it is named, and nothing is asked of it."""
    machine.kdump_tools(STAMP, flattened(Crash()))
    (machine.crash / "mounted").mkdir()
    program = f"{SEEN}{MOUNTED}"
    printed = await output(*MOUNTS_AS_ROOT, sys.executable, "-c", program, str(machine.root))
    *_, capture, said, unread = printed.decode().splitlines()
    assert capture == f"/var/crash/{STAMP} complete"
    assert said.startswith("2 '/var/crash/mounted' is another file system")
    assert unread == "True b'/var/crash/mounted'"


NEVER_ANSWERS = """
import ctypes, os, sys, threading
from pathlib import Path
from kdumpd.observe.captures.scan import read_crash_directory
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles

def mount(path):
    fuse = os.open("/dev/fuse", os.O_RDWR)  # nobody reads it
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
    if ctypes.CDLL(None).mount(b"x", os.fsencode(path), b"fuse", 0, options) != 0:
        sys.exit("cannot mount")

def look():
    files = SharedFiles(Files(Path(sys.argv[1])))
    directory = read_crash_directory(files, b"/var/crash", {}, lambda _: None)
    for sighting in directory.sightings:
        print(sighting.directory.decode(), sighting.state)
    print("looked", flush=True)

mount(sys.argv[2])
looking = threading.Thread(target=look, daemon=True)
looking.start()
looking.join(5)
os._exit(0)  # the thread is stuck, if the look is
"""


def has_fuse() -> bool:
    return os.access("/dev/fuse", os.R_OK | os.W_OK)


@needs_root
@pytest.mark.skipif(not has_fuse(), reason="no /dev/fuse")
@pytest.mark.parametrize(
    "name",
    [
        "theirs",
        f"theirs/dump.{STAMP}",
        f"theirs/dmesg.{STAMP}",
        f"theirs/{STAMP}",
        f"theirs/{STAMP}/dump.{STAMP}",
        "vmcore",
        f"linux-image-x-{STAMP}.crash",
    ],
)
async def test_a_mount_that_never_answers(machine: Machine, name: str) -> None:
    """Any user may mount one in a directory of his own, and make one where everybody may."""
    machine.kdump_tools(STAMP, flattened(Crash()))
    place = machine.crash / name
    place.mkdir(parents=True)
    printed = await output(
        *MOUNTS_AS_ROOT, sys.executable, "-c", NEVER_ANSWERS, str(machine.root), str(place)
    )
    lines = printed.decode().splitlines()
    assert f"/var/crash/{STAMP} complete" in lines
    assert "looked" in lines


@as_root
def test_more_directories_of_strangers_than_are_looked_into(machine: Machine) -> None:
    """They crowd out none of our own, whatever their names, and are counted."""
    machine.kdump_tools(STAMP, flattened(Crash()))
    for number in range(MAX_UNTRUSTED_DIRECTORIES + 10):
        for name in (f"0{number}", f"z{number}"):
            (machine.crash / name).mkdir()
            os.chown(machine.crash / name, SOMEBODY, SOMEBODY)
    told: list[int] = []
    directory = read_crash_directory(SharedFiles(Files(machine.root)), CRASH, {}, told.append)
    assert [sighting.directory for sighting in directory.sightings] == [b"/var/crash/202611230113"]
    assert directory.facts.problem == ""
    assert directory.facts.strangers == ((SOMEBODY, 2 * (MAX_UNTRUSTED_DIRECTORIES + 10), 0),)
    assert directory.listed
    assert len(told) == 1 + 1 + MAX_UNTRUSTED_DIRECTORIES


def of_strangers(machine: Machine) -> list[str]:
    """Return the names of what is listed, and not trusted."""
    look = read_crash_directory(SharedFiles(Files(machine.root)), CRASH, {}, lambda _: None)
    assert look.facts.problem == ""
    return [one.member.decode() for one in look.sightings if not one.trusted]


@as_root
@pytest.mark.parametrize("change", ["none", "link", "theirs", "trusted"])
def test_files_of_root_in_the_directory_of_a_stranger(machine: Machine, change: str) -> None:
    """Also at a look that does not open it again, and where it lies deeper."""
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    for file in core.parent.iterdir():
        if change == "theirs":
            os.chown(file, SOMEBODY, SOMEBODY)
        elif change == "link":  # as a user can make one where he may write to a file
            os.link(file, machine.root / f"{file.name}-of-root")
    if change != "trusted":
        os.chown(core.parent, SOMEBODY, SOMEBODY)
    path, inode = b"/var/crash/202611230113", core.parent.stat().st_ino
    expected = ((path, SOMEBODY, inode),) if change == "none" else ()
    visits = Visits(clock=count(step=10).__next__)
    known: Mapping[bytes, Sighting] = NOTHING
    for _ in range(3):
        look = read_crash_directory(SharedFiles(Files(machine.root)), CRASH, known, ignore, visits)
        (sighting,) = look.sightings
        known = {sighting.place: sighting}
        assert look.facts.mixed == expected
        assert sighting.mixed == bool(expected)
        assert sighting.trusted == (change == "trusted")


@as_root
def test_root_s_directory_in_that_of_a_stranger(machine: Machine) -> None:
    """As where he made the directory of a host."""
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    theirs = machine.crash / "host"
    theirs.mkdir()
    core.parent.rename(theirs / STAMP)
    os.chown(theirs, SOMEBODY, SOMEBODY)
    look = read_crash_directory(SharedFiles(Files(machine.root)), CRASH, {}, ignore)
    assert look.facts.mixed == ((b"/var/crash/host", SOMEBODY, theirs.stat().st_ino),)
    assert [(one.mixed, one.owner) for one in look.sightings] == [(True, SOMEBODY)]


@as_root
def test_more_captures_of_strangers_than_are_listed(machine: Machine) -> None:
    """One directory can hold many: kdumpst keeps all its cores in one."""
    machine.kdump_tools(STAMP, flattened(Crash()))
    for name in ("a", "b"):
        theirs = machine.crash / name
        theirs.mkdir()
        for number in range(MAX_UNTRUSTED_CAPTURES - 100):
            (theirs / f"vmcore.{number:012}").touch()
        os.chown(theirs, SOMEBODY, SOMEBODY)
    assert len(of_strangers(machine)) == MAX_UNTRUSTED_CAPTURES


@as_root
def test_those_that_are_listed_stay_listed(machine: Machine) -> None:
    """Whoever comes later, under whatever name, puts none out of the list."""
    machine.crash.chmod(0o1777)
    names = [f"linux-image-{number}-{STAMP}.crash" for number in range(MAX_UNTRUSTED_CAPTURES)]
    for name in names:
        (machine.crash / name).touch()
        os.chown(machine.crash / name, SOMEBODY, SOMEBODY)
    shared = SharedFiles(Files(machine.root))
    first = read_crash_directory(shared, CRASH, {}, lambda _: None)
    for number in range(100):
        later = machine.crash / f"linux-image-z{number}-{STAMP}.crash"
        later.touch()
        os.chown(later, SOMEBODY, SOMEBODY)
    known = {one.place: one for one in first.sightings}
    second = read_crash_directory(shared, CRASH, known, lambda _: None)
    assert sorted(one.place for one in second.sightings) == sorted(known)
    assert second.facts.strangers == ((SOMEBODY, 0, MAX_UNTRUSTED_CAPTURES + 100),)


@as_root
def test_names_of_strangers_hide_none_of_ours(machine: Machine) -> None:
    """Nor where root made a directory for everybody, as for users' programs."""
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    core.parent.chmod(0o1777)
    core.rename(core.with_name("aside"))
    for number in range(MAX_NAMES_IN_DIRECTORY + 100):
        name = core.with_name(f"{number}")
        name.touch()
        os.chown(name, SOMEBODY, SOMEBODY)
    core.with_name("aside").rename(core)
    assert only(machine).complete


@as_root
def test_strangers_are_counted_up_to_a_number_of_uids(machine: Machine) -> None:
    machine.crash.chmod(0o1777)
    for number in range(MAX_COUNTED_STRANGERS + 20):
        (machine.crash / f"{number}").mkdir()
        os.chown(machine.crash / f"{number}", 100_000 + number, -1)
    look = read_crash_directory(SharedFiles(Files(machine.root)), CRASH, {}, lambda _: None)
    assert len(look.facts.strangers) == MAX_COUNTED_STRANGERS + 1
    assert look.facts.strangers[0] == (OTHER_STRANGERS, 20, 0)


def test_more_of_our_own_than_are_looked_into_is_said() -> None:
    budget, group = Budget(), LastByName(MAX_CAPTURE_DIRECTORIES)
    for number in range(MAX_CAPTURE_DIRECTORIES + 1):
        group.add(stamp_of(b"%06d" % number))
    taken = budget.taken(group, own=True)
    assert len(taken) == MAX_CAPTURE_DIRECTORIES
    assert taken[0].name == b"000001"
    assert not budget.all_seen


def test_more_of_strangers_than_are_looked_into_is_nobodys_loss() -> None:
    budget, group = Budget(), LastByName(MAX_UNTRUSTED_DIRECTORIES, {b"000000"})
    for number in range(10 * MAX_UNTRUSTED_DIRECTORIES):
        group.add(stamp_of(b"%06d" % number))
    taken = budget.taken(group, own=False)
    assert len(taken) == MAX_UNTRUSTED_DIRECTORIES
    assert [taken[0].name, taken[1].name] == [b"000000", b"009001"]
    assert budget.all_seen
    budget.list_entries(MAX_UNTRUSTED_ENTRIES, own=False)
    assert budget.all_seen
    assert budget.taken(group, own=False) == []
    assert budget.entries(own=True) == MAX_ENTRIES


BY_A_USER = NEVER_ANSWERS.replace("user_id=0", "user_id=1000").replace(
    'print("looked"', 'print(directory.facts.problem or "no problem", *directory.unread, "looked"'
)


@needs_root
@pytest.mark.skipif(not has_fuse(), reason="no /dev/fuse")
async def test_a_mount_of_a_user_is_no_problem_of_the_machine(machine: Machine) -> None:
    """He can mount on what is his, also in a crash directory (fusermount(1))."""
    machine.kdump_tools(STAMP, flattened(Crash()))
    place = machine.crash / "theirs"
    place.mkdir()
    printed = await output(
        *MOUNTS_AS_ROOT, sys.executable, "-c", BY_A_USER, str(machine.root), str(place)
    )
    assert "no problem b'/var/crash/theirs' looked" in printed.decode().splitlines()


# What is known already


def test_known_is_kept(machine: Machine) -> None:
    """Nothing is read again of what nobody wrote."""
    machine.kdump_tools(STAMP, flattened(Crash()))
    machine.kdump_utils(WHEN, kdump(Crash(crash_time=2))[:-1])
    first = look(machine)
    second = look(machine, by_directory(first))
    assert [id(sighting) for sighting in second] == [id(sighting) for sighting in first]


CHANGES: dict[str, Callable[[Path], object]] = {
    "grown": lambda core: core.write_bytes(core.read_bytes() + b"\0"),
    "written again": lambda core: os.utime(core, ns=(1, 1)),  # a clock may tick too slowly
    "replaced": lambda core: shutil.copy2(core, f"{core}~") and Path(f"{core}~").rename(core),
    "mode": lambda core: core.chmod(0o600),
    "link": lambda core: core.with_name("another").hardlink_to(core),
    "log": lambda core: core.with_name(f"dmesg.{STAMP}").write_bytes(b"other words"),
    "no log": lambda core: core.with_name(f"dmesg.{STAMP}").unlink(),
    "another core": lambda core: core.with_name(f"vmcore.{STAMP}").write_bytes(b""),
    "directory's mode": lambda core: core.parent.chmod(0o777),
    "crash directory's mode": lambda core: core.parent.parent.chmod(0o777),
}


@pytest.mark.parametrize("change", CHANGES)
def test_known_is_read_again(machine: Machine, change: str) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    core.chmod(0o644)
    (first,) = look(machine)
    CHANGES[change](core)
    (second,) = look(machine, by_directory((first,)))
    assert second is not first
    assert second == only(machine)
    assert second != first


@as_root
def test_known_of_another_owner(machine: Machine) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    (first,) = look(machine)
    os.chown(core, SOMEBODY, -1)
    (second,) = look(machine, by_directory((first,)))
    assert not second.trusted


# Which capture it is


def test_id_of_a_growing_core(machine: Machine) -> None:
    """From the first look that finds the notes to the rename it is one capture."""
    crash = Crash()
    for content, name in ((flattened(crash), "dump-incomplete"), (kdump(crash), "dump-incomplete")):
        core = machine.kdump_tools(STAMP, b"")
        growing = core.rename(core.with_name(name))
        ids = []
        for size in range(6000, len(content), 500):
            growing.write_bytes(content[:size])
            ids.append(only(machine).id)
        growing.write_bytes(content)
        ids.append(only(machine).id)
        growing.rename(core)
        ids.append(only(machine).id)
        assert len(set(ids)) == 1
        shutil.rmtree(core.parent)


def test_id_of_a_copy(machine: Machine) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    shutil.copytree(core.parent, machine.crash / "saved")
    first, second = look(machine)
    assert first.id == second.id


def test_id_is_of_the_crash(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()), DMESG)
    machine.kdump_tools("202611230114", flattened(Crash(crash_time=1795396415)), DMESG)
    first, second = look(machine)
    assert first.id != second.id
    assert {len(first.id), len(second.id)} == {16}
    int(first.id, 16)


def test_id_of_a_core_that_does_not_say_when(machine: Machine) -> None:
    """What a kernel says of itself is the same at its next crash: without a time, ask the log."""
    crash = Crash(crash_time=None)
    machine.kdump_tools(STAMP, flattened(crash), b"[  111.1] Kernel panic\n")
    machine.kdump_tools("202611230114", flattened(crash), b"[  222.2] Kernel panic\n")
    first, second = look(machine)
    assert first.complete
    assert second.complete
    assert first.id != second.id


def test_id_of_a_log(machine: Machine) -> None:
    for stamp, words in (("1", b"same"), ("2", b"same"), ("3", b"other")):
        machine.kdump_tools(f"20261123011{stamp}", b"", words * 10).unlink()
    first, second, third = look(machine)
    assert first.id == second.id
    assert first.id != third.id


def test_id_of_a_long_log(machine: Machine) -> None:
    """The end is what differs."""
    boot = b"[    0.000000] Linux version 6.1.0\n" * 5000
    machine.kdump_tools(STAMP, b"", boot + b"one").unlink()
    machine.kdump_tools("202611230114", b"", boot + b"two").unlink()
    first, second = look(machine)
    assert first.id != second.id


def test_id_of_next_to_nothing(machine: Machine) -> None:
    for stamp in (STAMP, "202611230114"):
        core = machine.kdump_tools(stamp, b"")
        core.with_name(f"dmesg.{stamp}").unlink()
    first, second = look(machine)
    assert first.id != second.id


def test_id_does_not_change_by_itself(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()))
    assert only(machine) == only(machine)


@pytest.mark.parametrize("shut", ["var/crash", f"var/crash/{STAMP}"])
def test_a_directory_that_shuts_everybody_out(machine: Machine, shut: str) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()))
    core.chmod(0o644)
    (machine.root / "var").chmod(0o755)
    (machine.root / "var/crash").chmod(0o755)
    core.parent.chmod(0o755)
    (open_to_all,) = read_crash_directory(
        SharedFiles(Files(machine.root)), CRASH, {}, lambda _: None
    ).sightings
    assert open_to_all.reachable
    (machine.root / shut).chmod(0o700)
    known = {open_to_all.place: open_to_all}
    (shut_out,) = read_crash_directory(
        SharedFiles(Files(machine.root)), CRASH, known, lambda _: None
    ).sightings
    assert not shut_out.reachable
    assert not capture_from(shut_out, datetime.now(UTC)).world_readable
    assert capture_from(open_to_all, datetime.now(UTC)).world_readable


@pytest.mark.parametrize(
    ("directory", "log", "listed"),
    [
        ("1795396414", b"[    1.000000] usb 1-1: new device\n", True),
        ("notes", b"[    1.000000] usb 1-1: new device\n", False),
        ("notes", b"", False),
        ("saved", b"[    1.000000] Kernel panic - not syncing: sysrq triggered crash\n", True),
    ],
)
def test_a_log_that_may_be_a_note(
    machine: Machine, directory: str, log: bytes, *, listed: bool
) -> None:
    machine.crash.joinpath(directory).mkdir()
    machine.crash.joinpath(directory, "dmesg.txt").write_bytes(log)
    assert bool(look(machine)) is listed
