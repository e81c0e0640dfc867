# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

import pytest

from kdumpd.model.formats.kdump_settings import Tool
from kdumpd.model.formats.mounts import Mount
from kdumpd.model.readiness.facts import DumpDirectory, StorageFacts
from kdumpd.model.readiness.finding import Unknown
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles
from kdumpd.observe.readiness.storage import read_storage
from tests.observe.cores.garbage import GARBAGE, Garbage, put

DEBIAN, FEDORA, SUSE = "etc/default/kdump-tools", "etc/kdump.conf", "etc/sysconfig/kdump"
MOUNTS = b"""\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro
40 27 254:1 / /var rw,relatime - ext4 /dev/mapper/vg-var rw
41 40 0:50 / /srv rw,relatime - nfs4 server:/srv rw
"""
FSTAB = b"UUID=4a9d / ext4 errors=remount-ro 0 1\nLABEL=var /var ext4 defaults 0 2\n"


def machine(root: Path, **files: bytes) -> Files:
    """Return the files of a machine with one disk for / and one for /var."""
    put(root / "proc/1/mountinfo", MOUNTS)
    put(root / "etc/fstab", FSTAB)
    put(root / "proc/meminfo", b"MemTotal: 2048 kB\n")
    (root / "var/crash").mkdir(parents=True)
    for name, content in files.items():
        put(root / name, content)
    return Files(root)


def directory_of(files: Files) -> DumpDirectory:
    (directory,) = read_storage(SharedFiles(files)).directories
    return directory


def test_nothing_to_read(tmp_path: Path) -> None:
    assert read_storage(SharedFiles(Files(tmp_path))) == StorageFacts()


def test_a_debian(tmp_path: Path) -> None:
    files = machine(tmp_path, **{DEBIAN: b"USE_KDUMP=1\n"})
    facts = read_storage(SharedFiles(files))
    assert facts.mounts == 3
    (directory,) = facts.directories
    assert (directory.path, directory.present) == (b"/var/crash", True)
    assert directory.mount == Mount(point=b"/var", type="ext4", source=b"/dev/mapper/vg-var")
    assert directory.mounted_at_boot is True
    room = os.statvfs(tmp_path)
    assert isinstance(directory.free, int)
    assert 0 < directory.free <= room.f_blocks * room.f_frsize


def test_what_ext4_keeps_for_itself_is_no_room(tmp_path: Path) -> None:
    files = machine(tmp_path, **{DEBIAN: b"USE_KDUMP=1\n"})
    (tmp_path / "dev/mapper").mkdir(parents=True)
    (tmp_path / "dev/mapper/vg-var").symlink_to("../dm-1")
    reserved = tmp_path / "sys/fs/ext4/dm-1/reserved_clusters"
    put(reserved, b"%d\n" % os.statvfs(tmp_path).f_blocks)
    assert directory_of(files).free == 0
    for nonsense in (b"-1\n", b"all\n"):
        put(reserved, nonsense)
        free = directory_of(files).free
        assert isinstance(free, int)
        assert free > 0


def test_a_tree_without_mounts(tmp_path: Path) -> None:
    put(tmp_path / DEBIAN, b"USE_KDUMP=1\n")
    facts = read_storage(SharedFiles(Files(tmp_path)))
    assert facts.mounts is None
    (directory,) = facts.directories
    assert directory.mount is None
    assert directory.present is None
    assert isinstance(directory.free, int)  # of what it would be made on


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ((DEBIAN, FEDORA, SUSE), Tool.KDUMP_TOOLS),
        ((FEDORA, SUSE), Tool.KDUMP_UTILS),
        ((SUSE,), Tool.SUSE),
    ],
)
def test_whose_settings_count(tmp_path: Path, files: tuple[str, ...], tool: Tool) -> None:
    settings = read_storage(SharedFiles(machine(tmp_path, **dict.fromkeys(files, b"")))).settings
    assert not isinstance(settings, Unknown)
    assert settings is not None
    assert settings.tool is tool


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    put(tmp_path / "opt/crash", b"")
    assert (
        directory_of(machine(tmp_path, **{DEBIAN: b"KDUMP_COREDIR=/opt/crash\n"})).present is False
    )


def test_a_link_stays_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "opt").symlink_to("/var")
    assert (
        directory_of(machine(tmp_path, **{DEBIAN: b"KDUMP_COREDIR=/opt/crash\n"})).present is True
    )


def test_settings_that_are_no_text(tmp_path: Path) -> None:
    facts = read_storage(SharedFiles(machine(tmp_path, **{DEBIAN: b"KDUMP_COREDIR=/a\0b\n"})))
    assert facts.settings == Unknown(f"'{tmp_path / DEBIAN}' is no text")


