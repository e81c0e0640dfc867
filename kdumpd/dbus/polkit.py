# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what: polkit says, about whoever sent the call, and every doubt is a no.

The subject is the sender's name on the bus, which is never given to another, unlike a process id
(CVE-2013-4288). A sender that left before the answer gets nothing (CVE-2021-3560).
"""

import asyncio
import os
import pwd
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from kdumpd.dbus.connection import Connection
from kdumpd.dbus.messages import (
    BUSY_ERROR,
    MESSAGE_BUS,
    NOT_AUTHORIZED_ERROR,
    ROOT_UID,
    SERVICE_ABSENT_ERRORS,
    BusError,
    Call,
    CallError,
    CallOptions,
    Target,
)
from kdumpd.dbus.wire import variant


class ConcurrencyLimit:
    """Counts what is under way, by sender and by uid."""

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal
        self._under_way: Counter[str | int] = Counter()

    @contextmanager
    def turn(self, who: str | int, most: int) -> Iterator[None]:
        """Be one of at most so many of the asker; CallError where there are as many already."""
        if self._under_way[who] >= most:
            raise CallError(BUSY_ERROR, self._refusal)
        self._under_way[who] += 1
        try:
            yield
        finally:
            self._under_way[who] -= 1
            self._under_way += Counter()  # drops those with none


READ_ACTION = "org.kdumpd1.read"
MANAGE_ACTION = "org.kdumpd1.manage"
CRASH_TEST_ACTION = "org.kdumpd1.crash-test"
ACTION_PURPOSES = {
    READ_ACTION: "read the memory and the kernel log of a crash",
    MANAGE_ACTION: "acknowledge crashes",
    CRASH_TEST_ACTION: "crash this machine's kernel",
}
ACTIONS_OF_ROOT_WITHOUT_POLKIT = {READ_ACTION, MANAGE_ACTION}


POLKIT_AUTHORITY = Target(
    "org.freedesktop.PolicyKit1",
    "/org/freedesktop/PolicyKit1/Authority",
    "org.freedesktop.PolicyKit1.Authority",
)
ALLOW_USER_INTERACTION = 1  # CheckAuthorizationFlags.AllowUserInteraction
PASSWORD_CALL_OPTIONS = CallOptions(seconds=120.0)  # a person types a password
POLKIT_TIMEOUT_S = 10.0  # it takes milliseconds, but this question may start it
SENDER_CALL_OPTIONS = CallOptions(seconds=10.0)
CANCEL_CALL_OPTIONS = CallOptions(seconds=1.0)
# A reader waits for this: polkit answers in milliseconds, and is started in less than a second.
READER_CALL_OPTIONS = CallOptions(seconds=3.0)
KNOWN_READER_S = 10.0  # for which an answer about a reader holds, unlike that about a deed
MAX_KNOWN_READERS = 1024  # the oldest are forgotten
# Questions under way at once.
MAX_QUESTIONS_OF_SENDER = 4
MAX_QUESTIONS_OF_USER = 16  # by all of a user's senders together


class Question(NamedTuple):
    """What polkit is asked: whether a sender has the right to an action, and how."""

    sender: str
    uid: int
    action: str
    interactive: bool
    call_options: CallOptions


class KnownReader(NamedTuple):
    """What polkit said of who only reads, and until when that holds."""

    allowed: bool
    until: float


class Authority:
    """Asks polkit: for each deed anew; about who only reads, once in a while."""

    def __init__(self, connection: Connection, timeout: float = POLKIT_TIMEOUT_S) -> None:
        self._connection = connection
        self._plain_call_options = CallOptions(seconds=timeout)
        self._limit = ConcurrencyLimit(
            "Too many of your requests wait for polkit. Try again later."
        )
        self._reader_limit = ConcurrencyLimit("Too many of your connections are new.")
        # By sender, whose name is never another's; the oldest first.
        self._readers: dict[str, KnownReader] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def demand(self, call: Call, action: str) -> None:
        """Return when the sender has the right to the action; CallError when not, or unknown."""
        with self._limit.turn(call.sender, MAX_QUESTIONS_OF_SENDER):
            uid = await self._uid(call.sender, action)
            with self._limit.turn(uid, MAX_QUESTIONS_OF_USER):
                reason = await self._reason_against(
                    Question(
                        sender=call.sender,
                        uid=uid,
                        action=action,
                        interactive=call.interactive,
                        call_options=PASSWORD_CALL_OPTIONS
                        if call.interactive
                        else self._plain_call_options,
                    )
                )
        if reason:
            raise _denied(action, reason)
        await self._uid(call.sender, action)  # still there
        if action == READ_ACTION:  # and by that what is read out of it
            self._remember(call.sender, allowed=True)

    async def may_read(self, sender: str) -> bool:
        """Return whether the sender may read kernel logs; nobody is asked for a password for it.

        Every doubt is a no. polkit is asked once about a sender, and again after a while.
        """
        turn = self._turns.get(sender)
        if turn is None:
            turn = self._turns[sender] = asyncio.Lock()
        async with turn:
            known = self._readers.get(sender)
            if known is not None and asyncio.get_running_loop().time() < known.until:
                return known.allowed
            try:
                allowed = await self._is_reader(sender)
            except CallError:
                return False  # left, or there are too many of them: no answer to be kept
            self._remember(sender, allowed=allowed)
            return allowed

    async def _is_reader(self, sender: str) -> bool:
        uid = await self._uid(sender, READ_ACTION)
        if uid in {ROOT_UID, os.geteuid()}:  # whoever runs this, as by hand, reads the files anyway
            return True
        asked = Question(
            sender=sender,
            uid=uid,
            action=READ_ACTION,
            interactive=False,
            call_options=READER_CALL_OPTIONS,
        )
        with self._reader_limit.turn(uid, MAX_QUESTIONS_OF_USER):
            return not await self._reason_against(asked)

    def _remember(self, sender: str, *, allowed: bool) -> None:
        self._readers.pop(sender, None)
        until = asyncio.get_running_loop().time() + KNOWN_READER_S
        self._readers[sender] = KnownReader(allowed, until)
        if len(self._readers) > MAX_KNOWN_READERS:
            del self._readers[next(iter(self._readers))]

    async def demand_owner(self, call: Call, name: str, user: str) -> None:
        """Return when the sender owns the bus name and is that user, or root; else CallError.

        A bus gives the name to root and to that user alone; on a bus without such a policy the
        user is all that holds.
        """
        try:
            (owner,) = await self._connection.call(
                MESSAGE_BUS, "GetNameOwner", "s", [name], SENDER_CALL_OPTIONS
            )
            (uid,) = await self._connection.call(
                MESSAGE_BUS, "GetConnectionUnixUser", "s", [call.sender], SENDER_CALL_OPTIONS
            )
        except (BusError, CallError):
            owner, uid = "", None
        if owner != call.sender or uid not in _uids(user):
            raise CallError(
                NOT_AUTHORIZED_ERROR, f"{call.member} is for the owner of {name} alone."
            )

    async def _uid(self, sender: str, action: str) -> int:
        try:
            (uid,) = await self._connection.call(
                MESSAGE_BUS, "GetConnectionUnixUser", "s", [sender], SENDER_CALL_OPTIONS
            )
        except (BusError, CallError) as error:
            raise _denied(action, "whoever asked has left the bus") from error
        return int(uid)

    async def _reason_against(self, asked: Question) -> str:
        """Return why not, empty for yes."""
        cancellation = uuid.uuid4().hex
        subject = ["system-bus-name", {"name": variant("s", asked.sender)}]
        flags = ALLOW_USER_INTERACTION if asked.interactive else 0
        body = [subject, asked.action, {}, flags, cancellation]
        try:
            (answer,) = await self._connection.call(
                POLKIT_AUTHORITY,
                "CheckAuthorization",
                "(sa{sv})sa{ss}us",
                body,
                asked.call_options,
            )
        except BusError:
            await self._cancel(cancellation)
            return "polkit did not answer in time. Try again; if that does not help, restart polkit"
        except CallError as error:
            return _reason_without_polkit(error, asked.action, asked.uid)
        return reason_against(answer, interactive=asked.interactive)

    async def _cancel(self, cancellation: str) -> None:
        """Take the question back: nobody is to type a password for it any more."""
        with suppress(BusError, CallError):
            await self._connection.call(
                POLKIT_AUTHORITY,
                "CancelCheckAuthorization",
                "s",
                [cancellation],
                CANCEL_CALL_OPTIONS,
            )


def _uids(user: str) -> set[int]:
    """Return the uids of root, of a user, and of whoever runs this, as by hand."""
    known = {ROOT_UID, os.geteuid()}
    with suppress(KeyError):
        known.add(pwd.getpwnam(user).pw_uid)
    return known


def reason_against(answer: Any, *, interactive: bool) -> str:  # noqa: ANN401  # what polkit sends
    """Return why polkit's answer, (is authorised, is challenge, details), is no; empty for yes."""
    match answer:
        case [True, _, _]:
            return ""
        case [False, _, {"polkit.dismissed": _}]:
            return "nobody confirmed it"
        case [False, True, _] if interactive:
            return (
                "an administrator must confirm it, and polkit knows no way to ask. Run it as root"
            )
        case [False, True, _]:
            return "an administrator must confirm it. Run it as root, or where polkit can ask"
        case [False, False, _]:
            return "polkit refuses it. Run it as root, or ask an administrator"
        case _:
            return "polkit's answer makes no sense"


def _reason_without_polkit(error: CallError, action: str, uid: int) -> str:
    if error.name not in SERVICE_ABSENT_ERRORS:
        return f"polkit cannot say: {error}"
    if action not in ACTIONS_OF_ROOT_WITHOUT_POLKIT:
        return "there is no polkit here to ask. Install polkit (package polkitd)"
    # Root reads the files and the ledger anyway, and servers have no polkit.
    return "" if uid == ROOT_UID else "there is no polkit here to ask. Run it as root"


def _denied(action: str, reason: str) -> CallError:
    return CallError(NOT_AUTHORIZED_ERROR, f"You may not {ACTION_PURPOSES[action]}: {reason}.")
