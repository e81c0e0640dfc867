# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs in docs/examples, as somebody runs them who has just read of them."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import BOUND, ServiceError, end, output, program

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
LANGUAGES = ("with_dbus_next.py", "with_glib.py", "with_sd_bus.c")
WARNINGS = ("-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a run."""

    status: int
    said: str
    words: str  # on stderr


async def command(name: str, directory: Path) -> tuple[str, ...]:
    """Return how an example is run; one in C is compiled into the directory first."""
    source = EXAMPLES / name
    if source.suffix == ".c":
        flags = (
            await output(program("pkg-config", "pkg-config"), "--cflags", "--libs", "libsystemd")
        ).split()
        made = directory / source.stem
        await output(
            *(program("gcc", "gcc"), *WARNINGS, "-o", str(made), str(source)),
            *(os.fsdecode(flag) for flag in flags),
            seconds=60,
        )
        return (str(made),)
    # python3-gi is Debian's, dbus-next ours.
    python = program("python3", "python3") if "glib" in name else sys.executable
    # A stranger cannot look into our directories.
    return (python, "-c", source.read_text())


def environment(address: str) -> dict[str, str]:
    """Return what makes a bus of ours the system bus."""
    return {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "DBUS_SYSTEM_BUS_ADDRESS": address,
    }


async def run(address: str, *argv: str, prefix: Sequence[str] = ()) -> Outcome:
    """Run a program to its end."""
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *argv,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment(address),
        cwd="/",
    )
    try:
        async with asyncio.timeout(60):
            said, words = await process.communicate()
    finally:
        await end(process)
    assert process.returncode is not None
    return Outcome(status=process.returncode, said=os.fsdecode(said), words=words.decode())


class Follower:
    """A program that goes on, and the lines that it has printed."""

    def __init__(self, lines: asyncio.StreamReader) -> None:
        self._lines = lines
        self.seen: list[str] = []

    async def wait_for(self, line: str) -> None:
        """Return once it has printed this line."""
        await self._until(lambda: line in self.seen, line)

    async def wait_for_words(self, words: str) -> None:
        """Return once it has printed these words."""
        await self._until(lambda: any(words in line for line in self.seen), words)

    async def _until(self, wanted: Callable[[], bool], what: str, seconds: float = 30) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not wanted():
                    new = await self._lines.readline()
                    if not new:
                        raise ServiceError(f"it has ended after {self.seen}")
                    self.seen.append(new.decode().rstrip("\n"))
        except TimeoutError:
            raise ServiceError(f"not '{what}', but {self.seen}") from None


@asynccontextmanager
async def following(address: str, *argv: str) -> AsyncIterator[Follower]:
    """Run a program until the context ends."""
    process = await asyncio.create_subprocess_exec(
        *BOUND, *argv, stdin=DEVNULL, stdout=PIPE, env=environment(address)
    )
    assert process.stdout is not None
    try:
        yield Follower(process.stdout)
    finally:
        await end(process)
