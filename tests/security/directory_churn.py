# SPDX-License-Identifier: GPL-2.0-or-later
"""Change a crash directory as fast as possible, in a process of its own, until that is ended."""

import asyncio
import ctypes
import itertools
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

from tests.support.namespace import ROOT
from tests.support.process import BOUND, end

BEGUN, AND = b"begun\n", "and"
NOBODY = 65534
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # renameat2(2)
MODES = (0o755, 0o777, 0o700, 0o000, 0o3777)

Way = Callable[..., None]
Attack = tuple[Way, Path] | tuple[Way, Path, Path]


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
    """Make a directory like a capture's, and remove it."""
    directory = Path(path)
    directory.mkdir()
    (directory / "vmcore").write_bytes(b"KDUMP   ")
    shutil.rmtree(directory)


KINDS: Mapping[str, Way] = {
    way.__name__: way for way in (exchange, change_rights, shrink, come_and_go)
}


def main(arguments: Sequence[str]) -> None:
    """Do it all in turn, for ever."""
    attacks = [list(group) for end_, group in groupby(arguments, AND.__eq__) if not end_]
    begun = False
    while True:
        for kind, *paths in attacks:
            KINDS[kind](*paths)
        if not begun:
            sys.stdout.buffer.write(BEGUN)
            sys.stdout.flush()
            begun = True


@asynccontextmanager
async def churned(*attacks: Attack) -> AsyncIterator[None]:
    """Run these attacks in turn, in a process of its own, while the context lasts."""
    words = [word for way, *paths in attacks for word in (way.__name__, *map(str, paths), AND)]
    process = await asyncio.create_subprocess_exec(
        *BOUND,
        *(sys.executable, "-m", "tests.security.directory_churn", *words),
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
    main(sys.argv[1:])
