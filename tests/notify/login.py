# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-notify in the session of a user: a process with a home of its own."""

import asyncio
import os
import pwd
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.process import BOUND, end, program

# Another user may not see the Python that runs the tests: it is loaded first.
AS_ANOTHER = """
import concurrent.futures.thread, os, sys
from kdumpd.notify.main import main
os.setgroups([])
os.setresgid(*3 * [{gid}])
os.setresuid(*3 * [{uid}])
sys.exit(main())
"""


def as_another(name: str) -> tuple[str, str]:
    """Return the program that becomes that user, with no right of another."""
    entry = pwd.getpwnam(name)
    return "-c", AS_ANOTHER.format(uid=entry.pw_uid, gid=entry.pw_gid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to start it."""

    home: Path
    bus: str
    session: str
    options: Sequence[str] = ()
    program: Sequence[str] = ("-m", "kdumpd.notify.main")  # python's arguments
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def notified(self) -> Path:
        """Return the file in which is remembered what was told."""
        return self.home / "state/kdumpd/notified"

    @property
    def log(self) -> Path:
        """Return the file that has its words."""
        return self.home / "log"


@asynccontextmanager
async def logged_in(login: Login) -> AsyncIterator[Process]:
    """Run kdumpd-notify until the context ends."""
    login.home.mkdir(exist_ok=True)
    with login.log.open("ab") as words:
        process = await asyncio.create_subprocess_exec(
            program("setpriv", "util-linux"),  # whatever PATH the program is given
            *BOUND[1:],
            *(sys.executable, *login.program),
            *("--bus", login.bus, "--session-bus", login.session),
            *login.options,
            stdin=DEVNULL,
            stdout=words,
            stderr=words,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(login.home),
                "XDG_STATE_HOME": str(login.home / "state"),
                "TZ": "UTC",
                **login.environment,
            },
        )
    try:
        yield process
    finally:
        await end(process)


async def ended(process: Process, seconds: float = 30) -> int:
    """Return the exit status once the program has ended by itself."""
    async with asyncio.timeout(seconds):
        return await process.wait()


async def remembered(login: Login, count: int, seconds: float = 30) -> list[str]:
    """Return the lines of what was told once there are so many."""
    async with asyncio.timeout(seconds):
        while True:
            lines = login.notified.read_text().splitlines() if login.notified.exists() else []
            if len(lines) >= count:
                return lines
            await asyncio.sleep(0.05)
