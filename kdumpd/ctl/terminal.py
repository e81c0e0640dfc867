# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person has at the other end: a screen, a pager, a keyboard, and a wish to stop.

Colour follows https://no-color.org and terminfo(5): NO_COLOR with any text in it, or a terminal
that is dumb, has none.
"""

import argparse
import asyncio
import os
import shlex
import shutil
import signal
import sys
import termios
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO

from kdumpd.json_output import to_json

STYLE_RESET = "\x1b[0m"
DUMB_TERMINALS = {"", "dumb"}
PLAIN_LOCALES = {"C", "POSIX"}
COERCED_LOCALES = {"C.UTF-8", "C.utf8", "UTF-8"}  # what Python may make of them
MIN_SCREEN_COLUMNS = 40  # what is narrower is shown as if it were not


class Style(StrEnum):
    """How a word stands out (ECMA-48, SGR)."""

    BOLD = "\x1b[1m"
    DIM = "\x1b[2m"
    GOOD = "\x1b[32m"
    DOUBTFUL = "\x1b[33m"
    BAD = "\x1b[1;31m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A terminal; one without a width is none, and is given whole lines without colours."""

    width: int = 0  # columns
    colour: bool = False
    unicode: bool = False  # whether it shows more than ASCII

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads what is printed."""
        return self.width > 0

    def styled(self, text: str, style: Style | None) -> str:
        """Return the text in this style, where there are colours."""
        return f"{style}{text}{STYLE_RESET}" if self.colour and style and text else text


NO_SCREEN = Screen()


def read_screen(stream: TextIO, environment: Mapping[str, str]) -> Screen:
    """Return what the stream is; COLUMNS says another width than the terminal's own."""
    if not stream.isatty():
        return NO_SCREEN
    return Screen(
        width=max(MIN_SCREEN_COLUMNS, shutil.get_terminal_size().columns),
        colour=environment.get("TERM", "") not in DUMB_TERMINALS
        and not environment.get("NO_COLOR"),
        unicode=stream.encoding.lower().replace("-", "") == "utf8" and not is_plain(environment),
    )


def is_plain(environment: Mapping[str, str]) -> bool:
    """Return whether the locale is C or POSIX, which has ASCII alone (locale(7)).

    Python writes UTF-8 there all the same, and makes LC_CTYPE=C.UTF-8 of it (PEP 538 and 540).
    """
    character_type = environment.get("LC_CTYPE", "")
    if character_type in COERCED_LOCALES:
        character_type = ""
    names = (environment.get("LC_ALL", ""), character_type, environment.get("LANG", ""))
    return next(filter(None, names), "C") in PLAIN_LOCALES


def print_lines(lines: Iterable[str]) -> None:
    """Print a result."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def print_json(value: object, mode: str) -> None:
    """Print a result as JSON, pretty or short."""
    print_lines([to_json(value, pretty=mode == "pretty")])


def tell(words: str, end: str = "\n") -> None:
    """Say something that is no result, if anybody is there to read it."""
    with suppress(OSError):
        sys.stderr.write(words + end)
        sys.stderr.flush()


USUAL_PAGERS = ("less", "more")
LESS_OPTIONS = "FRSXMK"


def pager_of(environment: Mapping[str, str]) -> list[str]:
    """Return the command that pages, empty for none, and on a terminal that can do too little.

    It is chosen as systemd's tools choose it (systemd 252, src/shared/pager.c): SYSTEMD_PAGER, else
    PAGER, else less; an empty text or cat means none.
    """
    if environment.get("TERM", "") in DUMB_TERMINALS:
        return []
    words = environment.get("SYSTEMD_PAGER", environment.get("PAGER"))
    if words is None:
        return [path for name in USUAL_PAGERS if (path := shutil.which(name))][:1]
    try:
        command = shlex.split(words)
    except ValueError:  # a quote that does not end
        return []
    return [] if command == ["cat"] else command


async def paged(lines: Iterable[str], command: list[str], environment: Mapping[str, str]) -> bool:
    """Return True once a person has seen enough of the lines, False where nothing pages them.

    less is told SYSTEMD_LESS or FRSXMK, and always that it must run no other program: whoever may
    read a kernel log may be root.
    """
    more = {"LESS": environment.get("SYSTEMD_LESS", LESS_OPTIONS), "LESSSECURE": "1"}
    try:
        pager = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, env={**environment, **more}
        )
    except OSError:
        return False
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # it ends a search in the pager
    try:
        await pager.communicate("".join(lines).encode("utf-8", "backslashreplace"))
    finally:
        await pager.wait()
        loop.remove_signal_handler(signal.SIGINT)
    return True


async def page(lines: Iterable[str], *, wanted: bool) -> None:
    """Print lines, each with its end, on a terminal by a pager where there is one."""
    texts = list(lines)
    command = pager_of(os.environ) if wanted and sys.stdout.isatty() else []
    if not (command and await paged(texts, command, os.environ)):
        sys.stdout.writelines(texts)
        sys.stdout.flush()


async def print_paged(lines: Iterable[str], options: argparse.Namespace) -> None:
    """Print a result that may be longer than a screen."""
    await page((f"{line}\n" for line in lines), wanted=options.pager)


class StatusLine:
    """A line on stderr that is written over and over; where that is no terminal, only once."""

    def __init__(self) -> None:
        self._shown = ""
        self._ended = False

    def __enter__(self) -> "StatusLine":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def show(self, text: str) -> None:
        """Write the text over what was there."""
        if sys.stderr.isatty():
            tell("\r" + text.ljust(len(self._shown)), end="")
        elif not self._shown:
            tell(text)
        self._shown = text

    def end(self, words: str = "") -> None:
        """Leave the line as it is, and say the words on the next; only the first end counts."""
        if self._ended:
            return
        self._ended = True
        if self._shown and sys.stderr.isatty():
            tell("")
        if words:
            tell(words)


MAX_TYPED_LINE_BYTES = 4096  # of a terminal (termios(3))
STDIN_FD, STDERR_FD = 0, 2  # sys.stdin is None where it was closed


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
        return os.read(fd, MAX_TYPED_LINE_BYTES)
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


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopError(Exception):
    """What was begun is not done; the text is for the person who stopped it, if one did."""

    def __init__(self, words: str, *, by_a_person: bool) -> None:
        super().__init__(words)
        self.by_a_person = by_a_person


class Stop:
    """Whether that was asked for: by a signal, or by a key as if it were Ctrl-C."""

    def __init__(self) -> None:
        self.asked: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    def ask(self, number: signal.Signals = signal.SIGINT) -> None:
        """Ask for it; the first counts."""
        if not self.asked.done():
            self.asked.set_result(number)

    @property
    def by_a_person(self) -> bool:
        """Whether a person has asked, who waits for an answer."""
        return self.asked.done() and self.asked.result() is signal.SIGINT

    def check(self, words: str) -> None:
        """Raise StopError with the words if it was asked for."""
        if self.asked.done():
            raise StopError(words, by_a_person=self.by_a_person)


@contextmanager
def stopping() -> Iterator[Stop]:
    """Let signals that would end the program ask for a stop instead."""
    loop = asyncio.get_running_loop()
    stop = Stop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.ask, number)
    try:
        yield stop
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
