# SPDX-License-Identifier: GPL-2.0-or-later
"""Why the machine is to be looked at again: a crash folder changed, or anything else did."""

import asyncio


class Hints:
    """What came in since the last look. Captures come in storms, and are no reason to ask all."""

    def __init__(self) -> None:
        self._any = asyncio.Event()
        self._everything = False

    def folders(self) -> None:
        """Say that a crash folder may have changed."""
        self._any.set()

    def everything(self) -> None:
        """Say that anything may have changed."""
        self._everything = True
        self._any.set()

    def take(self) -> bool:
        """Return whether anything may have changed, and begin anew."""
        everything, self._everything = self._everything, False
        self._any.clear()
        return everything

    async def wait(self) -> None:
        """Return when a hint has come in."""
        await self._any.wait()
