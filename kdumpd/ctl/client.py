# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon as its clients see it: what it answers, as plain values."""

from typing import Any

from kdumpd.client.absence import absence
from kdumpd.client.selection import Properties, age
from kdumpd.dbus.connection import USUAL, Connection
from kdumpd.dbus.messages import Manner, Target

NAME = "org.kdumpd1"
PATH = "/org/kdumpd1"
MANAGER = "org.kdumpd1.Manager"
CRASH_TEST = "org.kdumpd1.CrashTest"
CAPTURE = "org.kdumpd1.Capture"
ABSENT = "kdumpd does not run"
# Longer than the daemon takes to ask polkit and open a file, with and without a person's password.
ASKING = Manner(seconds=180.0, interactive=True)
# On a busy machine 10,000 captures take long to be put into one message, and to be read out of it.
LISTING = Manner(seconds=120.0)
UNASKED = Manner(seconds=60.0)


class Daemon:
    """The daemon at the other end of a connection. AbsentError where there is none."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def manager(self) -> Properties:
        """Return the properties of org.kdumpd1.Manager."""
        return await self._properties(MANAGER)

    async def crash_test(self) -> Properties:
        """Return the properties of org.kdumpd1.CrashTest."""
        return await self._properties(CRASH_TEST)

    async def revalidate(self) -> None:
        """Have readiness judged now."""
        await self._ask(Target(NAME, PATH, MANAGER), "Revalidate")

    async def captures(self) -> list[Properties]:
        """Return the properties of every capture, the newest crash last, strangers' files first."""
        target = Target(NAME, PATH, "org.freedesktop.DBus.ObjectManager")
        (objects,) = await self._ask(target, "GetManagedObjects", manner=LISTING)
        found = [interfaces[CAPTURE] for interfaces in objects.values() if CAPTURE in interfaces]
        return sorted(found, key=age)

    async def open_dmesg(self, id_: str, *, interactive: bool) -> int:
        """Return a descriptor of the capture's kernel log, which the caller closes."""
        manner = ASKING if interactive else UNASKED
        with absence(ABSENT):
            return await self._connection.call_for_descriptor(_capture(id_), "OpenDmesg", manner)

    async def acknowledge(self, id_: str, *, interactive: bool) -> None:
        """Acknowledge one capture."""
        await self._order(_capture(id_), "Acknowledge", interactive=interactive)

    async def acknowledge_all(self, *, interactive: bool) -> None:
        """Acknowledge all captures."""
        await self._order(Target(NAME, PATH, MANAGER), "AcknowledgeAll", interactive=interactive)

    async def _properties(self, interface: str) -> Properties:
        target = Target(NAME, PATH, "org.freedesktop.DBus.Properties")
        (properties,) = await self._ask(target, "GetAll", "s", interface)
        return dict(properties)

    async def _order(self, target: Target, member: str, *, interactive: bool) -> None:
        await self._ask(target, member, manner=ASKING if interactive else UNASKED)

    async def _ask(
        self,
        target: Target,
        member: str,
        signature: str = "",
        *body: object,
        manner: Manner = USUAL,
    ) -> list[Any]:
        with absence(ABSENT):
            return await self._connection.call(target, member, signature, list(body), manner)


def _capture(id_: str) -> Target:
    return Target(NAME, f"{PATH}/capture/{id_}", CAPTURE)
