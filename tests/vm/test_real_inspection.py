# SPDX-License-Identifier: GPL-2.0-or-later
"""Cores that makedumpfile really wrote, read through: their log, and whole or not when wrapped."""

import asyncio
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kdumpd.inspect.unpack import opened_spool, unwrap
from kdumpd.model.captures.core import CoreFacts, Inspected
from kdumpd.observe.cores.core import read_core
from kdumpd.observe.cores.inspector import INSPECT_COMMAND, inspect
from tests.support.process import program
from tests.vm.corpus import Corpus

pytestmark = pytest.mark.vm

CUTS = 64
FORMATS = ("flattened", "flattened_raw", "flattened_elf", "zlib", "lzo", "elf")
WRAPPERS = {"gzip": "gzip", "bzip2": "bzip2", "xz": "xz-utils", "lz4": "lz4", "zstd": "zstd"}
# The ELF core has 100 MB, which bzip2 and xz take a minute to pack.
WRAPPED = [
    *((name, wrapper) for name in ("flattened", "zlib") for wrapper in WRAPPERS),
    *(("elf", wrapper) for wrapper in ("gzip", "lz4", "zstd")),
]
# Without what is installed beside the standard library.
WITHOUT_DRGN = (INSPECT_COMMAND[0], "-S", *INSPECT_COMMAND[1:])
wrappers = pytest.mark.parametrize("wrapper", WRAPPERS)


async def inspected(path: Path, command: Sequence[str] = INSPECT_COMMAND) -> Inspected:
    fd = os.open(path, os.O_RDONLY)
    try:
        return await inspect(fd, program=command)
    finally:
        os.close(fd)


def read(path: Path) -> CoreFacts:
    fd = os.open(path, os.O_RDONLY)
    try:
        return read_core(fd)
    finally:
        os.close(fd)


async def wrapped(wrapper: str, core: Path, directory: Path) -> Path:
    """Return a compressed copy of a core, as a pipe through the compressor leaves it."""
    path = directory / f"{core.name}.{wrapper}"
    compressor = program(wrapper, WRAPPERS[wrapper])
    with core.open("rb") as source, path.open("wb") as target:
        process = await asyncio.create_subprocess_exec(
            compressor, "-1", "-c", stdin=source, stdout=target
        )
        assert await process.wait() == 0
    return path


def cut_facts(path: Path, wrapper: str, size: int) -> CoreFacts:
    with path.open("r+b") as file, opened_spool() as spool:
        file.truncate(size)
        return unwrap(file.fileno(), wrapper, spool)


@pytest.mark.parametrize("name", FORMATS)
async def test_the_log_is_what_makedumpfile_prints(corpus: Corpus, name: str) -> None:
    answer = await inspected(getattr(corpus, name))
    assert answer.log_source == "drgn"
    assert answer.log_problem == ""
    assert answer.log == corpus.dmesg.read_bytes()


@pytest.mark.parametrize("name", FORMATS)
async def test_the_log_where_there_is_no_drgn(corpus: Corpus, name: str) -> None:
    answer = await inspected(getattr(corpus, name), WITHOUT_DRGN)
    assert answer.log_source == "makedumpfile"
    assert answer.log == corpus.dmesg.read_bytes()


@pytest.mark.parametrize(("name", "wrapper"), WRAPPED)
async def test_a_wrapped_core(corpus: Corpus, name: str, wrapper: str, tmp_path: Path) -> None:
    core = getattr(corpus, name)
    answer = await inspected(await wrapped(wrapper, core, tmp_path))
    assert answer.facts == replace(read(core), wrapper=wrapper)
    assert answer.facts.complete
    assert answer.log == corpus.dmesg.read_bytes()


@wrappers
async def test_no_beginning_of_a_wrapper_is_complete(
    corpus: Corpus, wrapper: str, tmp_path: Path
) -> None:
    path = await wrapped(wrapper, corpus.flattened, tmp_path)
    size = path.stat().st_size
    cuts = {size - 1, size - 4, size - 8, *(secrets.randbelow(size) for _ in range(CUTS))}
    for cut in sorted(cuts, reverse=True):
        facts = await asyncio.to_thread(cut_facts, path, wrapper, cut)
        assert not facts.complete, f"complete although cut at {cut} of {size}"
        assert facts.problem


@pytest.mark.parametrize(("name", "wrapper"), WRAPPED)
async def test_a_whole_wrapper_around_a_cut_core(
    corpus: Corpus, name: str, wrapper: str, tmp_path: Path
) -> None:
    content = getattr(corpus, name).read_bytes()
    for cut in (len(content) - 1, len(content) - 16, secrets.randbelow(len(content)), 5000):
        (tmp_path / "cut").write_bytes(content[:cut])
        facts = (await inspected(await wrapped(wrapper, tmp_path / "cut", tmp_path))).facts
        assert facts is not None
        assert not facts.complete, f"complete although cut at {cut} of {len(content)}"
        assert facts.wrapper == wrapper
