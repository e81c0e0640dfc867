# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands about what a crash left: its kernel log, where it lies, and that it was noted."""

import argparse
import codecs
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import BinaryIO

from kdumpd.client.daemon import Daemon
from kdumpd.client.output import tell
from kdumpd.client.selection import Properties, SelectionError, select
from kdumpd.client.summary import headline
from kdumpd.model.capture import CaptureState
from kdumpd.model.text import shown

CHUNK = 1 << 16
KEPT = "\n\t"


async def dmesg(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print the kernel log of one capture, or of the newest: raw, or escaped on a terminal."""
    capture = select(await daemon.captures(), options.id)
    print_log(await daemon.open_dmesg(capture["Id"], interactive=sys.stdin.isatty()))
    return 0


async def path(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print the path of one capture's core, or of the newest's, byte for byte."""
    capture = select(await daemon.captures(), options.id)
    print_path(capture["Directory"] if options.directory else core_path(capture))
    return 0


async def acknowledge(daemon: Daemon, options: argparse.Namespace) -> int:
    """Acknowledge crashes that somebody has taken note of: the newest, some, or all."""
    interactive = sys.stdin.isatty()
    if options.all:
        await daemon.acknowledge_all(interactive=interactive)
        tell("All crashes are acknowledged.")
        return 0
    captures = await daemon.captures()
    for capture in [select(captures, id_) for id_ in options.ids or (None,)]:
        await daemon.acknowledge(capture["Id"], interactive=interactive)
        tell(f"Acknowledged: {headline(capture)}")
    return 0


def core_path(capture: Properties) -> bytes:
    """Return the core's path; SelectionError where it leads nowhere."""
    core, id_ = bytes(capture["CoreFile"]), capture["Id"]
    if capture["State"] == CaptureState.GONE:
        raise SelectionError(f"Capture {id_} is gone. It was '{shown(core)}'.")
    if not core:
        raise SelectionError(f"Capture {id_} has no core. See: kdumpdctl info {id_}")
    return core


def terminal_text(chunks: Iterable[bytes]) -> Iterator[str]:
    r"""Yield a log as a terminal can be given it: only newlines and tabs are not escaped."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for chunk in chunks:
        yield _escaped(decoder.decode(chunk))
    yield _escaped(decoder.decode(b"", final=True))


def print_log(fd: int) -> None:
    """Print what is read from the descriptor, and close it."""
    with os.fdopen(fd, "rb") as log:
        if sys.stdout.isatty():
            sys.stdout.writelines(terminal_text(_chunks(log)))
        else:
            shutil.copyfileobj(log, sys.stdout.buffer)
    sys.stdout.flush()


def print_path(name: bytes) -> None:
    """Print a file name as it is, whatever its bytes."""
    sys.stdout.buffer.write(name + b"\n")
    sys.stdout.flush()


def _chunks(log: BinaryIO) -> Iterator[bytes]:
    return iter(partial(log.read, CHUNK), b"")


def _escaped(text: str) -> str:
    return "".join(
        char
        if char in KEPT or char.isprintable()
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
