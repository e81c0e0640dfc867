# SPDX-License-Identifier: GPL-2.0-or-later
"""From inotify to a signal on the bus, by the libraries of kdumpd and nothing else.

usage: python -m bench.bare_watch ADDRESS DIRECTORY
"""

import asyncio
import os
import sys

import pyinotify
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from systemd import daemon

NAME = "org.bare.Watch"


async def serve(address: str, directory: str) -> None:
    """Send a signal whenever a file gets a name in the directory, for ever."""
    bus = await MessageBus(bus_address=address).connect()
    manager = pyinotify.WatchManager()
    manager.add_watch(directory, pyinotify.IN_MOVED_TO)

    def told(event: pyinotify.Event) -> None:
        _ = bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path="/org/bare",
                interface=NAME,
                member="Noticed",
                signature="s",
                body=[os.fspath(event.pathname)],
            )
        )

    pyinotify.AsyncioNotifier(manager, asyncio.get_running_loop(), default_proc_fun=told)
    await bus.request_name(NAME)
    daemon.notify("READY=1")
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast has no types here


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
