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
from asyncio.subprocess import PIPE
from collections.abc import Iterable, Mapping

from kdumpd.ctl.terminal import DUMB

USUAL = ("less", "more")
LESS = "FRSXMK"


def pager_of(environment: Mapping[str, str]) -> list[str]:
    """Return the command that pages, empty for none, and on a terminal that can do too little."""
    if environment.get("TERM", "") in DUMB:
        return []
    words = environment.get("SYSTEMD_PAGER", environment.get("PAGER"))
    if words is None:
        return [path for name in USUAL if (path := shutil.which(name))][:1]
    try:
        command = shlex.split(words)
    except ValueError:  # a quote that does not end
        return []
    return [] if command == ["cat"] else command


async def paged(lines: Iterable[str], command: list[str], environment: Mapping[str, str]) -> bool:
    """Return True once a person has seen enough of the lines, False where nothing pages them."""
    more = {"LESS": environment.get("SYSTEMD_LESS", LESS), "LESSSECURE": "1"}
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
