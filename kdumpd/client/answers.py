# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands that only look ask for, whoever answers."""

from typing import Protocol

from kdumpd.client.selection import Properties


class Answers(Protocol):
    """The daemon, or a look without it."""

    async def manager(self) -> Properties:
        """Return the properties of org.kdumpd1.Manager, or those that are known."""

    async def revalidate(self) -> None:
        """Have readiness judged now."""

    async def captures(self) -> list[Properties]:
        """Return the properties of every capture, the newest crash last, strangers' files first."""
