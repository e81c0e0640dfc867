# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl dmesg: the kernel log of a crash."""

import argparse
import codecs
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import partial

from kdumpd.ctl.client import Daemon, select
from kdumpd.ctl.report import read_log
from kdumpd.ctl.terminal import Screen, Style, page, print_json, read_screen
from kdumpd.model.crashlog.headlines import HeadlineKind, parse_headline
from kdumpd.model.crashlog.lines import parse_lines

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
            chunks = iter(partial(log.read, CHUNK_BYTES), b"")
            await page(highlighted(terminal_text(chunks), screen), wanted=options.pager)
        else:
            shutil.copyfileobj(log, sys.stdout.buffer)
            sys.stdout.flush()
    return 0


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
