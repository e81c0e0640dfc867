# SPDX-License-Identifier: GPL-2.0-or-later
"""A stranger cannot use up the daemon's descriptors."""

import os
from pathlib import Path

import pytest

from kdumpd.dbus import wire
from kdumpd.dbus.connection import connect
from kdumpd.dbus.messages import Target
from kdumpd.dbus.wire import Outgoing
from tests.support.daemon import Setup, running
from tests.support.message_bus import Broker, private_bus

pytestmark = pytest.mark.bus

FLOOD = 500
AT_ONCE = 20  # rounds of two calls each: a bus lets a peer wait for 128 answers
PEER = Target("org.kdumpd1", "/org/kdumpd1", "org.freedesktop.DBus.Peer")
MANAGER = "org.kdumpd1.Manager"


def messages(fd: int) -> list[Outgoing]:
    """Return messages with a descriptor that nobody asked for."""
    kinds = [
        (wire.METHOD_CALL, MANAGER, "Rescan", "h", 0),  # refused
        (wire.METHOD_CALL, MANAGER, "Rescan", "", wire.NO_REPLY_EXPECTED),
        (wire.METHOD_CALL, "org.example.None", "Explode", "h", 0),
        (wire.SIGNAL, MANAGER, "Rescan", "h", 0),
    ]
    return [
        Outgoing(
            kind=kind,
            destination="org.kdumpd1",
            path="/org/kdumpd1",
            interface=interface,
            member=member,
            signature=signature,
            body=[0] if signature else [],
            descriptors=(os.dup(fd),),
            flags=flags,
        )
        for kind, interface, member, signature, flags in kinds
    ]


async def test_flood_of_descriptors_leaves_none_open(
    setup: Setup, tmp_path: Path, broker: Broker
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "bait").touch()
    async with private_bus(tmp_path / "other", broker) as bus:
        setup = Setup(root=setup.root, state=setup.state, bus=bus.address)
        async with running(setup) as kdumpd, connect(bus.address) as client:
            with (tmp_path / "bait").open("rb") as bait:
                for number in range(FLOOD):
                    for message in messages(bait.fileno()):
                        await client._session.send(message)
                    if number % AT_ONCE == 0:
                        await client.call(PEER, "Ping")
            # The bus keeps the order: all have come when this is answered.
            await client.call(PEER, "Ping")
            assert tmp_path / "bait" not in kdumpd.files
