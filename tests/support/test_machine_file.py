# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine comes out of its text as it went in, to the last byte."""

import os
import stat
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine_file import (
    MOMENT,
    Entry,
    Machine,
    format_machine,
    main,
    pack,
    parse_machine,
    read_machine,
    unpack,
)

TEXT = """\
# A Debian, ready.
#
# - read: nothing
file mode=0600 time=1795419502 /boot/grub/grub.cfg
|# from /etc/grub.d
|
|\tset  default="0"\x20
>set last=1
file size=8388608 /boot/vmlinuz-6.1.0-56-amd64
file /proc/sys/kernel/panic
|0
file /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
:0600000001
directory mode=0700 /var/crash
file /var/crash/kdump_lock
link time=1795419264 /vmlinuz -> boot/vmlinuz-6.1.0-56-amd64
$ kdump-config status
|current state   : ready to kdump
|exit status 0
"""
NAMES = st.sampled_from(("a", "-> b", " ", "$ c", "größe", "# d", "|e", "f=1", ".g"))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
LINES = st.sampled_from(
    (b"word", b"\n", b"\n\n", b"|", b">", b":00", b"\t", b"\r\n", b"\0", b"\xff", b"\xc2\xa0")
)
CONTENTS = st.binary(max_size=100) | st.lists(LINES, max_size=8).map(b"".join)
MODES = st.none() | st.integers(0, 0o7777)
TIMES = st.integers(0, 1 << 33)
ENTRIES = st.one_of(
    st.builds(
        Entry,
        kind=st.just("file"),
        path=PATHS,
        mode=MODES,
        mtime=TIMES,
        content=CONTENTS,
    ),
    st.builds(
        Entry,
        kind=st.just("file"),
        path=PATHS,
        mode=MODES,
        mtime=TIMES,
        size=st.integers(1, 1 << 40),
    ),
    st.builds(Entry, kind=st.just("directory"), path=PATHS, mode=MODES, mtime=TIMES),
    st.builds(
        Entry,
        kind=st.just("link"),
        path=PATHS.filter(lambda path: " -> " not in path),
        mtime=TIMES,
        target=PATHS,
    ),
    st.builds(
        Entry,
        kind=st.just("command"),
        path=st.sampled_from(("kdump-config show", "df -B1 / /boot")),
        content=CONTENTS,
    ),
)
ABOUT = st.sampled_from(("A machine.", "A machine.\n\n- read: much", "", "# twice"))
# A directory that they all go into: none is another's parent, or the same.
APART = st.lists(ENTRIES.filter(lambda entry: entry.kind != "command"), max_size=6).map(
    lambda entries: tuple(
        replace(entry, path=f"{number}/{entry.path}", size=min(entry.size, 1 << 16))
        for number, entry in enumerate(entries)
    )
)


def test_what_a_text_says() -> None:
    machine = parse_machine(TEXT.encode())
    assert machine.story == "A Debian, ready."
    grub, kernel, panic, secure, crash, lock, link, command = machine.entries
    assert grub.content == b'# from /etc/grub.d\n\n\tset  default="0" \nset last=1'
    assert (grub.path, grub.mode, grub.mtime) == ("boot/grub/grub.cfg", 0o600, 1_795_419_502)
    assert (kernel.size, kernel.content) == (8 << 20, b"")
    assert (panic.content, panic.mode, panic.mtime) == (b"0\n", None, MOMENT)
    assert secure.content == b"\x06\x00\x00\x00\x01"
    assert (crash.kind, crash.mode) == ("directory", 0o700)
    assert (lock.kind, lock.size, lock.content) == ("file", 0, b"")
    assert (link.path, link.target) == ("vmlinuz", "boot/vmlinuz-6.1.0-56-amd64")
    assert machine.commands == (command,)
    assert command.path == "kdump-config status"


def test_a_directory_is_made_of_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    unpack(parse_machine(TEXT.encode()), root)
    kernel = (root / "boot/vmlinuz-6.1.0-56-amd64").stat()
    assert (kernel.st_size, kernel.st_blocks, stat.S_IMODE(kernel.st_mode)) == (8 << 20, 0, 0o644)
    assert (root / "vmlinuz").lstat().st_mtime == 1_795_419_264
    assert stat.S_IMODE((root / "var/crash").stat().st_mode) == 0o700
    assert (root / "boot").stat().st_mtime == (root / "var/crash").stat().st_mtime == MOMENT
    assert (root / "boot/grub/grub.cfg").read_bytes().endswith(b"\nset last=1")


