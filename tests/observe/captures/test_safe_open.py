# SPDX-License-Identifier: GPL-2.0-or-later
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest

from kdumpd.model.captures.core import FileStamp
from kdumpd.observe.captures.safe_open import (
    Directory,
    DirectoryError,
    VanishedError,
    open_crash_directory,
    untrusted_reason,
)
from tests.support.rights import SOMEBODY, as_root

CRASH = b"/var/crash"


def ignore(_: int) -> None:
    pass


@pytest.fixture
def crash(tmp_path: Path) -> Path:
    path = tmp_path / "var/crash"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def directory(tmp_path: Path, crash: Path) -> Iterator[Directory]:
    assert crash.is_dir()
    with opened(tmp_path) as directory:
        yield directory


@contextmanager
def opened(root: Path, path: bytes = CRASH) -> Iterator[Directory]:
    with open_crash_directory(root, path, ignore) as directory:
        assert directory is not None
        yield directory


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


@pytest.mark.parametrize("path", [CRASH, b"/var/crash/", b"//var//crash", b"var/crash"])
def test_opens(tmp_path: Path, crash: Path, path: bytes) -> None:
    with opened(tmp_path, path) as directory:
        assert os.path.samestat(os.fstat(directory.fd), crash.stat())
        assert directory.trusted
        assert directory.owner == os.getuid()
        assert directory.names() == []


def test_root_itself(tmp_path: Path, crash: Path) -> None:
    with opened(tmp_path, b"/") as directory:
        assert directory.names() == [b"var"]
        assert directory.trusted
        with directory.open_directory(b"var") as var:
            assert (var.path, var.name) == (b"/var", b"var")
            assert var.names() == [crash.name.encode()]


def test_names_are_sorted_and_bytes(crash: Path, directory: Directory) -> None:
    for name in (b"b", b"\xff\xfe", b"a", b"\n", b"\xc3\xa4"):
        (crash / os.fsdecode(name)).mkdir()
    assert directory.names() == [b"\n", b"a", b"b", b"\xc3\xa4", b"\xff\xfe"]


@pytest.mark.parametrize("path", [b"/var/nothing", b"/nothing", b"/nothing/crash/deeper"])
def test_missing(tmp_path: Path, crash: Path, path: bytes) -> None:
    assert crash.is_dir()
    with open_crash_directory(tmp_path, path, ignore) as directory:
        assert directory is None


def test_told_of_the_directory_before_it_is_listed(tmp_path: Path, crash: Path) -> None:
    """Whoever watches from then on misses nothing: what comes later is an event."""
    told = []

    def on_directory(fd: int) -> None:
        told.append(identity(fd))
        (crash / "late").mkdir()

    with open_crash_directory(tmp_path, CRASH, on_directory) as directory:
        assert directory is not None
        assert told == [identity(directory.fd)]
        assert directory.names() == [b"late"]


