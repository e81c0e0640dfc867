# SPDX-License-Identifier: GPL-2.0-or-later
"""Who owns org.kdumpd1.Trigger, and records a crash test, without crashing anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbus_next import Message

from tests.support.dbus_next import DbusNextClient, dbus_next_client

CRASH_TEST = "org.kdumpd1.CrashTest"


async def record(client: DbusNextClient, id_: str, uid: int = 0, *codes: str) -> Message:
    """Return the answer to Record, an error too."""
    objections = [[code, "warning", "a sentence", "a remedy"] for code in codes]
    return await client.call(CRASH_TEST, "Record", "sua(ssss)", [id_, uid, objections])


@asynccontextmanager
async def trigger_owner(address: str) -> AsyncIterator[DbusNextClient]:
    """Connect, and take the name."""
    async with dbus_next_client(address) as client:
        await client.own("org.kdumpd1.Trigger")
        yield client
