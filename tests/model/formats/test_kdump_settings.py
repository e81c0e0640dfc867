# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.formats.kdump_settings import (
    DumpTarget,
    TargetKind,
    kdump_conf_options,
    parse_kdump_conf,
    parse_kdump_tools,
    parse_level,
    parse_suse,
)
from kdumpd.model.text import MIB

CRASH = DumpTarget(kind=TargetKind.DIRECTORY, place=b"/var/crash")


def remote(place: bytes) -> DumpTarget:
    return DumpTarget(kind=TargetKind.REMOTE, place=place)


@pytest.mark.parametrize("parse", [parse_kdump_tools, parse_kdump_conf, parse_suse])
def test_nothing_said(parse: type) -> None:
    told = parse(b"")
    assert told.targets == (CRASH,)
    assert told.level == 31
    assert told.compressed


@pytest.mark.parametrize(
    ("script", "targets"),
    [
        (
            b'KDUMP_COREDIR="/srv/crash/"\n',
            (DumpTarget(kind=TargetKind.DIRECTORY, place=b"/srv/crash"),),
        ),
        (b"#NFS=server:/crash\n", (CRASH,)),
        (b"NFS=server:/crash\n", (remote(b"server:/crash"),)),
        (b"SSH=root@server\nKDUMP_COREDIR=/var/crash\n", (remote(b"root@server"),)),
        (b"FTP=server:/up\nFTP_PASSWORD=x\n", (remote(b"server:/up"),)),
        (b'KDUMP_COREDIR="/srv/$(hostname)"\n', ()),
        (b"FTP=server\nNFS=s:/c\n", (remote(b"server"), remote(b"s:/c"))),
    ],
)
def test_kdump_tools(script: bytes, targets: tuple[DumpTarget, ...]) -> None:
    assert parse_kdump_tools(script).targets == targets


@pytest.mark.parametrize(
    ("script", "level", "compressed"),
    [
        (b'MAKEDUMP_ARGS="-c -d 31"\n', 31, True),
        (b'MAKEDUMP_ARGS="-F -d 17"\n', 17, False),
        (b'MAKEDUMP_ARGS="-l -d 1,31"\n', 31, True),
        (b'MAKEDUMP_ARGS="-c"\n', 0, True),
        (b'MAKEDUMP_ARGS="-d 31"\nKDUMP_COMPRESSION=xz\n', 31, True),
        (b'#MAKEDUMP_ARGS="-d 1"\n', 31, True),
    ],
)
def test_how_much_kdump_tools_write(script: bytes, level: int, *, compressed: bool) -> None:
    told = parse_kdump_tools(script)
    assert (told.level, told.compressed) == (level, compressed)
    assert told.makes_directory


def on(device: bytes, path: bytes = b"/var/crash") -> DumpTarget:
    return DumpTarget(kind=TargetKind.FILE_SYSTEM, place=device, below=path)


# What kdumpctl has of each after `while read -r option value` over what kdump_read_conf prints.
@pytest.mark.parametrize(
    ("text", "options"),
    [
        (b"", {}),
        (b"\n \n\t\n\r\n# path /x\n \t#path /x\n", {}),
        (b"path /x\n", {b"path": b"/x"}),
        (b"path /x", {b"path": b"/x"}),
        (b"path\t/x\n", {b"path": b"/x"}),
        (b" \tpath \t /x \t\n", {b"path": b"/x"}),
        (b"path\n", {b"path": b""}),
        (b"path  \n", {b"path": b""}),
        (b"a b  c\td\n", {b"a": b"b  c\td"}),
        (b"path /x # why\n", {b"path": b"/x"}),
        (b"path /x#why # so\n", {b"path": b"/x"}),
        (b"path # why\n", {b"path": b""}),
        (b"path# /x\n", {b"path#": b"/x"}),
        (b'path "/x"\n', {b"path": b"/x"}),
        (b'path "/x" # why\n', {b"path": b"/x"}),
        (b'path "/x # why"\n', {b"path": b'"/x'}),
        (b'path ""/x""\n', {b"path": b'"/x"'}),
        (b'path " /x "\n', {b"path": b"/x"}),
        (b'path ""\n', {b"path": b""}),
        (b'path "\n', {b"path": b'"'}),
        (b"path '/x'\n", {b"path": b"'/x'"}),
        (b'"path" /x\n', {b'"path"': b"/x"}),
        (b'a "b" "c"\n', {b"a": b'b" "c'}),
        (b'a b "c"\n', {b"a": b'b "c"'}),
        (b"path /x\\\n/y\n", {b"path": b"/x\\", b"/y": b""}),
        (b"path /x\r\n", {b"path": b"/x\r"}),
        (b"path /x\r#why\r\n", {b"path": b"/x"}),
        (b"path\x0b/x\n", {b"path\x0b/x": b""}),
        (b"pa\0th /x\n", {b"path": b"/x"}),
        (b"path /x\nraw /y\npath /z\n", {b"raw": b"/y", b"path": b"/z"}),
        (b"path /x\npath\n", {b"path": b""}),
    ],
)
def test_kdump_conf_is_read_as_kdump_utils_do(text: bytes, options: dict[bytes, bytes]) -> None:
    assert list(kdump_conf_options(text).items()) == list(options.items())


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        (
            b"path /srv/dumps # here\n",
            (DumpTarget(kind=TargetKind.DIRECTORY, place=b"/srv/dumps"),),
        ),
        (b"ext4 UUID=03138356-5e61\npath /dumps\n", (on(b"UUID=03138356-5e61", b"/dumps"),)),
        (b'xfs\tLABEL="crash"\n', (on(b"LABEL=crash"),)),
        (b"virtiofs myfs\n", (on(b"myfs"),)),
        (b"nfs server.example:/export\n", (remote(b"server.example:/export"),)),
        (b"ssh user@server.example\n", (remote(b"user@server.example"),)),
        (b"raw /dev/vg/dump\n", (DumpTarget(kind=TargetKind.RAW, place=b"/dev/vg/dump"),)),
        (b"#raw /dev/vg/dump\n", (CRASH,)),
        (b'dracut_args --mount "/dev/sda /mnt ext4"\n', ()),
        (b'dracut_args "--mount /dev/sda /mnt ext4"\n', ()),
        (b'path "/srv/dumps"\n', (DumpTarget(kind=TargetKind.DIRECTORY, place=b"/srv/dumps"),)),
        (
            b'path\t"/srv/dumps"\t# here',
            (DumpTarget(kind=TargetKind.DIRECTORY, place=b"/srv/dumps"),),
        ),
        (b'path ""\npath\n', (CRASH,)),
        (b"xfs /dev/a\next4 /dev/b\nxfs /dev/c\n", (on(b"/dev/c"),)),
    ],
)
def test_kdump_conf(text: bytes, targets: tuple[DumpTarget, ...]) -> None:
    assert parse_kdump_conf(text).targets == targets


