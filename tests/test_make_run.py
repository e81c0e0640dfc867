# SPDX-License-Identifier: GPL-2.0-or-later
"""`make run`, the first command of somebody new, as a person starts and ends it."""

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from tests.support.process import BOUND, end, program

pytestmark = pytest.mark.bus

TREE = Path(__file__).parents[1]
INTERRUPT_KEY = b"\x03"
# The environment of Python is there: the tests run in it.
MAKE = "make --no-print-directory --old-file=.venv/run.stamp run"


@pytest.fixture
def command(tmp_path: Path) -> str:
    (tmp_path / "crash").mkdir()
    return f"{MAKE} CRASH={tmp_path}/crash RUN={os.path.relpath(tmp_path / 'run', TREE)}"


async def test_ctrl_c_ends_it_without_an_error(command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *BOUND,
        *(program("script", "bsdutils"), "--quiet", "--command", command, "/dev/null"),
        cwd=TREE,
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(60):
            while b"READY: kdumpd" not in said:
                piece = await process.stdout.read(4096)
                assert piece, said
                said += piece
            process.stdin.write(INTERRUPT_KEY)
            said += await process.stdout.read()
            await process.wait()
    finally:
        await end(process)
    assert b"Error" not in said
    assert b"Traceback" not in said
