# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpdctl shows on a terminal of some size, and what it prints into a pipe."""

import asyncio
import errno
import os
import pty
import struct
import sys
import termios
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fcntl import ioctl

SECONDS = 150.0
ROWS = 50
ENVIRONMENT = {"PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C.UTF-8", "PAGER": "cat"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a command left: exit status, what was shown or printed, and the words on stderr."""

    status: int
    out: str
    words: str = ""


async def shown(
    *arguments: str, width: int = 80, environment: Mapping[str, str] | None = None
) -> Shown:
    """Return what is on a terminal so wide after the command, stderr included."""
    master, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, width, 0, 0))
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kdumpd.ctl.main", *arguments),
            stdin=DEVNULL,
            stdout=terminal,
            stderr=terminal,
            env={**ENVIRONMENT, "TERM": "xterm", **(environment or {})},
        )
        os.close(terminal)
        async with asyncio.timeout(SECONDS):
            out = await asyncio.to_thread(_read, master)
            status = await process.wait()
    finally:
        os.close(master)
    return Shown(status=status, out=out.decode().replace("\r\n", "\n"))


async def printed(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    cwd: str | None = None,
    prefix: Sequence[str] = (),
) -> Shown:
    """Return what the command prints into pipes."""
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *(sys.executable, "-m", "kdumpd.ctl.main", *arguments),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        cwd=cwd,
        env={**ENVIRONMENT, **(environment or {})},
    )
    async with asyncio.timeout(SECONDS):
        out, words = await process.communicate()
    assert process.returncode is not None
    return Shown(status=process.returncode, out=out.decode(), words=words.decode())


def _read(master: int) -> bytes:
    """Return all that comes until nobody has the terminal open any more."""
    seen = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError as error:  # Linux: EIO when the other side is closed (pty(7))
            if error.errno != errno.EIO:
                raise
            return seen
        if not piece:
            return seen
        seen += piece