@pytest.mark.parametrize(
    ("text", "level", "compressed"),
    [
        (b"core_collector makedumpfile -l --message-level 7 -d 31\n", 31, True),
        (b"core_collector makedumpfile -d 17\n", 17, False),
        (b"core_collector makedumpfile --message-level 1 -d31\n", 31, False),
        (b"core_collector cp\n", 0, False),
        (b"core_collector scp\n", 0, False),
        (b'core_collector\t"makedumpfile -l -d 17" # less\n', 17, True),
        (b"core_collector # makedumpfile -d 17\n", 31, True),
    ],
)
def test_how_much_kdump_utils_write(text: bytes, level: int, *, compressed: bool) -> None:
    told = parse_kdump_conf(text)
    assert (told.level, told.compressed) == (level, compressed)
    assert not told.makes_directory


@pytest.mark.parametrize(
    ("script", "targets"),
    [
        (b'KDUMP_SAVEDIR="file:///var/crash"\n', (CRASH,)),
        (b'KDUMP_SAVEDIR="/var/crash"\n', (CRASH,)),
        (b'KDUMP_SAVEDIR="nfs://server/export"\n', (remote(b"server/export"),)),
        (b'KDUMP_SAVEDIR="sftp://me:secret@server/d"\n', (remote(b"server/d"),)),
        (
            b'KDUMP_SAVEDIR="file:///var/crash file:///srv"\n',
            (CRASH, DumpTarget(kind=TargetKind.DIRECTORY, place=b"/srv")),
        ),
        (b'KDUMP_TRANSFER="/usr/local/sbin/own"\n', ()),
    ],
)
def test_suse(script: bytes, targets: tuple[DumpTarget, ...]) -> None:
    assert parse_suse(script).targets == targets


def test_how_much_suse_writes() -> None:
    script = b'KDUMP_DUMPLEVEL="15"\nKDUMP_DUMPFORMAT="ELF"\nKDUMP_FREE_DISK_SIZE="100"\n'
    told = parse_suse(script)
    assert (told.level, told.compressed, told.left_free) == (15, False, 100 * MIB)
    assert parse_suse(b"KDUMP_DUMPLEVEL=x\nKDUMP_FREE_DISK_SIZE=-1\n").left_free == 64 * MIB
    assert parse_suse(b"KDUMP_DUMPLEVEL=99\n").level == 31
    assert parse_suse(b"KDUMP_FREE_DISK_SIZE=2097152\n").left_free == 2 << 40


@given(text=st.binary(max_size=200))
def test_any_text(text: bytes) -> None:
    for parse in (parse_kdump_tools, parse_kdump_conf, parse_suse):
        for part in (
            b"",
            b"MAKEDUMP_ARGS=-d",
            b"core_collector makedumpfile -d",
            b"KDUMP_SAVEDIR=",
        ):
            assert 0 <= parse(part + text).level <= 31
    assert 0 <= parse_level(b"-d" + text) <= 31