@given(st.builds(Machine, ABOUT, st.lists(ENTRIES, max_size=6).map(tuple)))
@settings(deadline=None)
def test_a_machine_comes_out_of_its_text_as_it_went_in(machine: Machine) -> None:
    text = format_machine(machine)
    assert parse_machine(text) == machine
    assert format_machine(parse_machine(text)) == text


@given(CONTENTS)
def test_people_see_each_character_of_a_text(content: bytes) -> None:
    machine = Machine("", (Entry(kind="file", path="a", content=content),))
    assert all(line.replace("\t", "").isprintable() for line in lines_of(machine))


def lines_of(machine: Machine) -> list[str]:
    return format_machine(machine).decode().split("\n")


@given(APART)
@settings(deadline=None, max_examples=50)
def test_a_directory_is_packed_as_it_was_unpacked(entries: tuple[Entry, ...]) -> None:
    with TemporaryDirectory() as directory:
        first, second = Path(directory) / "first", Path(directory) / "second"
        unpack(Machine("", entries), first)
        packed = tuple(pack(first))
        unpack(Machine("", packed), second)
        assert tuple(pack(second)) == packed
    assert {seen(entry) for entry in entries} <= {seen(entry) for entry in packed}


def seen(entry: Entry) -> tuple[str, str, int, bytes, str]:
    """Return what both have; zeros are zeros, however they were said."""
    zeros = not any(entry.content)
    size = len(entry.content) or entry.size if zeros else 0
    content = b"" if zeros else entry.content
    return (entry.kind, entry.path, entry.mtime + size, content, entry.target)


@pytest.mark.parametrize(
    "line",
    [
        "|0",
        "fifo /run/initctl",
        "file proc/cmdline",
        "file mode=rw /proc/cmdline",
        "file size=4 /proc/cmdline\n|quiet",
        "directory /boot\n|quiet",
        "directory size=4 /boot",
        "link /bin -> usr/bin\n|quiet",
        "file /var/../../etc/passwd",
        "file /proc/cmdline\nquiet",
        "file /proc/cmdline\n:0",
        "file /proc/cmdline\n\n",
        "file /proc/cmdline\n# no comment",
    ],
)
def test_what_is_no_text_of_a_machine(line: str) -> None:
    with pytest.raises(ValueError, match=r"^(no such line|against itself|non-hexadecimal)"):
        parse_machine(f"# A machine.\n{line}\n".encode())


@pytest.mark.parametrize(
    "entry",
    [
        Entry(kind="file", path="a\nb"),
        Entry(kind="file", path="../a"),
        Entry(kind="link", path="a -> b", target="c"),
        Entry(kind="file", path="a", size=4, content=b"0"),
        Entry(kind="command", path="true\nfile /a"),
    ],
    ids=lambda entry: entry.path,
)
def test_what_has_no_place_in_a_text(entry: Entry) -> None:
    with pytest.raises(ValueError, match=r"^(no such line|against itself|not to be written)"):
        format_machine(Machine("A machine.", (entry,)))


def test_no_file_is_made_through_a_link(tmp_path: Path) -> None:
    text = f"# A machine.\nlink /a -> {tmp_path}/outside\nfile /a/b\n"
    (tmp_path / "outside").mkdir()
    with pytest.raises(FileNotFoundError):
        unpack(parse_machine(text.encode()), tmp_path / "root")
    assert not list((tmp_path / "outside").iterdir())


def test_what_is_neither_file_nor_directory_nor_link_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="fifo"):
        list(pack(tmp_path))


def test_by_hand(tmp_path: Path) -> None:
    text, again = tmp_path / "debian.txt", tmp_path / "again.txt"
    text.write_text(TEXT)
    main(["unpack", str(text), str(tmp_path / "root")])
    main(["pack", str(tmp_path / "root"), str(again)])
    assert again.read_text().startswith("# again.\n")
    # Over the old text: what a directory cannot hold is kept.
    (tmp_path / "root/proc/sys/kernel/panic").write_text("5\n")
    main(["pack", str(tmp_path / "root"), str(text)])
    machine = read_machine(text)
    assert (machine.about, len(machine.commands)) == ("A Debian, ready.\n\n- read: nothing", 1)
    (panic,) = (entry for entry in machine.entries if entry.path == "proc/sys/kernel/panic")
    assert panic.content == b"5\n"
    with pytest.raises(SystemExit, match="neither pack nor unpack"):
        main(["list", "a", "b"])
