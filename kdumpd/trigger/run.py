# SPDX-License-Identifier: GPL-2.0-or-later
"""One crash test: announced, counted down, recorded on disk, and then the key is pressed.

Until the key is pressed it ends at once when somebody stops it, or when whoever asked for it leaves
the bus.

A rehearsal is the same with another key, and without the record.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn, Protocol

from kdumpd.dbus.messages import DISABLED_ERROR, FAILED_ERROR, OBJECTIONS_ERROR, BusError, CallError
from kdumpd.model.crash_test import Intent
from kdumpd.model.events import Event, announcement_event, cancellation_event
from kdumpd.model.readiness.finding import Finding
from kdumpd.observe.threads import start
from kdumpd.trigger.objections import fatal_ones, objections, sentence
from kdumpd.trigger.preflight import Preflight

log = logging.getLogger(__name__)


class Stage(StrEnum):
    """How far it is."""

    CHECKING = "checking"  # whether anything speaks against it
    COUNTING_DOWN = "counting-down"
    CRASHING = "crashing"  # the intent is on disk


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashTestTimeouts:
    """How long each thing takes, or may take, in seconds."""

    watch: float = 0.5  # between two questions whether the asker is still there
    journal: float = 1.0  # for journald to write what it was told; it syncs what is critical
    sync: float = 15.0  # for the disks
    crash: float = 10.0  # until a kernel that did not crash will not crash any more


class Peers(Protocol):
    """Who knows the connections on the bus."""

    async def is_there(self, name: str) -> bool:
        """Return whether the connection is still on the bus; in doubt it is not."""


class Recorder(Protocol):
    """Who keeps a record of tests on disk."""

    async def record(self, id_: str, uid: int, overridden: Sequence[Finding]) -> None:
        """Have the test recorded; BusError or CallError where it is not on disk in time."""


class Key(Protocol):
    """What crashes the kernel."""

    @property
    def rehearses(self) -> bool:
        """Whether the kernel is to print its help instead."""

    def press(self) -> None:
        """Crash the kernel; returns only when it did not, OSError when it refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDependencies:
    """What a run is made with."""

    preflight: Preflight
    recorder: Recorder
    peers: Peers
    key: Key
    tell: Callable[[Event], None]
    allowed: Callable[[], Awaitable[bool]]  # by the configuration as it is now
    sync: Callable[[], None] = os.sync
    timeouts: CrashTestTimeouts = CrashTestTimeouts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks for the crash, frozen before anybody was asked about him."""

    id: str
    sender: str
    uid: int
    user: str = ""  # his name, where it is known
    host: str = ""  # the machine's name
    overridden: frozenset[str]  # codes
    countdown: float  # seconds


class CrashTestRun:
    """A crash test under way; `show` is called whenever it has come further."""

    def __init__(
        self, dependencies: RunDependencies, request: Request, show: Callable[[], Awaitable[None]]
    ) -> None:
        self.stage = Stage.CHECKING
        self.deadline: datetime | None = None
        self.request = request
        self._dependencies = dependencies
        self._show = show
        self._intent = Intent(
            id=request.id,
            uid=request.uid,
            user=request.user,
            host=request.host,
            overridden=(),
            at=datetime.now(UTC),
            rehearsal=dependencies.key.rehearses,
        )
        self._stopped: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._pressed = False

    def stop(self, because: str) -> bool:
        """Stop it, and return whether it was not too late: after a yes no key is pressed."""
        if self._pressed:
            return False
        if not self._stopped.done():
            self._stopped.set_result(because)
        return True

    async def run(self, overridden: Sequence[Finding]) -> NoReturn:
        """Crash the kernel in spite of these objections; CallError says why it did not crash."""
        codes = tuple(one.code for one in overridden)
        self._intent = replace(self._intent, overridden=codes)
        if self._stopped.done():
            raise CallError(FAILED_ERROR, f"The test was cancelled: {self._stopped.result()}.")
        steps = asyncio.create_task(self._steps(overridden))
        watch = asyncio.create_task(self._watch())
        ends: list[asyncio.Future[Any]] = [steps, watch, self._stopped]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            steps.cancel()
            watch.cancel()
            await asyncio.gather(steps, watch, return_exceptions=True)
            error = self._outcome(steps)
            self._dependencies.tell(
                cancellation_event(self._intent, _reason(error), datetime.now(UTC))
            )
        raise error

    def _outcome(self, steps: asyncio.Task[NoReturn]) -> BaseException:
        """Return why the kernel was not crashed, once all is over."""
        if self._stopped.done() and not self._pressed:
            return CallError(FAILED_ERROR, f"The test was cancelled: {self._stopped.result()}.")
        error = None if steps.cancelled() else steps.exception()
        return error or CallError(
            FAILED_ERROR, "The test was cancelled: kdumpd-trigger lost the bus."
        )

    async def _steps(self, overridden: Sequence[Finding]) -> NoReturn:
        await self._count_down()
        await self._check_again()
        # A rehearsal proves nothing: a record of it would be looked for after the next boot.
        if not self._intent.rehearsal:
            await self._record(overridden)
        self.stage = Stage.CRASHING
        await self._show()
        await asyncio.sleep(self._dependencies.timeouts.journal)
        await self._sync()
        if not await self._dependencies.peers.is_there(self.request.sender):
            raise CallError(FAILED_ERROR, "The client that asked for the test has left the bus.")
        self._press()
        await self._survive()

    async def _count_down(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self.request.countdown
        self.deadline = datetime.now(UTC) + timedelta(seconds=self.request.countdown)
        self.stage = Stage.COUNTING_DOWN
        self._dependencies.tell(announcement_event(self._intent, self.request.countdown))
        await self._show()
        await asyncio.sleep(max(0.0, end - loop.time()))

    async def _check_again(self) -> None:
        """Go on only if the test is still allowed, and nothing fatal has come up."""
        if not await self._dependencies.allowed():
            raise CallError(DISABLED_ERROR, "The configuration no longer allows crash tests.")
        found = fatal_ones(objections(await self._dependencies.preflight.look(self.request.uid)))
        if found:
            raise CallError(
                OBJECTIONS_ERROR, f"The check just before the crash found: {sentence(found)}."
            )

    async def _record(self, overridden: Sequence[Finding]) -> None:
        try:
            await self._dependencies.recorder.record(self.request.id, self.request.uid, overridden)
        except (BusError, CallError) as error:
            reason = str(error).rstrip(".")
            raise CallError(FAILED_ERROR, f"kdumpd has not recorded the test: {reason}.") from error

    async def _sync(self) -> None:
        timeout_s = self._dependencies.timeouts.sync
        done, _ = await asyncio.wait({start(self._dependencies.sync)}, timeout=timeout_s)
        if not done:
            log.warning("the disks have not written everything within %g s: going on", timeout_s)

    def _press(self) -> None:
        # Without an await since the last look at it: whoever was told that it is stopped is right.
        if self._stopped.done():
            raise CallError(FAILED_ERROR, "The test was cancelled.")
        self._pressed = True
        try:
            self._dependencies.key.press()
        except OSError as error:
            sentence_ = f"The kernel refused to crash: {error.strerror}."
            raise CallError(FAILED_ERROR, sentence_) from error

    async def _survive(self) -> NoReturn:
        if self._intent.rehearsal:
            raise CallError(
                FAILED_ERROR, "This was a rehearsal: the kernel only printed its SysRq help."
            )
        await asyncio.sleep(self._dependencies.timeouts.crash)
        raise CallError(
            FAILED_ERROR,
            "The kernel was told to crash, but did not. See its log: journalctl -k.",
        )

    async def _watch(self) -> None:
        """Stop the run when whoever asked for it leaves the bus."""
        while await self._dependencies.peers.is_there(self.request.sender):  # noqa: ASYNC110  # who leaves says nothing
            await asyncio.sleep(self._dependencies.timeouts.watch)
        if not self.stop("the client that asked for it has left the bus"):
            await asyncio.get_running_loop().create_future()  # the key is pressed: wait with it


def _reason(error: BaseException) -> str:
    told = isinstance(error, CallError | BusError)
    return str(error).rstrip(".") if told else "kdumpd-trigger has an internal error"
