# SPDX-License-Identifier: GPL-2.0-or-later
"""Look what is new for one user, have the desktop show it, and do what is pressed."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from kdumpd.ctl.client import KDUMPD_ABSENT, AbsentError, Daemon, Properties
from kdumpd.dbus.connection import Connection, connect
from kdumpd.dbus.messages import (
    KDUMPD_BUS_NAME,
    KDUMPD_PATH,
    MANAGER_INTERFACE,
    MESSAGE_BUS,
    OBJECT_MANAGER_INTERFACE,
    PROPERTIES_INTERFACE,
    BusError,
    CallError,
    Target,
)
from kdumpd.model.vocabulary import Readiness
from kdumpd.notify.desktop import Desktop, DesktopError
from kdumpd.notify.notifications import (
    ALL_OPTION,
    Action,
    Notification,
    full_notification,
    new_notifications,
    refusal_notification,
)
from kdumpd.notify.seen import SeenStore
from kdumpd.notify.terminal import TerminalWindow

log = logging.getLogger(__name__)

NEWS_SIGNALS = (
    (Target(KDUMPD_BUS_NAME, KDUMPD_PATH, OBJECT_MANAGER_INTERFACE), "InterfacesAdded"),
    (Target(KDUMPD_BUS_NAME, KDUMPD_PATH, MANAGER_INTERFACE), "CrashReported"),
    (Target(KDUMPD_BUS_NAME, KDUMPD_PATH, PROPERTIES_INTERFACE), "PropertiesChanged"),
)

MIN_RETRY_S, MAX_RETRY_S = 1.0, 60.0


class GivenUpError(Exception):
    """Something has been missing for too long; the text says what."""


class Backoff:
    """Tries again after longer and longer delays, and gives up after some time without success."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: float | None = None
        self._delay = MIN_RETRY_S

    def miss(self, what: str, *, stay: bool = False) -> float:
        """Return the seconds until the next attempt; GivenUpError for none, if not to stay."""
        now = self._clock()
        if self._since is None:
            self._since = now
        left = self._since + self._seconds - now
        if left <= 0 and not stay:
            raise GivenUpError(what)
        delay, self._delay = self._delay, min(2 * self._delay, MAX_RETRY_S)
        return min(delay, left) if left > 0 else delay

    def relieve(self) -> None:
        """Note that nothing is missing."""
        self._since = None
        self._delay = MIN_RETRY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyDelays:
    """How long to wait for what, in seconds."""

    missing: float = 300.0  # for a bus, for kdumpd or a server, until it is given up
    collect: float = 2.0  # for more news, which come together after a boot
    steady: float = 20.0  # until not-ready is believed: the crash kernel may be loaded anew
    boot: float = 300.0  # after the boot, until the same: the crash kernel may be on its way


class Notifier:
    """Follows the daemon on one bus for a desktop on another."""

    def __init__(
        self,
        desktop: Desktop,
        seen_store: SeenStore,
        terminal: TerminalWindow,
        delays: NotifyDelays,
        uptime: Callable[[], float],
    ) -> None:
        self._desktop = desktop
        self._seen_store = seen_store
        self._terminal = terminal
        self._delays = delays
        self._uptime = uptime
        self._backoff = Backoff(delays.missing)
        self._wake = asyncio.Event()
        self._daemon: Daemon | None = None
        self._unready_since: float | None = None
        self._fell = False  # the daemon has told that it stays not-ready

    async def follow(self, address: str) -> None:
        """Tell of what the daemon on this bus says, until GivenUpError."""
        await self._desktop.follow(self._wake.set)
        while True:
            try:
                async with connect(address) as connection:
                    await self._watch(connection)
            except BusError as error:
                self._daemon = None
                delay = self._miss(str(error))
            await asyncio.sleep(delay)

    async def serve(self) -> None:
        """Do what is pressed, for ever: some of it asks a person and takes its time."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                notification, action = await self._desktop.pressed()
                tasks.create_task(self._do(notification, action))

    async def _watch(self, connection: Connection) -> NoReturn:
        """Look at each hint, until BusError."""
        daemon = self._daemon = Daemon(connection)
        for source, member in NEWS_SIGNALS:
            await connection.follow(source, member, self._wake.set)
        await connection.follow(
            Target(KDUMPD_BUS_NAME, KDUMPD_PATH, MANAGER_INTERFACE),
            "ReadinessChanged",
            self._take_fall,
        )
        await connection.follow(MESSAGE_BUS, "NameOwnerChanged", self._wake.set, KDUMPD_BUS_NAME)
        loss = asyncio.create_task(connection.lost())
        loss.add_done_callback(lambda _: self._wake.set())
        try:
            while not loss.done():
                self._wake.clear()
                delay = await self._look(daemon)
                try:
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(self._delays.collect)
            raise BusError(loss.result())
        finally:
            loss.cancel()

    async def _look(self, daemon: Daemon) -> float | None:
        """Show what is new, and return in how many seconds to look without a hint."""
        try:
            manager, captures = await daemon.manager(), await daemon.captures()
            acknowledged = {one["Id"] for one in captures if one["Acknowledged"]}
            await self._desktop.withdraw(
                lambda notification: (
                    bool(notification.about) and acknowledged.issuperset(notification.about)
                )
            )
            told = await asyncio.to_thread(self._seen_store.read)
            delay = self._unready_in(manager)
            for notification in new_notifications(manager, captures, told, unready=delay == 0):
                await self._desktop.show(notification)
                await asyncio.to_thread(self._seen_store.add, notification.keys)
        except AbsentError:
            return self._miss(KDUMPD_ABSENT)
        except (CallError, DesktopError) as error:
            return self._miss(str(error))
        self._backoff.relieve()
        return delay or None

    def _miss(self, what: str) -> float:
        return self._backoff.miss(what, stay=self._desktop.is_in_use)

    def _take_fall(self) -> None:
        self._fell = True
        self._wake.set()

    def _unready_in(self, manager: Properties) -> float | None:
        """Return in how many seconds not-ready is to be believed, None where all is well."""
        if manager["Readiness"] != Readiness.NOT_READY:
            self._unready_since, self._fell = None, False
            return None
        now = self._uptime()
        if self._unready_since is None:
            self._unready_since = now
        if self._fell:
            return 0
        return max(0, self._unready_since + self._delays.steady - now, self._delays.boot - now)

    async def _do(self, notification: Notification, action: Action) -> None:
        if action is Action.ACKNOWLEDGE:
            await self._acknowledge(notification)
        elif not await self._terminal.open(notification.command):
            await self._show(full_notification(notification))

    async def _acknowledge(self, notification: Notification) -> None:
        refusal = await self._refusal(notification)
        if refusal:
            await self._show(refusal_notification(notification, refusal))

    async def _refusal(self, notification: Notification) -> str:
        """Have crashes acknowledged, and return why they are not."""
        if self._daemon is None:
            return KDUMPD_ABSENT
        try:
            if notification.acknowledges == ALL_OPTION:
                await self._daemon.acknowledge_all(interactive=True)
            else:
                await self._daemon.acknowledge(notification.acknowledges, interactive=True)
        except AbsentError:
            return KDUMPD_ABSENT
        except (CallError, BusError) as error:
            return str(error)
        return ""

    async def _show(self, notification: Notification) -> None:
        try:
            await self._desktop.show(notification)
        except DesktopError as error:
            log.warning("'%s' is not shown: %s", notification.title, error)