def test_told_of_the_last_directory_that_exists(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    told = []
    with open_crash_directory(tmp_path, b"/var/lib/crash", lambda fd: told.append(identity(fd))):
        assert told == [identity_of(tmp_path / "var")]


def test_made_just_when_it_was_missing(tmp_path: Path) -> None:
    """What appears between the failed opening and the watch is seen at once."""
    with open_crash_directory(
        tmp_path, CRASH, lambda _: (tmp_path / "var/crash").mkdir(parents=True, exist_ok=True)
    ) as directory:
        assert directory is not None


def identity_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@pytest.mark.parametrize("component", ["var", "var/crash"])
def test_link_on_the_path(tmp_path: Path, component: str) -> None:
    (tmp_path / "real/crash").mkdir(parents=True)
    (tmp_path / component).parent.mkdir(exist_ok=True)
    (tmp_path / component).symlink_to(tmp_path / "real")
    with pytest.raises(DirectoryError, match="link or no directory"), opened(tmp_path):
        pass


def test_file_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var/crash").write_bytes(b"")
    with (
        pytest.raises(DirectoryError, match=r"'/var/crash' is, or leads through"),
        opened(tmp_path),
    ):
        pass


def test_fifo_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    os.mkfifo(tmp_path / "var/crash")
    with pytest.raises(DirectoryError), opened(tmp_path):
        pass


def test_a_name_too_long(tmp_path: Path) -> None:
    with (
        pytest.raises(DirectoryError, match="File name too long"),
        opened(tmp_path, b"/" + b"a" * 300),
    ):
        pass


def test_errors_are_safe_to_show(tmp_path: Path) -> None:
    path = b"/\x1b[2J\n\xff"
    (tmp_path / os.fsdecode(path[1:])).symlink_to("/")
    with pytest.raises(DirectoryError) as caught, opened(tmp_path, path):
        pass
    assert str(caught.value).isprintable()
    assert r"\x1b[2J\n" in str(caught.value)


def test_no_descriptor_is_left(tmp_path: Path, crash: Path) -> None:
    (crash / "inside").mkdir()
    (crash / "file").write_bytes(b"")
    (crash / "link").symlink_to("inside")
    before = descriptors()
    with opened(tmp_path) as directory:
        directory.names()
        with directory.open_directory(b"inside"), directory.open_file(directory.stamp(b"file")):
            pass
        with pytest.raises(DirectoryError), directory.open_directory(b"link"):
            pass
    for path in (b"/var/nothing", b"/var/crash/link", b"/var/crash/file"):
        try:
            with open_crash_directory(tmp_path, path, ignore):
                pass
        except DirectoryError:
            pass
    assert descriptors() == before


def test_descriptors_are_not_inherited(directory: Directory, crash: Path) -> None:
    (crash / "file").write_bytes(b"")
    with directory.open_file(directory.stamp(b"file")) as fd:
        assert not os.get_inheritable(fd)
    assert not os.get_inheritable(directory.fd)


@pytest.mark.parametrize(
    ("mode", "trusted"),
    [
        (0o700, True),
        (0o755, True),
        (0o775, False),
        (0o757, False),
        (0o777, False),
        (0o1777, True),
        (0o3777, True),  # Ubuntu's
        (0o2775, False),
    ],
)
@pytest.mark.parametrize("component", ["var", "var/crash"])
def test_trust_by_mode(
    tmp_path: Path, crash: Path, component: str, mode: int, *, trusted: bool
) -> None:
    assert crash.is_dir()
    (tmp_path / component).chmod(mode)
    with opened(tmp_path) as directory:
        assert directory.trusted is trusted


@pytest.mark.parametrize(("mode", "trusted"), [(0o755, True), (0o777, False)])
def test_trust_of_a_directory_inside(
    crash: Path, directory: Directory, mode: int, *, trusted: bool
) -> None:
    (crash / "inside").mkdir()
    (crash / "inside").chmod(mode)
    with directory.open_directory(b"inside") as inside:
        assert inside.trusted is trusted
        assert inside.path == b"/var/crash/inside"
    (crash / "inside").chmod(0o755)
    crash.chmod(0o777)
    with opened(crash.parent.parent) as outside, outside.open_directory(b"inside") as inside:
        assert not inside.trusted


@as_root
@pytest.mark.parametrize("component", ["var", "var/crash"])
def test_foreign_owner_of_a_directory(tmp_path: Path, crash: Path, component: str) -> None:
    assert crash.is_dir()
    os.chown(tmp_path / component, SOMEBODY, SOMEBODY)
    with opened(tmp_path) as directory:
        assert not directory.trusted


@as_root
def test_the_owner_is_the_one_of_the_root(tmp_path: Path, crash: Path) -> None:
    """So that a test needs no root, and a tree of somebody else is not trusted in part."""
    for path in (tmp_path, crash.parent, crash):
        os.chown(path, SOMEBODY, SOMEBODY)
    with opened(tmp_path) as directory:
        assert directory.trusted
        assert directory.owner == SOMEBODY
    os.chown(crash, 0, 0)
    with opened(tmp_path) as directory:
        assert not directory.trusted


def test_stamp(crash: Path, directory: Directory) -> None:
    (crash / "file").write_bytes(b"content")
    status = (crash / "file").stat()
    stamp = directory.stamp(b"file")
    assert stamp == FileStamp(
        name=b"file",
        inode=status.st_ino,
        size=7,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
        mode=status.st_mode,
        links=1,
        owner=status.st_uid,
    )
    assert untrusted_reason(stamp, os.getuid()) == ""


def test_stamp_of_a_link_is_its_own(crash: Path, directory: Directory) -> None:
    (crash / "file").write_bytes(b"content")
    (crash / "link").symlink_to("file")
    assert stat.S_ISLNK(directory.stamp(b"link").mode)


def test_stamp_of_nothing(directory: Directory) -> None:
    with pytest.raises(VanishedError, match="'/var/crash/nothing' does not exist"):
        directory.stamp(b"nothing")


def test_open_file(crash: Path, directory: Directory) -> None:
    (crash / "file").write_bytes(b"content")
    with directory.open_file(directory.stamp(b"file")) as fd:
        assert os.read(fd, 100) == b"content"


def link_to_another(path: Path) -> None:
    path.with_name("another").write_bytes(b"secret")
    path.symlink_to("another")


def hard_link(path: Path) -> None:
    path.with_name("another").write_bytes(b"secret")
    path.hardlink_to(path.with_name("another"))


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


REPLACEMENTS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "file": lambda path: path.write_bytes(b"another"),
    "link": link_to_another,
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to where it went": lambda path: path.symlink_to("moved"),
    "hard link": hard_link,
    "fifo": os.mkfifo,
    "directory": Path.mkdir,
    "socket": make_socket,
}


