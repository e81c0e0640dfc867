# SPDX-License-Identifier: GPL-2.0-or-later
"""Signals reach the daemon from root's programs alone: there is no limit to how many are queued."""

from pathlib import Path

import pytest

from kdumpd.dbus.connection import connect
from kdumpd.dbus.messages import Target
from tests.endurance.flood import MANAGER, SORTS, flooded
from tests.support.message_bus import Broker
from tests.support.namespace import ROOT
from tests.support.polkit import system_bus
from tests.support.traps import NOBODY

pytestmark = [
    pytest.mark.bus,
    pytest.mark.skipif(not ROOT, reason="only root can be somebody else"),
]

NAMES = ("org.kdumpd1", "org.kdumpd1.Trigger")
COUNT = 5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("uid", "arrived"), [(NOBODY, 0), (0, COUNT)], ids=["stranger", "root"])
async def test_signals(uid: int, arrived: int, name: str, public: Path, broker: Broker) -> None:
    sort = SORTS["signals"]
    async with system_bus(public, broker) as bus, connect(bus.address) as service:
        await service.own(name)
        signals = await service.listen(Target(name, "/org/kdumpd1", MANAGER), sort.member)
        unique = await service.owner(name)
        async with flooded(bus.address, sort, unique, count=COUNT, uid=uid) as flood:
            await flood.until_done()
        await service.owner(name)  # whose answer comes after all that was queued
        assert signals.qsize() == arrived
