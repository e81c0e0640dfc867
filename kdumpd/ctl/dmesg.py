# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl dmesg: the kernel log of a crash."""

import argparse
import asyncio
import codecs
import os
import shlex
import shutil
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import BinaryIO

from kdumpd.ctl.client import Daemon, select
from kdumpd.ctl.report import read_log
from kdumpd.ctl.terminal import DUMB_TERMINALS, Screen, Style, print_json, read_screen
from kdumpd.model.crashlog.headlines import HeadlineKind, parse_headline
from kdumpd.model.crashlog.lines import parse_lines

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


CHUNK_BYTES = 1 << 16
KEPT_CONTROL_CHARACTERS = "\n\t"
HEADLINE_STYLES = {
    HeadlineKind.PANIC: Style.BAD,
    HeadlineKind.OOPS: Style.BAD,
    HeadlineKind.DIE: Style.BAD,
    HeadlineKind.REPORT: Style.DOUBTFUL,
    HeadlineKind.LOCKUP: Style.DOUBTFUL,
    HeadlineKind.MEMORY: Style.DOUBTFUL,
    HeadlineKind.HARDWARE: Style.DOUBTFUL,
    HeadlineKind.NMI: Style.DOUBTFUL,
    HeadlineKind.REQUEST: Style.BOLD,
    HeadlineKind.EXPLANATION: Style.BOLD,
}


async def dmesg(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print the kernel log of one capture, or of the newest: raw, or escaped on a terminal."""
    capture = select(await daemon.captures(), options.id)
    fd = await daemon.open_dmesg(capture["Id"], interactive=sys.stdin.isatty())
    if options.json != "off":
        lines = [
            {"time": line.time, "text": line.text.decode("utf-8", "surrogateescape")}
            for line in parse_lines(read_log(fd))
        ]
        print_json({"capture": capture["Id"], "lines": lines}, options.json)
        return 0
    screen = read_screen(sys.stdout, os.environ)
    with os.fdopen(fd, "rb") as log:
        if screen.is_terminal:
            await show_log(log, screen, pager_of(os.environ) if options.pager else [])
        else:
            shutil.copyfileobj(log, sys.stdout.buffer)
            sys.stdout.flush()
    return 0


async def show_log(log: BinaryIO, screen: Screen, pager: list[str]) -> None:
    """Show a log on a terminal, by a pager where there is one."""
    lines = highlighted(terminal_text(iter(partial(log.read, CHUNK_BYTES), b"")), screen)
    if not (pager and await paged(lines, pager, os.environ)):
        sys.stdout.writelines(lines)
        sys.stdout.flush()


def terminal_text(chunks: Iterable[bytes]) -> Iterator[str]:
    r"""Yield a log as a terminal can be given it: only newlines and tabs are not escaped."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for chunk in chunks:
        yield _escaped(decoder.decode(chunk))
    yield _escaped(decoder.decode(b"", final=True))


def highlighted(pieces: Iterable[str], screen: Screen) -> Iterator[str]:
    """Yield the text by its lines, those that say what is wrong in a colour."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from (f"{_styled(line, screen)}\n" for line in lines)
    if rest:
        yield _styled(rest, screen)


def _styled(text: str, screen: Screen) -> str:
    if not screen.colour:
        return text
    for line in parse_lines(text.encode()):
        headline = parse_headline(0, line)
        if headline is not None:
            return screen.styled(text, HEADLINE_STYLES.get(headline.kind))
    return text


def _escaped(text: str) -> str:
    return "".join(
        char
        if char in KEPT_CONTROL_CHARACTERS or char.isprintable()
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
