# SPDX-License-Identifier: GPL-2.0-or-later
"""A look at a machine without the daemon: its program, asked once in a child process."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any

from kdumpd.client.selection import Properties, age
from kdumpd.json_output import properties_of
from kdumpd.model.readiness.report import EXIT_STATUS

SECONDS = 60.0  # more than a look takes where a crash folder does not answer
NOTHING_FOUND = 1
# Isolated from the working directory, the user's folder and every PYTHON… variable; an installation
# in a folder that Python does not know by itself is named last, so that it hides nothing.
MAIN = """\
import sys
sys.path.append(sys.argv.pop(1))
from kdumpd.daemon import main
sys.exit(main())
"""
PROGRAM = (sys.executable, "-I", "-B", "-c", MAIN, str(Path(__file__).parents[2]))
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}


class LookError(Exception):
    """There is no answer without the daemon either; the text says why."""


class Look:
    """What the machine below a root is, and what lies in its crash folders."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def manager(self) -> Properties:
        """Return those properties of org.kdumpd1.Manager that are about readiness."""
        return properties_of(await self._ask("--check", *EXIT_STATUS.values()))

    async def revalidate(self) -> None:
        """Do nothing: whoever asks has the machine looked at."""

    async def captures(self) -> list[Properties]:
        """Return the properties of every capture, the newest crash last, strangers' files first.

        That one is gone, was acknowledged, or was found before, nobody knows.
        """
        records = await self._ask("--list", 0, NOTHING_FOUND)
        return sorted((properties_of(record) for record in records), key=age)

    async def _ask(self, question: str, *answered: int) -> Any:  # noqa: ANN401  # any JSON
        """Return the answer; LookError where there is none in time. No process is left."""
        child = await asyncio.create_subprocess_exec(
            *PROGRAM,
            *(question, "--json=short", "--root", str(self._root)),
            stdin=DEVNULL,
            stdout=PIPE,
            env=ENVIRONMENT,
        )
        try:
            async with asyncio.timeout(SECONDS):
                out, _ = await child.communicate()
        except TimeoutError as error:
            raise LookError(f"kdumpd {question} had no answer after {SECONDS:g} s") from error
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode not in answered:
            raise LookError(f"kdumpd {question} failed with exit status {child.returncode}")
        return json.loads(out)
