# SPDX-License-Identifier: GPL-2.0-or-later
"""The server that shows notifications: Desktop Notifications Specification 1.2."""

import asyncio
from collections.abc import Callable

from kdumpd.dbus.connection import Connection
from kdumpd.dbus.messages import MESSAGE_BUS, Body, BusError, CallError, Signal, Target
from kdumpd.dbus.wire import variant
from kdumpd.notify.notifications import Action, Notification

NOTIFICATIONS_BUS_NAME = "org.freedesktop.Notifications"
NOTIFICATION_SERVER = Target(
    NOTIFICATIONS_BUS_NAME, "/org/freedesktop/Notifications", NOTIFICATIONS_BUS_NAME
)
APP_NAME, ICON, DESKTOP_ENTRY = "kdumpd", "kdumpd", "kdumpd-notify"
EXPIRE_BY_SERVER = -1  # expire_timeout: the server decides, by the urgency
ACTIONS_CAPABILITY, MARKUP_CAPABILITY = "actions", "body-markup"  # of GetCapabilities
MAX_OPEN_NOTIFICATIONS = 64


class DesktopError(Exception):
    """Nothing can be shown; the text says why."""


class Desktop:
    """Shows notifications, and knows which of them are open and what is pressed on them."""

    def __init__(self, connection: Connection, signals: asyncio.Queue[Signal]) -> None:
        self._connection = connection
        self._signals = signals
        self._open: dict[int, Notification] = {}  # by the server's ids
        self._server = ""  # its unique name: another one has other ids
        self._showing = asyncio.Lock()  # a signal may come before the answer that it follows

    async def follow(self, hint: Callable[[], object]) -> None:
        """Call `hint` when a server comes or goes."""
        await self._connection.follow(MESSAGE_BUS, "NameOwnerChanged", hint, NOTIFICATIONS_BUS_NAME)

    @property
    def is_in_use(self) -> bool:
        """Whether a notification is open: some servers close those of programs that end."""
        return bool(self._open)

    async def show(self, notification: Notification) -> None:
        """Return once the server has taken the notification; DesktopError where none does."""
        async with self._showing:
            await self._show(notification)

    async def _show(self, notification: Notification) -> None:
        (capabilities,) = await self._call("GetCapabilities")
        server = await self._connection.owner(NOTIFICATIONS_BUS_NAME)
        if server != self._server:
            self._open.clear()
            self._server = server
        actions = notification.actions if ACTIONS_CAPABILITY in capabilities else ()
        (id_,) = await self._call(
            "Notify",
            "susssasa{sv}i",
            APP_NAME,
            0,  # replaces none: an id that was closed may come again otherwise
            ICON,
            notification.title,
            notification.body(markup=MARKUP_CAPABILITY in capabilities),
            [word for action, label in actions for word in (str(action), label)],
            {
                "urgency": variant("y", int(notification.urgency)),
                "category": variant("s", str(notification.category)),
                "desktop-entry": variant("s", DESKTOP_ENTRY),
            },
            EXPIRE_BY_SERVER,
        )
        self._open[id_] = notification
        while len(self._open) > MAX_OPEN_NOTIFICATIONS:
            del self._open[next(iter(self._open))]

    async def pressed(self) -> tuple[Notification, Action]:
        """Wait until something is pressed on a notification, and return it once it is closed."""
        while True:
            signal = await self._signals.get()
            async with self._showing:
                pass  # what it is about is known then
            if signal.sender != self._server:
                continue
            match signal.member, signal.signature, signal.body:
                case "NotificationClosed", "uu", (id_, _):
                    self._open.pop(id_, None)
                case "ActionInvoked", "us", (id_, word) if word in set(Action):
                    notification = self._open.pop(id_, None)
                    if notification is not None:
                        await self._close(id_)
                        return notification, Action(word)
                case _:
                    continue

    async def withdraw(self, outdated: Callable[[Notification], bool]) -> None:
        """Close the notifications that say nothing new any more."""
        for id_ in [id_ for id_, notification in self._open.items() if outdated(notification)]:
            del self._open[id_]
            await self._close(id_)

    async def _close(self, id_: int) -> None:
        try:
            await self._connection.call(NOTIFICATION_SERVER, "CloseNotification", "u", [id_])
        except (CallError, BusError):
            return  # most servers have closed it when something is pressed

    async def _call(self, member: str, signature: str = "", *body: object) -> Body:
        try:
            return await self._connection.call(NOTIFICATION_SERVER, member, signature, list(body))
        except CallError as error:
            raise DesktopError(f"no server shows notifications: {error}") from error
        except BusError as error:
            raise DesktopError(str(error)) from error


async def desktop_on(connection: Connection) -> Desktop:
    """Return the desktop of a session, by its bus."""
    return Desktop(
        connection,
        await connection.listen(NOTIFICATION_SERVER, "ActionInvoked", "NotificationClosed"),
    )
