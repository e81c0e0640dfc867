# SPDX-License-Identifier: GPL-2.0-or-later
"""Change a crash folder as fast as possible: `python -m tests.hostile.harassment KIND PATH [PATH]`.

Each kind is a process of its own, until it is ended.
"""

import asyncio
import ctypes
import itertools
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.services.namespace import ROOT
from tests.services.process import BOUND, end

BEGUN = b"begun\n"
NOBODY = 65534
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # renameat2(2)
MODES = (0o755, 0o777, 0o700, 0o000, 0o3777)

Way = Callable[..., None]


def exchange(path: str, other: str) -> None:
    """Swap what two names mean, in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    one, two = os.fsencode(path), os.fsencode(other)
    if libc.renameat2(AT_FDCWD, one, AT_FDCWD, two, RENAME_EXCHANGE) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), path)


def change_rights(path: str) -> None:
    """Give it another mode, and where that is possible another owner."""
    for mode, owner in itertools.product(MODES, (0, NOBODY) if ROOT else ()):
        os.chown(path, owner, owner)
        Path(path).chmod(mode)
    for mode in MODES:
        Path(path).chmod(mode)


def shrink(path: str) -> None:
    """Take a file's contents away while it is read, and put them back."""
    content = Path(path).read_bytes() or bytes(1 << 16)
    with Path(path).open("r+b", buffering=0) as file:
        for size in (len(content), len(content) // 2, 4096, 1, 0):
            file.truncate(size)
        file.write(content)


def come_and_go(path: str) -> None:
    """Make a folder like a capture's, and remove it."""
    folder = Path(path)
    folder.mkdir()
    (folder / "vmcore").write_bytes(b"KDUMP   ")
    shutil.rmtree(folder)


KINDS: Mapping[str, Way] = {
    way.__name__: way for way in (exchange, change_rights, shrink, come_and_go)
}


def main(kind: str, *paths: str) -> None:
    """Do it for ever."""
    way = KINDS[kind]
    way(*paths)
    sys.stdout.buffer.write(BEGUN)
    sys.stdout.flush()
    while True:
        way(*paths)


@asynccontextmanager
async def harassed(*attacks: tuple[Way, *tuple[Path, ...]]) -> AsyncIterator[None]:
    """Run each attack in a process of its own while the context lasts."""
    async with AsyncExitStack() as stack:
        for way, *paths in attacks:
            await stack.enter_async_context(_harassing(way.__name__, *map(str, paths)))
        yield


@asynccontextmanager
async def _harassing(kind: str, *paths: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *BOUND,
        *(sys.executable, "-m", "tests.hostile.harassment", kind, *paths),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == BEGUN
        yield
        assert process.returncode is None  # it went on until now
    finally:
        await end(process)


if __name__ == "__main__":
    main(*sys.argv[1:])
