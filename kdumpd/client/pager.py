# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that shows a long text on a terminal page by page.

Chosen as systemd's tools choose it (systemd 252, src/shared/pager.c): SYSTEMD_PAGER, else PAGER,
else less; an empty text or cat means none. less is told SYSTEMD_LESS or FRSXMK, and always that it
must run no other program: whoever may read a kernel log may be root.
"""

import asyncio
import shlex
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from kdumpd.client.screen import DUMB

USUAL = ("less", "more")
NONE = {"", "cat"}
LESS = "FRSXMK"


def pager_of(environment: Mapping[str, str]) -> list[str]:
    """Return the command that pages, empty for none, and on a terminal that can do too little."""
    if environment.get("TERM", "") in DUMB:
        return []
    for name in ("SYSTEMD_PAGER", "PAGER"):
        if name in environment:
            words = environment[name].strip()
            return [] if words in NONE else _split(words)
    found = next((path for name in USUAL if (path := shutil.which(name))), None)
    return [found] if found else []


async def paged(lines: Iterable[str], command: list[str], environment: Mapping[str, str]) -> bool:
    """Return True once a person has seen enough of the lines, False where nothing pages them."""
    more = {"LESS": environment.get("SYSTEMD_LESS", LESS), "LESSSECURE": "1"}
    try:
        pager = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, env={**environment, **more}
        )
    except OSError:
        return False
    with _interrupts_left_to_it():
        try:
            await _feed(pager, lines)
        finally:
            await pager.wait()
    return True


async def _feed(pager: Process, lines: Iterable[str]) -> None:
    if pager.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):  # somebody has seen enough
        for line in lines:
            pager.stdin.write(line.encode("utf-8", "backslashreplace"))
            await pager.stdin.drain()
        pager.stdin.close()
        await pager.stdin.wait_closed()


@contextmanager
def _interrupts_left_to_it() -> Iterator[None]:
    """Let Ctrl-C end a search in the pager, and not this program."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _split(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError:  # a quote that does not end
        return []
