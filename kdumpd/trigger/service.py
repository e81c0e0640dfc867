# SPDX-License-Identifier: GPL-2.0-or-later
"""Serve org.kdumpd1.Trigger, as dbus/org.kdumpd1.Trigger.xml writes it."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kdumpd.config import Settings
from kdumpd.dbus.connection import Connection
from kdumpd.dbus.dispatch import Dispatcher, Properties, PropertyValues, check_served
from kdumpd.dbus.introspection import Interface
from kdumpd.dbus.messages import (
    BAD_TOKEN_ERROR,
    BUSY_ERROR,
    DISABLED_ERROR,
    FAILED_ERROR,
    INTROSPECTABLE_INTERFACE,
    INVALID_ARGS_ERROR,
    OBJECTIONS_ERROR,
    PEER_INTERFACE,
    PROPERTIES_INTERFACE,
    ROOT_UID,
    TRIGGER_INTERFACE,
    TRIGGER_PATH,
    UNKNOWN_OBJECT_ERROR,
    Call,
    CallError,
    Reply,
)
from kdumpd.dbus.polkit import CRASH_TEST_ACTION, Authority, ConcurrencyLimit
from kdumpd.model.crash_test import unheard_of
from kdumpd.model.readiness.finding import Finding
from kdumpd.model.text import microseconds
from kdumpd.trigger.journal import TriggerJournal
from kdumpd.trigger.objections import objections, sentence, standing
from kdumpd.trigger.run import CrashTestRun, Request, RunDependencies, Stage
from kdumpd.trigger.tokens import TOKEN_LIFETIME_S, Admission, Peers, Token, TokenError

CHILDREN_OF_PARENTS = {"/": ("org",), "/org": ("kdumpd1",), "/org/kdumpd1": ("trigger",)}
PARENT_INTERFACES = (INTROSPECTABLE_INTERFACE, PEER_INTERFACE)
TRIGGER_OBJECT_INTERFACES = (
    TRIGGER_INTERFACE,
    PROPERTIES_INTERFACE,
    INTROSPECTABLE_INTERFACE,
    PEER_INTERFACE,
)
SHOWN_STAGES = {Stage.COUNTING_DOWN, Stage.CRASHING}

TENDING_INTERVAL_S = 1.0
MAX_LOOKS_OF_USER = 4  # at the machine at once, for one user
IDLE_PROPERTIES: Properties = {"Enabled": False, "State": "idle", "Deadline": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParts:
    """What the service works with."""

    authority: Authority
    peers: Peers
    admission: Admission
    trigger_journal: TriggerJournal
    dependencies: RunDependencies
    settings: Callable[[], Awaitable[Settings]]  # reads them anew
    user_name: Callable[[int], Awaitable[str]]  # by the uid
    host: str  # the machine's name
    obstacle: str  # a sentence, where no test is possible whatever is done


class TriggerService:
    """The object on the bus, and the one run that may be under way."""

    def __init__(
        self, connection: Connection, interfaces: Mapping[str, Interface], parts: ServiceParts
    ) -> None:
        self._connection = connection
        self._parts = parts
        self._settings = Settings()
        self._test_run: CrashTestRun | None = None
        self._ending = ""  # why
        self._limit = ConcurrencyLimit("Too many of your requests are under way. Try again later.")
        self._calls = 0
        self._last_call = asyncio.get_running_loop().time()
        methods = {
            (TRIGGER_INTERFACE, "Prepare"): self._prepare,
            (TRIGGER_INTERFACE, "Trigger"): self._trigger,
            (TRIGGER_INTERFACE, "Cancel"): self._cancel,
        }
        check_served(interfaces, frozenset(methods), {TRIGGER_INTERFACE: IDLE_PROPERTIES})
        self._dispatcher = Dispatcher(interfaces, self, methods)
        self._shown = IDLE_PROPERTIES

    async def answer(self, call: Call) -> Reply:
        """Answer one call; CallError for everything that cannot be answered."""
        self._calls += 1
        try:
            self._settings = await self._parts.settings()
            await self._show()
            return await self._dispatcher.answer(call)
        finally:
            self._calls -= 1
            self._last_call = asyncio.get_running_loop().time()

    async def tend(self, idle: float) -> None:
        """Drop the tokens of whoever left; return when nothing is asked for so many seconds."""
        while not self._is_idle(idle):
            await asyncio.sleep(TENDING_INTERVAL_S)
            await self._parts.admission.drop()
            await self._show()

    def end(self, because: str) -> None:
        """Stop the run that may be under way, and begin none any more."""
        self._ending = because
        if self._test_run is not None:
            self._test_run.stop(because)

    def interfaces_at(self, path: str) -> tuple[str, ...]:
        """Return the names of the interfaces that the object there has."""
        if path == TRIGGER_PATH:
            return TRIGGER_OBJECT_INTERFACES
        if path in CHILDREN_OF_PARENTS:
            return PARENT_INTERFACES
        raise CallError(UNKNOWN_OBJECT_ERROR, f"no object {path}")

    def children(self, path: str) -> tuple[str, ...]:
        """Return the names of the objects below."""
        return CHILDREN_OF_PARENTS.get(path, ())

    async def properties(self, call: Call, interface: str) -> Properties:
        """Return the plain values of an interface's properties, which everybody may read."""
        ours = (call.path, interface) == (TRIGGER_PATH, TRIGGER_INTERFACE)
        return self._properties() if ours else {}

    async def _prepare(self, call: Call) -> Reply:
        uid = await self._parts.peers.uid(call.sender)
        self._check_possible()
        self._check_enabled()
        self._check_open()
        with self._limit.turn(uid, MAX_LOOKS_OF_USER):
            facts = await self._parts.dependencies.preflight.look(uid)
        token = await self._parts.admission.issue(call.sender, uid)
        await self._show()
        rows = [[one.code, str(one.severity), one.message, one.remedy] for one in objections(facts)]
        expires = microseconds(datetime.now(UTC) + timedelta(seconds=TOKEN_LIFETIME_S))
        return Reply("sa(ssss)t", (token.text, rows, expires))

    async def _trigger(self, call: Call) -> Reply:
        text, codes = call.body
        if problem := unheard_of(codes):
            raise CallError(INVALID_ARGS_ERROR, problem)
        overridden, settings = frozenset(codes), self._settings  # as they are now
        token = await self._admit(call.sender, text)
        try:
            await self._show()
            user = await self._parts.user_name(token.uid)
            await self._parts.authority.demand(call, CRASH_TEST_ACTION)
            self._check_open()
            if not self._parts.admission.admits(token):
                raise CallError(FAILED_ERROR, "The test was cancelled.")
            if self._test_run is not None:
                raise CallError(BUSY_ERROR, "Another test is under way. Wait until it is over.")
            request = Request(
                id=secrets.token_hex(16),
                sender=call.sender,
                uid=token.uid,
                user=user,
                host=self._parts.host,
                overridden=overridden,
                countdown=settings.countdown_seconds,
            )
            self._test_run = test_run = CrashTestRun(self._parts.dependencies, request, self._show)
        finally:
            self._parts.admission.release(token)
        try:
            await test_run.run(await self._overridden(request))
        finally:
            self._test_run = None
            if not self._ending:
                await self._show()

    async def _cancel(self, call: Call) -> Reply:
        self._check_possible()
        uid, test_run = await self._parts.peers.uid(call.sender), self._test_run
        if test_run is None:
            return await self._call_off(call, uid)
        if uid not in {test_run.request.uid, ROOT_UID}:
            await self._parts.authority.demand(call, CRASH_TEST_ACTION)
        if self._test_run is not test_run or not test_run.stop(f"by the user with uid {uid}"):
            raise CallError(
                FAILED_ERROR, "It is too late: the test is over, or the kernel is crashing."
            )
        return Reply()

    async def _call_off(self, call: Call, uid: int) -> Reply:
        """Take back what is only prepared: one's own, and with the right to it everybody's."""
        admission, why = self._parts.admission, f"The user with uid {uid} has cancelled this test."
        await admission.drop()
        prepared = admission.uids()
        if not prepared:
            raise CallError(FAILED_ERROR, "There is no test that could be cancelled.")
        admission.call_off({uid}, why)
        if uid != ROOT_UID and prepared - {uid}:
            await self._parts.authority.demand(call, CRASH_TEST_ACTION)
        admission.call_off(prepared, why)
        await self._show()
        return Reply()

    async def _admit(self, sender: str, text: str) -> Token:
        """Return the token that was given to the sender, which is spent then."""
        uid = await self._parts.peers.uid(sender)
        try:
            self._check_possible()
            self._check_enabled()
            return self._parts.admission.admit(sender, text)
        except TokenError as error:
            self._parts.trigger_journal.refuse_anybody(uid, str(error).rstrip("."))
            raise CallError(BAD_TOKEN_ERROR, str(error)) from error
        except CallError as error:
            self._parts.trigger_journal.refuse_anybody(uid, str(error).rstrip("."))
            raise

    async def _overridden(self, request: Request) -> list[Finding]:
        """Return what the request overrides of all that speaks against it; CallError for more."""
        found = objections(await self._parts.dependencies.preflight.look_anew(request.uid))
        left = standing(found, request.overridden)
        if left:
            told = sentence(left)
            self._parts.trigger_journal.refuse(request.uid, told, tuple(one.code for one in left))
            raise CallError(OBJECTIONS_ERROR, f"This speaks against a crash now: {told}.")
        return [one for one in found if one.code in request.overridden]

    def _check_possible(self) -> None:
        if self._parts.obstacle:
            raise CallError(FAILED_ERROR, self._parts.obstacle)

    def _check_enabled(self) -> None:
        if not self._settings.crash_test:
            raise CallError(
                DISABLED_ERROR,
                "No crash test is allowed on this machine. To allow it, write Enabled=yes below"
                " [CrashTest] in /etc/kdumpd/kdumpd.conf.",
            )

    def _check_open(self) -> None:
        if self._ending:
            raise CallError(BUSY_ERROR, f"No test can begin now: {self._ending}. Try again.")

    def _is_idle(self, seconds: float) -> bool:
        if self._calls or self._test_run is not None or self._parts.admission.uids():
            return False
        return asyncio.get_running_loop().time() >= self._last_call + seconds

    def _properties(self) -> Properties:
        test_run = self._test_run
        stage = test_run.stage if test_run else None
        waiting = "prepared" if self._parts.admission.uids() else "idle"
        return {
            "Enabled": self._settings.crash_test,
            "State": stage.value if stage in SHOWN_STAGES else waiting,
            "Deadline": microseconds(test_run.deadline) if test_run else 0,
        }

    async def _show(self) -> None:
        """Announce what has changed; of a countdown that begins also whose it is."""
        before, self._shown = self._shown, self._properties()
        test_run = self._test_run
        begins = self._shown["Deadline"] and not before["Deadline"]
        for signal in self._dispatcher.changes(
            TRIGGER_PATH,
            TRIGGER_INTERFACE,
            PropertyValues(before, {}),
            PropertyValues(self._shown, {}),
        ):
            await self._connection.emit(signal)
        if begins and test_run is not None:
            body = microseconds(test_run.deadline), test_run.request.uid
            await self._connection.emit(
                self._dispatcher.signal(TRIGGER_PATH, TRIGGER_INTERFACE, "Countdown", *body)
            )
