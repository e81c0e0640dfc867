# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

import pytest

from kdumpd.model.captures.core import CoreFacts, Part, joined
from tests.support.looks import FACTS

FRAMES = 100


def part(start: int, end: int) -> CoreFacts:
    return replace(FACTS, part=Part(start=start, end=end, frames=FRAMES))


def named(*ranges: tuple[int, int]) -> list[tuple[bytes, CoreFacts]]:
    return [(b"vmcore.%d" % number, part(*one)) for number, one in enumerate(ranges, 1)]


@pytest.mark.parametrize(
    "ranges",
    [
        [(0, 100)],
        [(0, 40), (40, 100)],
        [(40, 100), (0, 40)],
        [(0, 100), (100, 100), (100, 100)],
        [(0, 0), (0, 60), (60, 60), (60, 100)],
    ],
)
def test_parts_that_cover_all(ranges: list[tuple[int, int]]) -> None:
    assert joined(named(*ranges)) == FACTS


@pytest.mark.parametrize(
    ("ranges", "gap"),
    [
        ([(0, 99)], "99 to 100"),
        ([(1, 100)], "0 to 1"),
        ([(0, 40), (41, 100)], "40 to 41"),
        ([(0, 40), (0, 40)], "40 to 100"),
        ([(0, 0)], "0 to 100"),
    ],
)
def test_parts_that_do_not(ranges: list[tuple[int, int]], gap: str) -> None:
    facts = joined(named(*ranges))
    assert not facts.complete
    assert f"page frames {gap} of 100 are missing" in facts.problem
    assert facts.identity == FACTS.identity


def test_the_file_that_is_missing_is_named() -> None:
    parts = named((0, 40), (40, 70), (70, 100))
    for number in range(3):
        rest = parts[:number] + parts[number + 1 :]
        assert joined(rest).problem.startswith(f"has no 'vmcore.{number + 1}': ")


def test_parts_of_two_machines() -> None:
    larger = replace(FACTS, part=Part(start=40, end=200, frames=200))
    facts = joined([*named((0, 40)), (b"vmcore.2", larger)])
    assert "'vmcore.2', which is of another crash" in facts.problem


def test_a_whole_core_among_parts() -> None:
    facts = joined([*named((0, 100)), (b"vmcore.2", FACTS)])
    assert facts.problem == "has 'vmcore.2', which is no part of a split core"


def test_an_unreadable_part() -> None:
    facts = joined([(b"vmcore.1", CoreFacts(problem="is empty")), (b"vmcore.2", part(40, 100))])
    assert facts.problem == "has 'vmcore.1', which is empty"
    assert facts.kernel_release == FACTS.kernel_release
