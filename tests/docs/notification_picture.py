# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the picture of a notification: what dunst shows of a crash.

usage: python -m tests.docs.notification_picture FILE
"""

import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.notify.login import Login, logged_in, remembered
from tests.notify.test_main import PANIC
from tests.support.cores import BLOCK, Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.desktop import desktop_on
from tests.support.machine import Machine
from tests.support.message_bus import Broker, private_bus

MEMORY = 1  # a seed


async def make(file: Path, work: Path) -> None:
    """Have a crash told on a desktop, and take the picture."""
    machine = Machine(work / "machine")
    memory = random.Random(MEMORY)  # noqa: S311  # what does not compress, the same each time
    pages = tuple(memory.randbytes(BLOCK) for _ in range(4200))
    crash = Crash(crash_time=1_795_408_507, host="workstation", pages=pages)
    machine.kdump_tools("202611230435", flattened(crash), PANIC)
    (work / "home").mkdir()
    async with (
        private_bus(work, Broker.DBUS_DAEMON) as bus,
        running(Setup(root=machine.root, state=work / "state", bus=bus.address)),
        desktop_on(bus.address, work / "home") as desktop,
    ):
        login = Login(home=work / "home", bus=bus.address, session=bus.address)
        async with logged_in(login):
            await remembered(login, 1)
            await desktop.wait_until_displayed(1)
            await asyncio.sleep(1)  # until it is drawn
            await desktop.take_picture(file)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(make(Path(sys.argv[1]).absolute(), Path(name)))
