# SPDX-License-Identifier: GPL-2.0-or-later
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.formats.mounts import parse_mount_points, parse_user_mount_points
from kdumpd.observe.captures.safe_open import read_mount_points, read_mounted_names
from tests.support.namespace import MOUNTS_AS_ROOT, needs_root
from tests.support.process import output

TABLE = b"""\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid shared:2 - proc proc rw
40 22 0:35 / /var/crash rw,relatime shared:3 - nfs4 server:/crash rw
41 40 0:36 / /var/crash/a\\040blank rw - tmpfs tmpfs rw
42 40 0:37 / /var/crash/a\\011tab\\134and\\012more rw - tmpfs tmpfs rw
43 40 0:38 /sub\\040directory /mnt rw - ext4 /dev/vdb rw
"""


def test_mount_points() -> None:
    assert list(parse_mount_points(TABLE)) == [
        b"/",
        b"/proc",
        b"/var/crash",
        b"/var/crash/a blank",
        b"/var/crash/a\ttab\\and\nmore",
        b"/mnt",
    ]


def test_no_table() -> None:
    assert list(parse_mount_points(b"")) == []
    assert list(parse_mount_points(b"\n22 1 254:0\n")) == []


@given(name=st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name))
@settings(deadline=None)
def test_any_name(name: bytes) -> None:
    """The kernel escapes these four, and nothing else: the name is whatever a user chose."""
    escaped = name
    for char in (b"\\", b" ", b"\t", b"\n"):
        escaped = escaped.replace(char, b"\\%03o" % char[0])
    table = b"41 40 0:36 / /var/crash/%s rw - fuse.x x rw\n" % escaped
    assert list(parse_mount_points(table)) == [b"/var/crash/" + name]


def names_in(path: str) -> frozenset[bytes]:
    fd = os.open(path, os.O_RDONLY)
    try:
        return read_mounted_names(fd, read_mount_points())
    finally:
        os.close(fd)


def test_this_machine(tmp_path: Path) -> None:
    assert b"proc" in names_in("/")
    assert names_in(str(tmp_path)) == frozenset()


PROGRAM = r"""
import os, subprocess, sys
from kdumpd.observe.captures.safe_open import read_mount_points, read_mounted_names
directory = os.open(sys.argv[1], os.O_RDONLY)
for name in (b"a", b"b c", b"d\re", b"f\\g", b"h\n", b"\xff", b"i/deeper"):
    path = os.path.join(os.fsencode(sys.argv[1]), name)
    os.makedirs(path)
    subprocess.run([b"mount", b"-t", b"tmpfs", b"x", path], check=True)
os.mkdir(sys.argv[1] + "/not")
os.mkdir(sys.argv[1] + "2")
subprocess.run(["mount", "-t", "tmpfs", "x", sys.argv[1] + "2"], check=True)
print(sorted(read_mounted_names(directory, read_mount_points())))
"""


@needs_root
@pytest.mark.parametrize("name", ["crash", "a b"])
async def test_real_mounts(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    printed = await output(*MOUNTS_AS_ROOT, sys.executable, "-c", PROGRAM, str(directory))
    expected = [b"a", b"b c", b"d\re", b"f\\g", b"h\n", b"\xff"]
    assert printed.decode() == f"{expected}\n"


def test_mounts_of_users() -> None:
    """FUSE says who has mounted it; fusermount(1) lets a user mount on what is his."""
    table = (
        rb"36 22 0:40 / /var/crash/his\040own rw,nosuid shared:1 - fuse.sshfs h: rw,user_id=1000"
        b",group_id=1000\n"
        b"37 22 0:41 / /var/crash/roots rw - fuse.glusterfs h:/ rw,user_id=0,group_id=0\n"
        b"38 22 0:42 / /var/crash/disk rw - ext4 /dev/vdb rw,user_id=1000\n"
        b"39 22 0:43 / /var/crash/cut rw - fuse\n40 22\n\n"
    )
    assert list(parse_user_mount_points(table)) == [b"/var/crash/his own"]
