# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask logind who is logged in, and who does not want the machine shut down now.

org.freedesktop.login1(5). Its bus policy lets everybody ask.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from kdumpd.dbus.connection import Connection
from kdumpd.dbus.messages import (
    PROPERTIES_INTERFACE,
    SERVICE_ABSENT_ERRORS,
    Body,
    BusError,
    CallError,
    CallOptions,
    Target,
)
from kdumpd.model.readiness.finding import Unknown
from kdumpd.model.text import printable, shown
from kdumpd.trigger.facts import Inhibitor, PeopleFacts, Session

LOGIND_BUS_NAME = "org.freedesktop.login1"
LOGIND_MANAGER = Target(LOGIND_BUS_NAME, "/org/freedesktop/login1", f"{LOGIND_BUS_NAME}.Manager")
SESSION_INTERFACE = f"{LOGIND_BUS_NAME}.Session"
USER_SESSION_CLASS = "user"  # others are greeters, and what systemd runs for a user
LOGIND_TIMEOUT_S = 5.0
LOGIND_CALL_OPTIONS = CallOptions(seconds=LOGIND_TIMEOUT_S)
MAX_ASKED_SESSIONS = 200  # that are asked what they are; beyond it each is taken for a person's


class Logind:
    """logind at the other end of the bus; it may be absent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self) -> PeopleFacts:
        """Return what it says; nothing where there is none."""
        try:
            async with asyncio.timeout(LOGIND_TIMEOUT_S):
                (sessions,) = await self._ask("ListSessions")
                (inhibitors,) = await self._ask("ListInhibitors")
                people = await self._people(sessions)
        except CallError as error:
            return PeopleFacts() if error.name in SERVICE_ABSENT_ERRORS else _unknown(str(error))
        except (BusError, TimeoutError):
            return _unknown(f"no answer within {LOGIND_TIMEOUT_S:g} s")
        except (TypeError, ValueError):
            return _unknown("its answer makes no sense")
        return PeopleFacts(sessions=people, inhibitors=tuple(blockers(inhibitors)))

    async def _people(self, sessions: Sequence[Any]) -> tuple[Session, ...]:
        people = []
        for number, (_, uid, user, _, path) in enumerate(sessions):
            if number >= MAX_ASKED_SESSIONS or await self._class(path) == USER_SESSION_CLASS:
                people.append(Session(uid=int(uid), name=_text(user)))
        return tuple(people)

    async def _class(self, path: str) -> str:
        target = Target(LOGIND_BUS_NAME, path, PROPERTIES_INTERFACE)
        try:
            (class_,) = await self._connection.call(
                target, "Get", "ss", [SESSION_INTERFACE, "Class"], LOGIND_CALL_OPTIONS
            )
        except CallError:
            return ""  # it has ended meanwhile
        return str(class_)

    async def _ask(self, member: str) -> Body:
        return await self._connection.call(LOGIND_MANAGER, member, call_options=LOGIND_CALL_OPTIONS)


def blockers(inhibitors: Sequence[Any]) -> list[Inhibitor]:
    """Return who blocks a shutdown, of what ListInhibitors answers: a(ssssuu)."""
    return [
        Inhibitor(who=_text(who), why=_text(why))
        for what, who, why, mode, *_ in inhibitors
        if mode == "block" and "shutdown" in what.split(":")
    ]


def _text(text: str) -> str:
    return shown(text.encode("utf-8", "replace")[:200])


def _unknown(problem: str) -> PeopleFacts:
    fact = Unknown(printable(f"logind does not say it: {problem}".encode()))
    return PeopleFacts(sessions=fact, inhibitors=fact)
