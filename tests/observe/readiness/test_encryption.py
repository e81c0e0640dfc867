# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from kdumpd.model.readiness.facts import Unlocking
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.storage import read_unlocking
from tests.observe.cores.garbage import GARBAGE, Garbage, put

ROOT = b"/dev/mapper/vg-root"
UUID = "sys/class/block/dm-0/dm/uuid"


def volume_on_luks(root: Path) -> Files:
    """Return a machine as Debian's installer makes it: LVM on LUKS on a partition."""
    put(root / "dev/dm-1", b"")
    (root / "dev/mapper").mkdir()
    (root / "dev/mapper/vg-root").symlink_to("../dm-1")
    put(root / "sys/class/block/dm-1/dm/uuid", b"LVM-3kq7\n")
    (root / "sys/class/block/dm-1/slaves/dm-0").mkdir(parents=True)
    put(root / UUID, b"CRYPT-LUKS2-0c5f-vda5_crypt\n")
    put(root / "sys/class/block/dm-0/dm/name", b"vda5_crypt\n")
    (root / "sys/class/block/dm-0/slaves/vda5").mkdir(parents=True)
    return Files(root)


def test_a_volume_on_luks(tmp_path: Path) -> None:
    assert read_unlocking(volume_on_luks(tmp_path), ROOT) is Unlocking.PASSPHRASE


@pytest.mark.parametrize(
    ("line", "unlocking"),
    [
        (b"vda5_crypt UUID=0c5f none luks,discard\n", Unlocking.PASSPHRASE),
        (b"vda5_crypt UUID=0c5f /etc/keys/root.key luks\n", Unlocking.OWN_KEY),
        (b"vda5_crypt UUID=0c5f - tpm2-device=auto\n", Unlocking.OWN_KEY),
        (b"vda5_crypt UUID=0c5f\n", Unlocking.PASSPHRASE),
        (b"other UUID=0c5f /etc/keys/root.key luks\n", Unlocking.PASSPHRASE),
        (b"#vda5_crypt UUID=0c5f /etc/keys/root.key\n", Unlocking.PASSPHRASE),
        (b"\xff\n\n", Unlocking.PASSPHRASE),
    ],
)
def test_who_unlocks_it(tmp_path: Path, line: bytes, unlocking: Unlocking) -> None:
    files = volume_on_luks(tmp_path)
    put(tmp_path / "etc/crypttab", line)
    assert read_unlocking(files, ROOT) is unlocking


def test_a_key_for_the_crash_kernel(tmp_path: Path) -> None:
    files = volume_on_luks(tmp_path)
    keys = tmp_path / "sys/kernel/config/crash_dm_crypt_keys"
    put(keys / "count", b"0\n")
    assert read_unlocking(files, ROOT) is Unlocking.PASSPHRASE
    (keys / "0c5f").mkdir()
    assert read_unlocking(files, ROOT) is Unlocking.HANDED_KEY


@pytest.mark.parametrize("source", [b"/dev/vda1", b"tmpfs", b"server:/crash", b"", b"/dev/.."])
def test_no_encryption(tmp_path: Path, source: bytes) -> None:
    assert read_unlocking(volume_on_luks(tmp_path), source) is Unlocking.NEEDLESS


def test_devices_in_a_circle(tmp_path: Path) -> None:
    files = volume_on_luks(tmp_path)
    (tmp_path / "sys/class/block/dm-0/slaves/dm-1").mkdir()
    assert read_unlocking(files, ROOT) is Unlocking.PASSPHRASE


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage(tmp_path: Path, garbage: Garbage) -> None:
    files = volume_on_luks(tmp_path)
    (tmp_path / UUID).unlink()
    garbage.put(tmp_path / UUID)
    garbage.put(tmp_path / "etc/crypttab")
    assert read_unlocking(files, ROOT) is Unlocking.NEEDLESS
