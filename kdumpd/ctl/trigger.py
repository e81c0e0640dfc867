# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-trigger as its clients see it, one connection for all: a token is good on its own only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import Any

from kdumpd.ctl.client import (
    PASSWORD_CALL_OPTIONS,
    AbsentError,
    Daemon,
    absence,
    answer_of,
    obstacle_line,
)
from kdumpd.dbus.connection import Connection
from kdumpd.dbus.messages import (
    PROPERTIES_INTERFACE,
    TRIGGER_BUS_NAME,
    TRIGGER_INTERFACE,
    TRIGGER_PATH,
    BusError,
    CallError,
    CallOptions,
    Target,
)
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.text import time_from_microseconds

TRIGGER_ABSENT = "kdumpd-trigger is not installed, or cannot be started,"
TRIGGER_TARGET = Target(TRIGGER_BUS_NAME, TRIGGER_PATH, TRIGGER_INTERFACE)

# Three minutes for a password, one for the longest countdown, the rest for a sync to slow disks.
TRIGGER_TIMEOUT_S = 600.0
# The bus starts the service, which looks at the machine; a busy one takes longer than 25 seconds.
PREPARE_CALL_OPTIONS = CallOptions(seconds=90.0)
COUNTDOWN_CALL_OPTIONS = CallOptions(seconds=5.0)  # while the clock counts down


class TriggerState(StrEnum):
    """What the service is about to do once a crash was asked for."""

    COUNTING_DOWN = "counting-down"
    CRASHING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """What speaks against a crash, and what to do about it."""

    code: str
    severity: str
    message: str
    remedy: str

    @property
    def fatal(self) -> bool:
        """Whether it cannot be overridden."""
        return self.severity == Severity.FATAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """The right to one attempt, what speaks against it, and how long it may be made."""

    token: str
    objections: Sequence[Objection]
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the service is about to do, and when the kernel is crashed if it counts down."""

    state: str
    deadline: datetime


class Trigger:
    """The service at the other end of a connection. AbsentError where there is none."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def obstacle(self) -> str:
        """Return why no test is possible here, as kdumpd knows it; empty where it does not."""
        try:
            return obstacle_line(await Daemon(self._connection).manager())
        except (AbsentError, BusError, CallError):
            return ""  # kdumpd-trigger is asked, which says what it knows

    async def prepare(self) -> Preparation:
        """Return a token for a crash, and what speaks against one."""
        token, objections, expires = await self._ask(
            TRIGGER_TARGET, "Prepare", call_options=PREPARE_CALL_OPTIONS
        )
        return Preparation(
            token=token,
            objections=[
                Objection(code=code, severity=severity, message=message, remedy=remedy)
                for code, severity, message, remedy in objections
            ],
            expires=time_from_microseconds(expires),
        )

    async def crash(self, token: str, overridden: Sequence[str], *, interactive: bool) -> None:
        """Crash the kernel in spite of these objections; CallError says why it was not."""
        call_options = CallOptions(seconds=TRIGGER_TIMEOUT_S, interactive=interactive)
        await self._ask(
            TRIGGER_TARGET, "Trigger", "sas", token, list(overridden), call_options=call_options
        )

    async def cancel(self, *, interactive: bool = False) -> None:
        """End what is counted down or prepared; CallError where nothing is, or it is too late."""
        await self._ask(
            TRIGGER_TARGET,
            "Cancel",
            call_options=PASSWORD_CALL_OPTIONS if interactive else COUNTDOWN_CALL_OPTIONS,
        )

    async def progress(self) -> Progress:
        """Return how far it is."""
        target = Target(TRIGGER_BUS_NAME, TRIGGER_PATH, PROPERTIES_INTERFACE)
        (properties,) = await self._ask(
            target, "GetAll", "s", TRIGGER_INTERFACE, call_options=COUNTDOWN_CALL_OPTIONS
        )
        return Progress(
            state=properties["State"], deadline=time_from_microseconds(properties["Deadline"])
        )

    async def follow(self, hint: Callable[[], object]) -> None:
        """Call `hint` whenever the progress may be another."""
        await self._connection.follow(TRIGGER_TARGET, "Countdown", hint)
        await self._connection.follow(
            Target(TRIGGER_BUS_NAME, TRIGGER_PATH, PROPERTIES_INTERFACE), "PropertiesChanged", hint
        )

    async def _ask(
        self,
        target: Target,
        member: str,
        signature: str = "",
        *body: object,
        call_options: CallOptions | None = None,
    ) -> list[Any]:
        call = self._connection.call(
            target, member, signature, list(body), call_options or CallOptions()
        )
        with absence(TRIGGER_ABSENT, "kdumpd-trigger"):
            return await answer_of(self._connection, TRIGGER_BUS_NAME, "kdumpd-trigger", call)
