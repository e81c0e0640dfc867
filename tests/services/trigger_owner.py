# SPDX-License-Identifier: GPL-2.0-or-later
"""Who owns org.kdumpd1.Trigger, and records a crash test, without crashing anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbus_next import Message
from dbus_next.constants import RequestNameReply

from tests.services.dbus_next import DbusNextClient, dbus_next_client
from tests.services.process import ServiceError

CRASH_TEST = "org.kdumpd1.CrashTest"


async def record(client: DbusNextClient, id_: str, uid: int = 0, *codes: str) -> Message:
    """Return the answer to Record, an error too."""
    objections = [[code, "warning", "a sentence", "a remedy"] for code in codes]
    return await client.call(CRASH_TEST, "Record", "sua(ssss)", [id_, uid, objections])


@asynccontextmanager
async def trigger_owner(address: str) -> AsyncIterator[DbusNextClient]:
    """Connect, and take the name."""
    async with dbus_next_client(address) as client:
        answer = await client.bus.request_name("org.kdumpd1.Trigger")
        if answer is not RequestNameReply.PRIMARY_OWNER:
            raise ServiceError(f"org.kdumpd1.Trigger is not to be had: {answer}")
        yield client
