# SPDX-License-Identifier: GPL-2.0-or-later
"""No input breaks a parser; and what looks for such inputs would find one."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.security.mutation import Outcome, Task, mutation, save, tasks_for, try_all, try_inputs
from tests.security.parser import Parser
from tests.security.parsers import PARSERS
from tests.support.process import BOUND

FEW = 300
SOON = 0.2  # seconds
GOOD = (b"a good input of some length: 0123456789",)


class RefusalError(Exception):
    """What the planted parsers declare."""


def breaks_rarely(content: bytes) -> None:
    if b"\x1b" in content:
        raise IndexError("planted")
    if not content.startswith(b"a"):
        raise RefusalError


def hangs(content: bytes) -> None:
    while content != GOOD[0]:
        pass


def hogs(content: bytes) -> None:
    if content != GOOD[0]:
        assert bytearray(1 << 30)


def planted(read: object) -> Parser:
    assert callable(read)
    return Parser(name="planted", read=read, errors=(RefusalError,), seeds=(GOOD,))


def show_hunger() -> None:
    """Print how it fails, in a process of its own: its helpers stay until it ends."""
    tasks = [Task(parser="planted", seed=1, first=0, count=3)]
    for _, outcome in try_all({"planted": planted(hogs)}, tasks, 1):
        print(outcome.failures)  # noqa: T201 - for the one who started it


async def python(*arguments: str) -> tuple[int | None, str]:
    """Run Python, and return its exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *BOUND,
        *(sys.executable, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )
    printed, _ = await process.communicate()
    return process.returncode, printed.decode(errors="replace")


async def run(*arguments: str) -> tuple[int | None, str]:
    """Run the command line."""
    return await python("-m", "tests.security.mutation", *arguments)


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_good_inputs_are_taken(parser: Parser) -> None:
    """A parser that refuses all is tested by nothing."""
    for seed in parser.seeds:
        parser.read(*seed)


async def test_nothing_but_declared_errors(tmp_path: Path) -> None:
    status, words = await run("--count", str(FEW), "--save", str(tmp_path))
    assert status == 0, words


def test_same_seed_same_input() -> None:
    parser = planted(breaks_rarely)
    inputs = [mutation(parser, 7, number) for number in range(FEW)]
    assert inputs == [mutation(parser, 7, number) for number in range(FEW)]
    assert inputs != [mutation(parser, 8, number) for number in range(FEW)]
    assert len(set(inputs)) > FEW // 2


def test_planted_bug_is_found_and_its_input_kept(tmp_path: Path) -> None:
    parser = planted(breaks_rarely)
    task = Task(parser="planted", seed=1, first=0, count=2000)
    outcome = try_inputs(parser, task)
    assert outcome.taken
    assert outcome.refused
    failure = outcome.failures[0]
    assert "IndexError: planted" in failure.words
    (path,) = save(tmp_path, task, failure)
    with pytest.raises(IndexError, match="planted"):
        parser.read(path.read_bytes())
    assert mutation(parser, 1, failure.number) == failure.parts


def test_planted_hang_is_found() -> None:
    task = Task(parser="planted", seed=1, first=0, count=3, seconds=SOON)
    outcome = try_inputs(planted(hangs), task)
    assert any("TooLongError" in failure.words for failure in outcome.failures)


async def test_planted_hunger_for_memory_is_found() -> None:
    _, words = await python("-c", "import tests.security.test_mutation as test; test.show_hunger()")
    assert "MemoryError" in words


def test_every_number_is_in_one_task() -> None:
    tasks = tasks_for(["a", "b"], 1, 10, 12_345)
    numbers = [(task.parser, number) for task in tasks for number in task.numbers]
    assert sorted(numbers) == [(name, number) for name in "ab" for number in range(10, 12_355)]


def test_outcomes_add_up() -> None:
    outcome = Outcome(taken=1, slowest=0.5)
    outcome.add(Outcome(taken=2, refused=3, slowest=0.1))
    assert (outcome.taken, outcome.refused, outcome.slowest) == (3, 3, 0.5)


async def test_command_says_what_it_did(tmp_path: Path) -> None:
    options = ("--parser", "layout", "--count", "50", "--seed", "5", "--processes", "1")
    status, words = await run(*options, "--save", str(tmp_path))
    assert status == 0
    assert "seed 5, 50 inputs for each of 1 parsers" in words
    assert "layout: 50 taken, 0 refused, 0 failed" in words
