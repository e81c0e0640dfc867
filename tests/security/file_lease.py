# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold files under write leases: `python -m tests.security.file_lease FILE...`."""

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.process import BOUND, end

HELD = b"held\n"


def hold(paths: Sequence[str]) -> None:
    """Hold them until this process is ended, whoever asks for them."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    for path in paths:
        fd = os.open(path, os.O_RDWR)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    sys.stdout.buffer.write(HELD)
    sys.stdout.flush()
    signal.pause()


@asynccontextmanager
async def leased(*paths: Path) -> AsyncIterator[None]:
    """Have another process hold the files while the context lasts."""
    process = await asyncio.create_subprocess_exec(
        *BOUND,
        *(sys.executable, "-m", "tests.security.file_lease", *map(str, paths)),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == HELD
        yield
    finally:
        await end(process)


if __name__ == "__main__":
    hold(sys.argv[1:])
