# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl watch: what happens, a line each, until Ctrl-C."""

import argparse
import asyncio
import os
from datetime import UTC, datetime
from typing import Any

from kdumpd.address import bus_address
from kdumpd.client.absence import AbsentError
from kdumpd.client.happening import Happening, happenings
from kdumpd.client.output import print_lines, tell
from kdumpd.client.stop import Stop, stopping
from kdumpd.ctl import trigger
from kdumpd.ctl.client import MANAGER, NAME, PATH, Daemon
from kdumpd.dbus.connection import BUS, Connection, connect
from kdumpd.dbus.messages import BusError, CallError, Interest, Signal, Target
from kdumpd.json_output import to_json

RETRY_SECONDS = 2.0  # until a lost bus is tried again
MOST_WAITING = 50_000  # signals, of a daemon that begins with many captures
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"
OWNER = "NameOwnerChanged"
INTERESTS = (
    Interest(Target(NAME, PATH, OBJECT_MANAGER), ("InterfacesAdded", "InterfacesRemoved")),
    Interest(Target(NAME, PATH, PROPERTIES), ("PropertiesChanged",), below=True),
    Interest(Target(NAME, PATH, MANAGER), ("ReadinessChanged", "CrashReported")),
    Interest(trigger.TRIGGER, ("Countdown",)),
    Interest(BUS, (OWNER,), about=NAME),
    Interest(BUS, (OWNER,), about=trigger.NAME),
)
ABSENT = "kdumpd does not run; waiting for it. To start it: systemctl start kdumpd"
GONE = "kdumpd is gone; waiting for its return."


async def watch(_: None, options: argparse.Namespace) -> int:
    """Print what happens, a line each, until Ctrl-C; what was there before is not told."""
    address = bus_address(options.bus, os.environ)
    with stopping() as stop:
        following = asyncio.create_task(_follow(address, options.json))
        waiting: list[asyncio.Future[Any]] = [following, stop.asked]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await _end(following, stop)
    return 0


async def _end(following: asyncio.Task[None], stop: Stop) -> None:
    if stop.asked.done():
        following.cancel()
        await asyncio.wait([following])
    if not following.cancelled():
        following.result()


async def _follow(address: str, form: str) -> None:
    """Tell what happens, for ever; a bus that is lost is tried again, one never there is not."""
    known = False
    while True:
        try:
            async with connect(address) as connection:
                known = True
                await _Teller(connection, form).run()
        except BusError as error:
            if not known:
                raise
            tell(f"{error}; waiting for its return.")
        await asyncio.sleep(RETRY_SECONDS)


class _Teller:
    """Tells what comes over one connection."""

    def __init__(self, connection: Connection, form: str) -> None:
        self._connection = connection
        self._form = form
        self._daemon = Daemon(connection)
        self._owners: dict[str, str] = {}  # of the two names, by whom else no signal counts

    async def run(self) -> None:
        """Tell, until BusError."""
        signals = await self._connection.listen_to(INTERESTS, MOST_WAITING)
        for name in (NAME, trigger.NAME):
            self._owners[name] = await self._connection.owner(name)
        await self._greet()
        loss = asyncio.create_task(self._connection.lost())
        coming = asyncio.create_task(signals.get())
        try:
            while True:
                await asyncio.wait([loss, coming], return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    raise BusError(loss.result())
                await self._take(coming.result())
                coming = asyncio.create_task(signals.get())
        finally:
            loss.cancel()
            coming.cancel()
            await asyncio.wait([loss, coming])

    async def _greet(self) -> None:
        """Say what is true now: a bus starts the daemon for whoever asks."""
        try:
            manager = await self._daemon.manager()
        except AbsentError:
            tell(ABSENT)
        except CallError as error:
            tell(str(error))
        else:
            tell(manager["Summary"])

    async def _take(self, signal: Signal) -> None:
        if signal.sender == BUS.name and signal.member == OWNER:
            name, _, owner = signal.body
            self._owners[name] = owner
            if name == NAME and owner:
                await self._greet()
            elif name == NAME:
                tell(GONE)
            return
        if signal.sender not in self._owners.values():
            return
        now = datetime.now(UTC)
        for one in happenings(signal):
            print_lines([self._line(one, now)])

    def _line(self, one: Happening, now: datetime) -> str:
        if self._form == "off":
            return f"{now.astimezone():%b %d %H:%M:%S} {one.text}"
        return to_json(one.record(now), pretty=self._form == "pretty")
