# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person types at the terminal: a line, or any key."""

import asyncio
import os
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

LONGEST_LINE = 4096  # of a terminal (termios(3))
STDIN, STDERR = 0, 2  # sys.stdin is None where it was closed


def has_keys(fd: int) -> bool:
    """Return whether the descriptor is a terminal whose keys are meant for this program.

    The kernel stops a program in the background that changes its terminal (tcsetattr(3): SIGTTOU).
    """
    if not os.isatty(fd):
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # a terminal, but not one that controls this session: it stops nobody
        return True


def forget_typed(fd: int) -> None:
    """Forget what was typed before a question could be read."""
    termios.tcflush(fd, termios.TCIFLUSH)


async def typed_line(fd: int) -> bytes:
    """Return the next line that is typed, with its end; empty for the end of all input."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)
    with suppress(OSError):  # the terminal is gone
        return os.read(fd, LONGEST_LINE)
    return b""


@contextmanager
def first_key(fd: int, hint: Callable[[], object]) -> Iterator[None]:
    """Call `hint` at the first key, of Ctrl-C and its like too, which is not shown.

    Only keys from now on count. At the end the terminal is as it was, and what was typed is gone.
    """
    loop = asyncio.get_running_loop()

    def take() -> None:
        loop.remove_reader(fd)
        hint()

    before = termios.tcgetattr(fd)
    _set(fd, _keywise(before))
    loop.add_reader(fd, take)
    try:
        yield
    finally:
        loop.remove_reader(fd)
        with suppress(termios.error):  # the terminal is gone
            _set(fd, before)


def _set(fd: int, attributes: list[Any]) -> None:
    # Not TCSAFLUSH, which first waits for all output, and so for ever where Ctrl-S has stopped it.
    termios.tcsetattr(fd, termios.TCSANOW, attributes)
    termios.tcflush(fd, termios.TCIFLUSH)


def _keywise(attributes: list[Any]) -> list[Any]:
    """Return a terminal's attributes with each key given at once, unseen and without a meaning."""
    iflag, oflag, cflag, lflag, *speeds, characters = attributes
    characters = list(characters)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    lflag &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    return [iflag & ~termios.IXON, oflag, cflag, lflag, *speeds, characters]
