# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines in tests/samples/captured stand for real machines where no virtual machine is."""

from pathlib import Path

import pytest

from kdumpd.config import Configuration, Settings
from kdumpd.model.vocabulary import Readiness
from kdumpd.observe.files import Files
from kdumpd.oneshot import look_once
from tests.support.machine_file import read_machine
from tests.support.sample_machines import CAPTURED, build
from tests.vm.scenes import SCENES

ALLOWED = 150_000  # bytes: they are in the repository for good


def text_of(name: str) -> Path:
    return CAPTURED / f"{name}.txt"


def test_each_machine_has_its_text() -> None:
    assert {path.stem for path in CAPTURED.glob("*.txt")} == set(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_a_text_is_small_and_says_how_the_machine_came_to_be(name: str) -> None:
    assert text_of(name).stat().st_size < ALLOWED
    assert read_machine(text_of(name)).about == SCENES[name].story


@pytest.mark.parametrize("name", SCENES)
def test_the_kernel_and_its_initrd_have_the_sizes_that_they_had(name: str, tmp_path: Path) -> None:
    build(text_of(name), tmp_path)
    release = (tmp_path / "proc/sys/kernel/osrelease").read_text().strip()
    entries = read_machine(text_of(name)).entries
    kernel = next(entry for entry in entries if entry.path == f"boot/vmlinuz-{release}")
    about = (tmp_path / "vmlinuz").stat()  # a link to it
    assert (about.st_size, about.st_mtime) == (kernel.size, kernel.mtime)
    assert kernel.size > 1 << 20
    assert (tmp_path / "bin").readlink() == Path("usr/bin")


@pytest.mark.parametrize("name", SCENES)
async def test_only_a_machine_whose_crash_kernel_is_loaded_is_called_ready(
    name: str, tmp_path: Path
) -> None:
    build(text_of(name), tmp_path)
    loaded = (tmp_path / "sys/kernel/kexec_crash_loaded").read_text() == "1\n"
    assert loaded == SCENES[name].loaded
    verdict = await look_once(Files(tmp_path), Configuration(Settings(), ()))
    assert (verdict.readiness == Readiness.NOT_READY) != loaded
