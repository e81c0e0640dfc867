# SPDX-License-Identifier: GPL-2.0-or-later
"""The first terminal that works says more, by the words that it takes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kdumpd.notify.terminal import TERMINAL_COMMANDS, TerminalWindow

SAYS = """#!/bin/sh
printf '%s\\n' "$@" >"{said}"
exec {then}
"""


class Programs:
    """A directory of programs, which is the PATH."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.said = directory / "said"

    def add(self, name: str, then: str = "/usr/bin/sleep 60") -> None:
        """Add a program that writes its arguments down, and then does something else."""
        path = self.directory / name
        path.write_text(SAYS.format(said=self.said, then=then))
        path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


@pytest.fixture
async def terminal(programs: Programs) -> AsyncIterator[TerminalWindow]:
    terminal = TerminalWindow({"PATH": str(programs.directory)}, ["--bus=unix:path=/b"])
    yield terminal
    await terminal.close()


@pytest.mark.parametrize("words", TERMINAL_COMMANDS, ids=lambda words: words[0])
async def test_each_is_given_the_command_as_it_takes_it(
    programs: Programs, terminal: TerminalWindow, words: tuple[str, ...]
) -> None:
    programs.add(words[0])
    programs.add("kdumpdctl")
    assert await terminal.open(["info", "48f3"])
    said = programs.said.read_text().splitlines()
    end = [str(programs.directory / "kdumpdctl"), "--bus=unix:path=/b", "info", "48f3"]
    assert said[: len(words)] == [*words[1:], "sh"]
    assert said[-len(end) :] == end


async def test_command_is_done_and_its_words_stay(
    programs: Programs, terminal: TerminalWindow
) -> None:
    """What the terminal is given, it does: here without a window."""
    programs.add("kdumpdctl", "/usr/bin/true")
    path = programs.directory / "xterm"
    path.write_text('#!/bin/sh\nPATH=/usr/bin:/bin\nshift\nexec "$@" </dev/zero\n')
    path.chmod(0o755)
    assert await terminal.open(["list"])
    async with asyncio.timeout(20):
        while not programs.said.exists():  # noqa: ASYNC110  # a file has no event
            await asyncio.sleep(0.05)
    assert programs.said.read_text() == "--bus=unix:path=/b\nlist\n"


async def test_one_that_fails_is_passed_over(programs: Programs, terminal: TerminalWindow) -> None:
    programs.add("x-terminal-emulator", "/usr/bin/false")
    (programs.directory / "gnome-terminal").write_text("#!/nowhere\n")
    (programs.directory / "gnome-terminal").chmod(0o755)
    programs.add("xterm", "/usr/bin/true")
    assert await terminal.open(["list"])
    assert programs.said.read_text().startswith("-e\n")


async def test_none_is_said(programs: Programs, terminal: TerminalWindow) -> None:
    assert not await terminal.open(["list"])
    programs.add("xterm", "/usr/bin/false")
    assert not await terminal.open(["list"])
