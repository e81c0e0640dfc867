# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.formats.mounts import (
    FstabEntry,
    Mount,
    clean_path,
    find_mount,
    is_inside,
    mount_unit,
    parse_fstab,
    parse_mountinfo,
)

TABLE = b"""\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro
40 27 254:1 / /var ro,relatime - ext4 /dev/vdb rw
41 40 254:2 / /var/crash rw shared:2 master:1 - xfs /dev/mapper/vg-a\\040b ro,attr2
42 40 0:40 / /var/crash rw - tmpfs tmpfs rw
"""
FSTAB = b"""\
# <file system> <mount point> <type> <options> <dump> <pass>
UUID=4a9d / ext4 errors=remount-ro 0 1
LABEL="my\\040disk"\t/srv/my\\040disk  xfs  defaults,noauto
/dev/vdc /mnt ext4 noauto,x-systemd.automount
/dev/vdd none swap sw 0 0
/dev/vde /bare
"""


def test_mounts() -> None:
    root, var, crash, above = parse_mountinfo(TABLE)
    assert root == Mount(point=b"/", type="ext4", source=b"/dev/vda")
    assert not var.read_only  # this view of it is, and the file system is not
    _, var_of_machine, *_ = parse_mountinfo(TABLE, of_machine=True)
    assert var_of_machine.read_only
    assert crash.read_only
    assert (crash.type, crash.source) == ("xfs", b"/dev/mapper/vg-a b")
    assert above.type == "tmpfs"


def test_a_cut_line() -> None:
    (mount,) = parse_mountinfo(b"27 1 254:0 / /var rw,relatime shared:1")
    assert mount == Mount(point=b"/var")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"/", "ext4"),
        (b"/variable", "ext4"),
        (b"/var", "ext4"),
        (b"/var/crashes", "ext4"),
        (b"/var/crash", "tmpfs"),
        (b"/var/crash/x", "tmpfs"),
    ],
)
def test_what_a_path_lies_on(path: bytes, kind: str) -> None:
    mount = find_mount(parse_mountinfo(TABLE), path)
    assert mount is not None
    assert mount.type == kind


def test_no_mounts() -> None:
    assert find_mount((), b"/var") is None


def test_fstab() -> None:
    entries = list(parse_fstab(FSTAB))
    assert entries == [
        FstabEntry(source=b"UUID=4a9d", point=b"/", options=("errors=remount-ro",)),
        FstabEntry(source=b"LABEL=my disk", point=b"/srv/my disk", options=("defaults", "noauto")),
        FstabEntry(source=b"/dev/vdc", point=b"/mnt", options=("noauto", "x-systemd.automount")),
        FstabEntry(source=b"/dev/vde", point=b"/bare", options=("",)),
    ]
    assert [entry.at_boot for entry in entries] == [True, False, True, True]


@pytest.mark.parametrize(
    ("point", "unit"),
    [
        (b"/", "-.mount"),
        (b"/var/crash", "var-crash.mount"),
        (b"/srv/my-disk", r"srv-my\x2ddisk.mount"),
        (b"/.a/b.c d", r"\x2ea-b.c\x20d.mount"),
        ("/ä".encode(), r"\xc3\xa4.mount"),
    ],
)
def test_the_unit_of_a_mount(point: bytes, unit: str) -> None:
    assert mount_unit(point) == unit


@pytest.mark.parametrize(
    ("path", "clean"),
    [(b"/a//b/./c/", b"/a/b/c"), (b"a", b"/a"), (b"", b"/"), (b"/..", b"/..")],
)
def test_a_clean_path(path: bytes, clean: bytes) -> None:
    assert clean_path(path) == clean


@pytest.mark.parametrize(
    ("path", "directory", "inside"),
    [
        (b"/var/crash", b"/var/crash", True),
        (b"/var/crash/1", b"/var/crash", True),
        (b"/var/crash/1", b"/var/crash/", True),
        (b"/var/crash2", b"/var/crash", False),
        (b"/var", b"/var/crash", False),
        (b"/var/crash", b"/", True),
        (b"/", b"/", True),
    ],
)
def test_inside_a_directory(path: bytes, directory: bytes, *, inside: bool) -> None:
    assert is_inside(path, directory) is inside


@given(table=st.binary(max_size=200))
def test_any_table(table: bytes) -> None:
    for mount in parse_mountinfo(b"27 1 254:0 / " + table):
        assert mount.type.isascii()
    for entry in parse_fstab(b"/dev/vda /" + table):
        assert entry.point.startswith(b"/")
