# SPDX-License-Identifier: GPL-2.0-or-later
"""Each way to die is a real one: the log says so, and where there is a core, it is whole."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from kdumpd.model.captures.core import CoreFacts, Format
from kdumpd.observe.cores.core import read_core
from tests.vm.deaths import DEATHS, IN_EVERY_RUN
from tests.vm.panics import Bench, Remains, real_panic

pytestmark = pytest.mark.vm

CAPTURED = [name for name, death in DEATHS.items() if death.captured]


def each(names: Iterable[str]) -> pytest.MarkDecorator:
    """Return the mark that runs a test once for each name, most of them only at length."""
    often = set(IN_EVERY_RUN)
    return pytest.mark.parametrize(
        "name",
        [pytest.param(name, marks=() if name in often else pytest.mark.long) for name in names],
    )


def read(path: Path | None) -> CoreFacts:
    assert path is not None
    fd = os.open(path, os.O_RDONLY)
    try:
        return read_core(fd)
    finally:
        os.close(fd)


def placed_at(remains: Remains) -> tuple[int, int]:
    """Return how far KASLR moved the kernel, virtually and physically; both are random.

    VMCOREINFO stands uncompressed in a core's first megabyte.
    """
    assert remains.core is not None
    with remains.core.open("rb") as core:
        head = core.read(1 << 20)
    offset = re.search(rb"\nKERNELOFFSET=(\w+)\n", head)
    base = re.search(rb"\nNUMBER\(phys_base\)=(-?\d+)\n", head)
    assert offset
    assert base
    return int(offset[1], 16), int(base[1])


@each(DEATHS)
async def test_the_kernel_died_as_the_table_says(bench: Bench, name: str) -> None:
    remains = await real_panic(bench, name)
    assert DEATHS[name].reason in remains.log.read_bytes().decode(errors="replace")


@each(CAPTURED)
async def test_its_core_is_complete(bench: Bench, name: str) -> None:
    facts = read((await real_panic(bench, name)).core)
    assert (facts.complete, facts.problem) == (True, "")
    assert (facts.format, facts.compression) == (Format.KDUMP_COMPRESSED, "zlib")


async def test_one_bug_in_two_boots_has_two_addresses_and_two_identities(bench: Bench) -> None:
    first, again = await real_panic(bench, "null"), await real_panic(bench, "null-again")
    assert placed_at(first) != placed_at(again)
    assert all(offset for offset, _ in (placed_at(first), placed_at(again)))
    one, other = read(first.core), read(again.core)
    assert one.build_id == other.build_id
    assert one.crashed_at != other.crashed_at
    assert one.identity != other.identity
