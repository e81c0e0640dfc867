# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzz the parsers, guided by what each input makes them run: `make fuzz`.

Each is a target of its own, for atheris (libFuzzer for Python), in a process of its own; the
changes are the mutator's, as atheris gives away none of libFuzzer's. What was found interesting is
kept in build/fuzz and gone on from; an input that breaks a parser, takes 5 s or a gigabyte is kept
in build/fuzz/failures. Where there is no atheris, inputs are mutated blindly.
"""

import argparse
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.security.mutator import LARGEST, Parts, mutate
from tests.security.parser import Parser

ATHERIS = "atheris"
PARSERS = "tests.security.parsers"  # imported late: what atheris is to see, it must see imported
DIRECTORY = Path("build/fuzz")
FAILURES = DIRECTORY / "failures"
SECONDS = 10  # for each parser, where nothing else is said
LENGTH = 4  # bytes that say how long a piece is
LIMITS = ("-timeout=5", "-rss_limit_mb=1024", f"-max_len={LARGEST}")
BLIND = 300  # inputs each second, about


def join(parts: Parts) -> bytes:
    """Return the pieces of an input as one, each behind its length."""
    return b"".join(len(part).to_bytes(LENGTH, "little") + part for part in parts)


def split(data: bytes, count: int) -> Parts:
    """Return so many pieces of anything; what `join` has made comes back."""
    parts = []
    for _ in range(count):
        length = int.from_bytes(data[:LENGTH], "little")
        parts.append(data[LENGTH : LENGTH + length])
        data = data[LENGTH + length :]
    return tuple(parts)


def target(parser: Parser) -> Callable[[bytes], None]:
    """Return what gives the parser one input; all that it does not declare comes out of it."""
    count = max(len(seed) for seed in parser.seeds)

    def run(data: bytes) -> None:
        try:
            parser.read(*split(data, count))
        except parser.errors:
            return

    return run


def mutator(parser: Parser) -> Callable[[bytes, int, int], bytes]:
    """Return what makes an input of another one, by changes that know what breaks parsers."""
    count = max(len(seed) for seed in parser.seeds)

    def run(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311 - no secret
        return join(mutate((split(data, count),), random))[:most]

    return run


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one parser in this process, which libFuzzer ends: with 0 when nothing was found."""
    atheris: Any = importlib.import_module(ATHERIS)
    with atheris.instrument_imports(include=["kdumpd"]):
        parser: Parser = importlib.import_module(PARSERS).PARSERS[name]
    corpus = DIRECTORY / name
    for directory in (corpus, FAILURES):
        directory.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(parser.seeds):
        (corpus / f"seed-{number}").write_bytes(join(seed))
    found = f"-artifact_prefix={FAILURES}/{name}-"
    argv = [ATHERIS, f"-max_total_time={seconds}", *LIMITS, found, "-print_final_stats=1"]
    atheris.Setup(
        [*argv, str(corpus)],
        target(parser),
        custom_mutator=mutator(parser),
    )
    atheris.Fuzz()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return 0 when no parser failed."""
    options = _arguments(arguments)
    if importlib.util.find_spec(ATHERIS) is None:
        print("there is no atheris here: inputs are mutated without its guidance")  # noqa: T201
        only = ["--parser", options.parser] if options.parser else []
        mutation = importlib.import_module("tests.security.mutation")
        return int(mutation.main(["--count", str(BLIND * options.seconds), *only]))
    if options.parser:
        fuzz(options.parser, options.seconds)
    parsers = importlib.import_module(PARSERS).PARSERS
    return max(_in_its_own_process(name, options.seconds) for name in parsers)


def _in_its_own_process(name: str, seconds: int) -> int:
    command = [sys.executable, "-m", "tests.security.fuzz", "--parser", name]
    command += ["--seconds", str(seconds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  # ours
    stats = [line for line in done.stderr.splitlines() if "number_of_executed_units" in line]
    runs = stats[0].split()[-1] if stats else "?"
    verdict = "held" if done.returncode == 0 else f"FAILED, see {FAILURES}\n{done.stderr[-3000:]}"
    print(f"{name}: {runs} inputs, {verdict}", flush=True)  # noqa: T201
    return min(done.returncode, 1) if done.returncode >= 0 else 1


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz the parsers, guided by coverage.")
    parser.add_argument("--parser", help="this one alone, in this process")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each parser")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
