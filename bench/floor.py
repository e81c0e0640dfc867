# SPDX-License-Identifier: GPL-2.0-or-later
"""The least that a service like kdumpd can be: its libraries, a name on the bus, and READY.

usage: python -m bench.floor ADDRESS NAME
"""

import asyncio
import sqlite3
import sys

import pyinotify
from dbus_fast import Message
from dbus_fast.aio import MessageBus
from systemd import daemon, journal

LIBRARIES = (sqlite3, pyinotify, journal)


async def serve(address: str, name: str) -> None:
    """Take the name, say READY, and wait for ever."""
    bus = await MessageBus(bus_address=address).connect()
    await bus.call(
        Message(
            destination="org.freedesktop.DBus",
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            member="RequestName",
            signature="su",
            body=[name, 4],
        )
    )
    daemon.notify("READY=1")
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast has no types here


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
