# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from tests.vm.capture import LZO, debian, kdump_utils
from tests.vm.corpus import Corpus
from tests.vm.guest import GuestError, Scenario, run_guest
from tests.vm.image import GuestImage

pytestmark = pytest.mark.vm


async def test_one_panic_leaves_two_layouts(image: GuestImage, tmp_path: Path) -> None:
    outcome = await run_guest(image, Scenario(capture=debian() + kdump_utils(LZO)), tmp_path)
    assert outcome.panic == "sysrq triggered crash"
    assert outcome.capture_status == 0
    by_debian, by_kdump_utils = sorted(
        (tmp_path / "crash").iterdir(),
        key=lambda directory: directory.name.startswith("127.0.0.1-"),
    )
    stamp = by_debian.name
    modes = {p.name: p.stat().st_mode & 0o777 for p in by_debian.iterdir()}
    assert modes == {f"dmesg.{stamp}": 0o600, f"dump.{stamp}": 0o644}
    flattened = (by_debian / f"dump.{stamp}").read_bytes()
    assert flattened.startswith(b"makedumpfile\0\0\0\0")
    assert flattened.endswith(b"\xff" * 16)
    assert b"sysrq triggered crash" in (by_debian / f"dmesg.{stamp}").read_bytes()
    assert {p.name for p in by_kdump_utils.iterdir()} == {"vmcore", "vmcore-dmesg.txt"}
    assert (by_kdump_utils / "vmcore").read_bytes().startswith(b"KDUMP   ")


async def test_nothing_is_captured_unarmed(image: GuestImage, tmp_path: Path) -> None:
    outcome = await run_guest(image, Scenario(armed=False), tmp_path)
    assert outcome.panic == "sysrq triggered crash"
    assert outcome.capture_status is None
    assert not (tmp_path / "crash").exists()


async def test_a_guest_that_never_ends_is_killed(image: GuestImage, tmp_path: Path) -> None:
    with pytest.raises(GuestError, match=r"no end within 1 s"):
        await run_guest(image, Scenario(panic="sleep 1000"), tmp_path, seconds=1)


def test_corpus(corpus: Corpus) -> None:
    for path, magic in {
        corpus.flattened: b"makedumpfile\0\0\0\0",
        corpus.flattened_raw: b"makedumpfile\0\0\0\0",
        corpus.flattened_elf: b"makedumpfile\0\0\0\0",
        corpus.zlib: b"KDUMP   ",
        corpus.lzo: b"KDUMP   ",
        corpus.elf: b"\x7fELF",
        corpus.split / "vmcore.1": b"KDUMP   ",
        corpus.split / "vmcore.2": b"KDUMP   ",
    }.items():
        with path.open("rb") as core:
            assert core.read(len(magic)) == magic
