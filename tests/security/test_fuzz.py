# SPDX-License-Identifier: GPL-2.0-or-later
"""What the fuzzer is given is what the parsers get, and nothing that they raise is hidden."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.security.fuzz import join, mutator, split, target
from tests.security.parser import Parser
from tests.security.parsers import PARSERS


class RefusalError(Exception):
    """What the planted parser declares."""


def breaks(first: bytes, second: bytes) -> None:
    if first == second:
        raise RefusalError
    if first.startswith(second):
        raise IndexError("planted")


PLANTED = Parser(
    name="planted", read=breaks, errors=(RefusalError,), seeds=((b"a good input", b"another"),)
)


@given(st.lists(st.binary(), min_size=1, max_size=4).map(tuple))
def test_pieces_come_back(parts: tuple[bytes, ...]) -> None:
    assert split(join(parts), len(parts)) == parts


@given(st.binary(), st.integers(1, 4))
def test_anything_is_an_input(data: bytes, count: int) -> None:
    assert len(split(data, count)) == count


def test_only_what_is_not_declared_is_a_failure() -> None:
    run = target(PLANTED)
    run(join((b"one", b"other")))
    run(join((b"same", b"same")))
    with pytest.raises(IndexError, match="planted"):
        run(join((b"same and more", b"same")))


def test_the_same_seed_makes_the_same_input() -> None:
    change, data = mutator(PLANTED), join(PLANTED.seeds[0])
    made = [change(data, 1000, seed) for seed in range(50)]
    assert made == [change(data, 1000, seed) for seed in range(50)]
    assert len(set(made)) > 40


@pytest.mark.parametrize("name", PARSERS)
def test_each_parser_is_a_target(name: str) -> None:
    parser = PARSERS[name]
    for seed in parser.seeds:
        target(parser)(join(seed))