@pytest.mark.parametrize("replacement", REPLACEMENTS)
def test_file_replaced_before_it_is_opened(
    crash: Path, directory: Directory, replacement: str
) -> None:
    path = crash / "file"
    path.write_bytes(b"content")
    stamp = directory.stamp(b"file")
    path.rename(crash / "moved")  # its inode is not free for the other
    with chdir(crash):  # a socket's path is short
        REPLACEMENTS[replacement](Path("file"))
    with pytest.raises(DirectoryError), directory.open_file(stamp):
        pass


@pytest.mark.parametrize("replacement", sorted(REPLACEMENTS.keys() - {"directory"}))
def test_directory_replaced_before_it_is_opened(
    crash: Path, directory: Directory, replacement: str
) -> None:
    path = crash / "202611230113"
    path.mkdir()
    assert stat.S_ISDIR(directory.stamp(b"202611230113").mode)
    path.rename(crash / "moved")
    with chdir(crash):
        REPLACEMENTS[replacement](Path("202611230113"))
    with pytest.raises(DirectoryError), directory.open_directory(b"202611230113"):
        pass


def test_directory_replaced_after_it_was_opened(crash: Path, directory: Directory) -> None:
    path = crash / "202611230113"
    path.mkdir()
    (path / "mine").write_bytes(b"")
    with directory.open_directory(b"202611230113") as inside:
        path.rename(crash / "moved")
        (crash / "theirs").mkdir()
        path.symlink_to("theirs")
        assert inside.names() == [b"mine"]


def test_device_is_not_opened() -> None:
    with opened(Path("/"), b"/dev") as directory:
        stamp = directory.stamp(b"null")
        assert untrusted_reason(stamp, 0) == "is not a regular file"
        with pytest.raises(DirectoryError), directory.open_file(stamp):
            pass


STAMP = FileStamp(
    name=b"vmcore",
    inode=1,
    size=1,
    modified_ns=1,
    changed_ns=1,
    mode=stat.S_IFREG | 0o644,
    links=1,
    owner=0,
)


def changed(**values: int) -> FileStamp:
    return FileStamp(**{**{name: getattr(STAMP, name) for name in STAMP.__slots__}, **values})


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        (STAMP, ""),
        (changed(mode=stat.S_IFREG | 0o600), ""),
        (changed(mode=stat.S_IFREG | 0o444), ""),
        (changed(mode=stat.S_IFREG | 0o664), "writable by others than its owner (mode 0664)"),
        (changed(mode=stat.S_IFREG | 0o602), "writable by others than its owner (mode 0602)"),
        (changed(mode=stat.S_IFREG | 0o1666), "writable by others"),  # sticky says nothing on files
        (changed(mode=stat.S_IFLNK | 0o777), "not a regular file"),
        (changed(mode=stat.S_IFIFO | 0o600), "not a regular file"),
        (changed(mode=stat.S_IFDIR | 0o700), "not a regular file"),
        (changed(mode=stat.S_IFBLK | 0o600), "not a regular file"),
        (changed(mode=stat.S_IFSOCK | 0o600), "not a regular file"),
        (changed(links=2), "has 2 hard links"),
        (changed(links=0), "has 0 hard links"),
        (changed(owner=SOMEBODY), "belongs to uid 1000, not to uid 0"),
    ],
)
def test_untrusted_reason(stamp: FileStamp, reason: str) -> None:
    found = untrusted_reason(stamp, 0)
    assert reason in found
    assert bool(reason) == bool(found)
