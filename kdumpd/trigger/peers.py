# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is at the other end of the bus, by the bus' own word. A connection's name is never reused."""

from kdumpd.dbus.connection import BUS, Connection
from kdumpd.dbus.messages import BusError, CallError, Manner
from kdumpd.dbus.polkit import NOT_AUTHORIZED

BRISK = Manner(seconds=5.0)


class Peers:
    """The connections on the bus."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def uid(self, name: str) -> int:
        """Return whose connection it is; CallError where that cannot be told."""
        try:
            (uid,) = await self._connection.call(BUS, "GetConnectionUnixUser", "s", [name], BRISK)
        except (BusError, CallError) as error:
            sentence = "The bus does not say who you are: you may have left it."
            raise CallError(NOT_AUTHORIZED, sentence) from error
        return int(uid)

    async def is_there(self, name: str) -> bool:
        """Return whether the connection is still on the bus; in doubt it is not."""
        try:
            (there,) = await self._connection.call(BUS, "NameHasOwner", "s", [name], BRISK)
        except (BusError, CallError):
            return False
        return there is True
