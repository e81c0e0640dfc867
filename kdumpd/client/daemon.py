# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon as its clients see it: what it answers, as plain values."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from kdumpd.bus import Connection, connect
from kdumpd.call import CallError, Target

NAME = "org.kdumpd1"
PATH = "/org/kdumpd1"
MANAGER = "org.kdumpd1.Manager"
CAPTURE = "org.kdumpd1.Capture"
ABSENT = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
}

Properties = Mapping[str, Any]


class AbsentError(Exception):
    """Nobody answers for kdumpd on this bus."""


class Daemon:
    """The daemon at the other end of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def manager(self) -> Properties:
        """Return the properties of org.kdumpd1.Manager."""
        target = Target(NAME, PATH, "org.freedesktop.DBus.Properties")
        (properties,) = await self._ask(target, "GetAll", "s", MANAGER)
        return dict(properties)

    async def captures(self) -> list[Properties]:
        """Return the properties of every capture, the newest crash last, strangers' files first."""
        target = Target(NAME, PATH, "org.freedesktop.DBus.ObjectManager")
        (objects,) = await self._ask(target, "GetManagedObjects", "")
        found = [interfaces[CAPTURE] for interfaces in objects.values() if CAPTURE in interfaces]
        return sorted(found, key=_age)

    async def _ask(self, target: Target, member: str, signature: str, *body: object) -> list[Any]:
        try:
            return await self._connection.call(target, member, signature, list(body))
        except CallError as error:
            if error.name in ABSENT:
                raise AbsentError(str(error)) from error
            raise


def _age(capture: Properties) -> tuple[bool, int, str]:
    return capture["Trusted"], capture["CrashedAt"] or capture["FoundAt"], capture["Id"]


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Daemon]:
    """Connect to the daemon on the bus at the address; BusError when there is no bus."""
    async with connect(address) as connection:
        yield Daemon(connection)