def test_a_device_with_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    mounts = MOUNTS.replace(b"/dev/mapper/vg-var", b"/dev/\\000")
    directory = directory_of(
        machine(tmp_path, **{DEBIAN: b"USE_KDUMP=1\n", "proc/1/mountinfo": mounts})
    )
    assert directory.mount == Mount(point=b"/var", type="ext4", source=b"/dev/\0")


def test_an_fstab_that_is_no_text(tmp_path: Path) -> None:
    files = machine(tmp_path, **{DEBIAN: b"USE_KDUMP=1\n", "etc/fstab": b"\0" * 40})
    unknown = Unknown(f"'{tmp_path / 'etc/fstab'}' is no text")
    assert directory_of(files).mounted_at_boot == unknown


def test_mounts_without_the_root(tmp_path: Path) -> None:
    """Every process has something mounted on /."""
    files = machine(tmp_path, **{DEBIAN: b"", "proc/1/mountinfo": b"a b c d /srv f\n"})
    assert isinstance(read_storage(SharedFiles(files)).mounts, Unknown)


def test_a_server_is_not_asked_for_room(tmp_path: Path) -> None:
    """One that does not answer would hold the look for ever."""
    directory = directory_of(machine(tmp_path, **{DEBIAN: b"KDUMP_COREDIR=/srv/crash\n"}))
    assert directory.mount is not None
    assert directory.mount.type == "nfs4"
    assert (directory.free, directory.free_files) == (None, None)
    assert directory.mounted_at_boot is False


@pytest.mark.parametrize(
    ("fstab", "unit", "at_boot"),
    [
        (FSTAB, "", True),
        (b"", "", False),
        (b"LABEL=var /var ext4 noauto 0 0\n", "", False),
        (b"", "etc/systemd/system/var.mount", True),
        (b"", "run/systemd/generator.late/var.mount", True),
    ],
)
def test_what_a_boot_mounts(tmp_path: Path, fstab: bytes, unit: str, *, at_boot: bool) -> None:
    files = machine(tmp_path, **{DEBIAN: b"", "etc/fstab": fstab})
    if unit:
        put(tmp_path / unit, b"[Mount]\n")
    assert directory_of(files).mounted_at_boot is at_boot


def test_no_fstab(tmp_path: Path) -> None:
    files = machine(tmp_path, **{DEBIAN: b""})
    (tmp_path / "etc/fstab").unlink()
    assert directory_of(files).mounted_at_boot is None


def test_the_first_process_is_hidden(tmp_path: Path) -> None:
    files = machine(tmp_path, **{DEBIAN: b"", "proc/self/mountinfo": MOUNTS})
    (tmp_path / "proc/1/mountinfo").unlink()
    assert directory_of(files).mounted_at_boot is True


@pytest.mark.parametrize(
    "device",
    ["/dev/mapper/vg-var", "/dev/vg/var", "LABEL=var", "UUID=11-22", "PARTUUID=ab"],
)
def test_a_device_for_dumps(tmp_path: Path, device: str) -> None:
    files = machine(tmp_path, **{FEDORA: f"ext4 {device}\npath /dumps\n".encode()})
    for link in ("mapper/vg-var", "vg/var", "disk/by-uuid/11-22", "disk/by-partuuid/ab"):
        path = tmp_path / "dev" / link
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to("/dev/dm-0")
    assert directory_of(files).path == b"/var/dumps"


def test_a_device_that_is_not_mounted(tmp_path: Path) -> None:
    files = machine(tmp_path, **{FEDORA: b"xfs LABEL=dump\n"})
    facts = read_storage(SharedFiles(files))
    assert facts.directories == ()
    assert facts.unmounted == (b"LABEL=dump",)


@pytest.mark.parametrize("name", [DEBIAN, FEDORA, SUSE])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_in_the_place_of_settings(tmp_path: Path, name: str, garbage: Garbage) -> None:
    garbage.put(tmp_path / name)
    facts = read_storage(SharedFiles(Files(tmp_path)))
    if isinstance(facts.settings, Unknown):
        assert name in facts.settings.problem
    else:
        assert [directory.path for directory in facts.directories] == [b"/var/crash"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage(tmp_path: Path, garbage: Garbage) -> None:
    put(tmp_path / DEBIAN, b"USE_KDUMP=1\n")
    for name in ("proc/self/mountinfo", "proc/meminfo", "etc/fstab", "var/crash"):
        garbage.put(tmp_path / name)
    facts = read_storage(SharedFiles(Files(tmp_path)))
    assert isinstance(facts.mounts, Unknown)
    assert isinstance(facts.memory, Unknown)
    assert facts.memory.problem.isprintable()
    (directory,) = facts.directories
    assert directory.mount is None


def test_this_machine() -> None:
    """Whatever it is, nothing is raised."""
    facts = read_storage(SharedFiles(Files(Path("/"))))
    assert facts.memory is not None
    assert not isinstance(facts.memory, Unknown)
    assert facts.memory.total > 0
