# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon is asked for by signals."""

import asyncio
import signal
from dataclasses import dataclass, field

ENDING = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Signals:
    """Whether it shall end, or read its configuration again."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the signals from now on, for as long as the loop lasts."""
        for number in ENDING:
            loop.add_signal_handler(number, self.stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload.set)

    async def wait(self) -> None:
        """Return once something is asked for."""
        waits = [asyncio.create_task(one.wait()) for one in (self.stop, self.reload)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
