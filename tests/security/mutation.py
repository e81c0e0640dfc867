# SPDX-License-Identifier: GPL-2.0-or-later
"""Give every parser a great many bad inputs: `python -m tests.security.mutation --count 100000`.

Nothing but a parser's declared errors may come out of it, within a bounded time and memory.
"""

import argparse
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random, SystemRandom
from types import FrameType

from tests.security.mutator import Parts, mutate
from tests.security.parser import Parser
from tests.security.parsers import PARSERS

CHUNK = 5_000  # inputs that one process takes at once
SECONDS = 5.0  # for one input
MEMORY = 512 << 20  # bytes of address space for the process that parses
MOST_FAILURES = 20  # of one parser, after which it is given up
SAVED = Path("build/mutations")


class TooLongError(BaseException):
    """A parser has not returned in time; no parser catches this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Some inputs for one parser, by their numbers."""

    parser: str
    seed: int
    first: int
    count: int
    seconds: float = SECONDS

    @property
    def numbers(self) -> range:
        """The numbers of the inputs."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An input that a parser failed on, and how."""

    number: int
    parts: Parts
    words: str


@dataclass(slots=True)
class Outcome:
    """What came of the inputs that one parser was given."""

    taken: int = 0  # inputs of which the parser made a value
    refused: int = 0  # with a declared error
    slowest: float = 0.0  # seconds
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Take in what came of more inputs."""
        self.taken += other.taken
        self.refused += other.refused
        self.slowest = max(self.slowest, other.slowest)
        self.failures += other.failures


def mutation(parser: Parser, seed: int, number: int) -> Parts:
    """Return the input of this number."""
    return mutate(parser.seeds, Random(f"{seed}/{parser.name}/{number}"))  # noqa: S311 - no secret


def try_inputs(parser: Parser, task: Task) -> Outcome:
    """Give the parser its inputs, and return what came of them."""
    outcome = Outcome()
    with alarmed():
        for number in task.numbers:
            parts = mutation(parser, task.seed, number)
            try_one(parser, parts, outcome, task, number)
            if len(outcome.failures) >= MOST_FAILURES:
                break
    return outcome


@contextmanager
def alarmed() -> Iterator[None]:
    """Have the alarm interrupt what takes too long, while the context lasts."""
    before = signal.signal(signal.SIGALRM, _too_long)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def try_one(parser: Parser, parts: Parts, outcome: Outcome, task: Task, number: int) -> None:
    """Give the parser one input, and add to the outcome what came of it."""
    began = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, task.seconds)
        try:
            parser.read(*parts)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except parser.errors:
        outcome.refused += 1
    except (Exception, TooLongError):  # noqa: BLE001 - all that a parser must not raise
        words = traceback.format_exc(limit=-8)
        outcome.failures.append(Failure(number=number, parts=parts, words=words))
    else:
        outcome.taken += 1
    outcome.slowest = max(outcome.slowest, time.monotonic() - began)


def try_all(
    parsers: Mapping[str, Parser], tasks: Sequence[Task], processes: int
) -> Iterator[tuple[Task, Outcome]]:
    """Yield what came of each task; the processes that parse have bounded memory."""
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_bound_memory
    ) as pool:
        jobs = [pool.submit(try_inputs, parsers[task.parser], task) for task in tasks]
        for task, job in zip(tasks, jobs, strict=True):
            yield task, job.result()


def tasks_for(names: Sequence[str], seed: int, first: int, count: int) -> list[Task]:
    """Return the tasks that give each parser so many inputs."""
    return [
        Task(parser=name, seed=seed, first=at, count=min(CHUNK, first + count - at))
        for name in names
        for at in range(first, first + count, CHUNK)
    ]


def save(directory: Path, task: Task, failure: Failure) -> list[Path]:
    """Write a failure's input to files, and return them."""
    directory.mkdir(parents=True, exist_ok=True)
    saved = []
    for index, part in enumerate(failure.parts):
        path = directory / f"{task.parser}-{task.seed}-{failure.number}.{index}"
        path.write_bytes(part)
        saved.append(path)
    return saved


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return 0 when no parser failed."""
    options = _arguments(arguments)
    names = [options.parser] if options.parser else list(PARSERS)
    print(f"seed {options.seed}, {options.count} inputs for each of {len(names)} parsers")  # noqa: T201
    outcomes = {name: Outcome() for name in names}
    tasks = tasks_for(names, options.seed, options.first, options.count)
    for task, outcome in try_all(PARSERS, tasks, options.processes):
        for failure in outcome.failures:
            files = " ".join(map(str, save(options.save, task, failure)))
            print(f"\n{task.parser} failed on input {failure.number}: {files}\n{failure.words}")  # noqa: T201
        outcomes[task.parser].add(outcome)
        if task.numbers.stop == options.first + options.count:
            _report(task.parser, outcomes[task.parser])
    failed = sum(bool(outcome.failures) for outcome in outcomes.values())
    print(f"{failed} of {len(names)} parsers failed")  # noqa: T201
    return 1 if failed else 0


def _report(name: str, outcome: Outcome) -> None:
    print(  # noqa: T201
        f"{name}: {outcome.taken} taken, {outcome.refused} refused, "
        f"{len(outcome.failures)} failed, slowest {outcome.slowest:.3f} s",
        flush=True,
    )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Give every parser a great many bad inputs.")
    parser.add_argument("--count", type=int, default=1000, help="inputs for each parser")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--parser", choices=list(PARSERS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--save", type=Path, default=SAVED, help="where failing inputs are put")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = SystemRandom().randrange(1 << 32)
    return options


def _bound_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TooLongError


if __name__ == "__main__":
    sys.exit(main())
