# SPDX-License-Identifier: GPL-2.0-or-later
"""The trees in tests/samples/trees stand for real machines where no virtual machine is."""

from pathlib import Path

import pytest

from kdumpd.config import Configuration, Settings
from kdumpd.model.vocabulary import Readiness
from kdumpd.observe.files import Files
from kdumpd.once import look_once
from tests.vm.scenes import SCENES
from tests.vm.tree import TREES, materialise, parse_listing

ALLOWED = 150_000  # bytes: they are in the repository for good


def test_each_machine_has_its_tree() -> None:
    assert {path.name for path in TREES.iterdir() if path.is_dir()} == set(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_a_tree_is_small_and_says_how_it_came_to_be(name: str) -> None:
    sizes = [path.stat().st_size for path in (TREES / name).rglob("*") if path.is_file()]
    assert sum(sizes) < ALLOWED
    assert (TREES / name / "README").read_text() == f"{SCENES[name].story}\n"


@pytest.mark.parametrize("name", SCENES)
def test_the_kernel_and_its_initrd_have_the_sizes_that_they_had(name: str, tmp_path: Path) -> None:
    materialise(TREES / name, tmp_path)
    release = (tmp_path / "proc/sys/kernel/osrelease").read_text().strip()
    entries = parse_listing((TREES / name / "listing").read_text())
    kernel = next(entry for entry in entries if entry.path == f"boot/vmlinuz-{release}")
    about = (tmp_path / "vmlinuz").stat()  # a link to it
    assert (about.st_size, about.st_mtime) == (kernel.size, kernel.mtime)
    assert kernel.size > 1 << 20
    assert (tmp_path / "bin").readlink() == Path("usr/bin")


@pytest.mark.parametrize("name", SCENES)
async def test_only_a_machine_whose_crash_kernel_is_loaded_is_called_ready(
    name: str, tmp_path: Path
) -> None:
    materialise(TREES / name, tmp_path)
    loaded = (tmp_path / "sys/kernel/kexec_crash_loaded").read_text() == "1\n"
    assert loaded == SCENES[name].loaded
    verdict = await look_once(Files(tmp_path), Configuration(Settings(), ()))
    assert (verdict.readiness == Readiness.NOT_READY) != loaded
