# SPDX-License-Identifier: GPL-2.0-or-later
"""Cores that makedumpfile really wrote: each is complete, and none of its beginnings is."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdumpd.model.captures.core import CoreFacts, Format
from kdumpd.observe.cores.core import read_core
from tests.vm.corpus import Corpus

pytestmark = pytest.mark.vm

CUTS = 64
FORMATS = {
    "flattened": (Format.FLATTENED, "zlib"),
    "flattened_raw": (Format.FLATTENED, ""),
    "flattened_elf": (Format.FLATTENED, ""),
    "zlib": (Format.KDUMP_COMPRESSED, "zlib"),
    "lzo": (Format.KDUMP_COMPRESSED, "lzo"),
    "elf": (Format.ELF, ""),
}


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR)
    try:
        yield fd
    finally:
        os.close(fd)


def read(path: Path) -> CoreFacts:
    with opened(path) as fd:
        return read_core(fd)


@pytest.mark.parametrize("name", FORMATS)
async def test_complete_core_says_which_kernel_died(corpus: Corpus, name: str) -> None:
    facts = read(getattr(corpus, name))
    assert (facts.complete, facts.problem) == (True, "")
    assert (facts.format, facts.compression) == FORMATS[name]
    assert facts.kernel_release.endswith("-amd64")
    assert facts.architecture == "x86_64"
    assert len(facts.build_id) == 40
    assert facts.crashed_at is not None


async def test_all_formats_of_one_crash_have_one_identity(corpus: Corpus) -> None:
    assert len({read(getattr(corpus, name)).identity for name in FORMATS}) == 1


@pytest.mark.parametrize("name", FORMATS)
async def test_no_beginning_is_complete(corpus: Corpus, name: str, tmp_path: Path) -> None:
    copy = Path(shutil.copy(getattr(corpus, name), tmp_path / "core"))
    with opened(copy) as fd:
        size = os.fstat(fd).st_size
    cuts = {size - 1, size - 8, size - 16, size - 17, 4096, 16, 1, 0}
    cuts |= {secrets.randbelow(size) for _ in range(CUTS)}
    with opened(copy) as fd:
        for cut in sorted(cuts, reverse=True):
            os.ftruncate(fd, cut)
            facts = read_core(fd)
            assert not facts.complete, f"complete although cut at {cut} of {size}"
            assert facts.problem
