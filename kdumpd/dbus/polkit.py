# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what: polkit says, about whoever sent the call, and every doubt is a no.

The subject is the sender's name on the bus, which is never given to another, unlike a process id
(CVE-2013-4288). A sender that left before the answer gets nothing (CVE-2021-3560).
"""

import os
import pwd
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kdumpd.dbus.connection import MESSAGE_BUS, Connection, variant
from kdumpd.dbus.messages import (
    BUSY_ERROR,
    NOT_AUTHORIZED_ERROR,
    BusError,
    Call,
    CallError,
    CallOptions,
    Target,
)


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
ROOT_UID = 0
# Questions under way at once.
MAX_QUESTIONS_OF_SENDER = 4
MAX_QUESTIONS_OF_USER = 16  # by all of a user's senders together

# What buses say when there is no polkit, nor a service that would start it (libdbus' names; sd-bus'
# for a unit that is masked or missing).
SERVICE_ABSENT_ERRORS = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Spawn.ServiceNotFound",
    "org.freedesktop.systemd1.NoSuchUnit",
    "org.freedesktop.systemd1.UnitMasked",
}


class Authority:
    """Asks polkit, for each call anew."""

    def __init__(self, connection: Connection, timeout: float = POLKIT_TIMEOUT_S) -> None:
        self._connection = connection
        self._plain_call_options = CallOptions(seconds=timeout)
        self._limit = ConcurrencyLimit(
            "Too many of your requests wait for polkit. Try again later."
        )

    async def demand(self, call: Call, action: str) -> None:
        """Return when the sender has the right to the action; CallError when not, or unknown."""
        with self._limit.turn(call.sender, MAX_QUESTIONS_OF_SENDER):
            uid = await self._uid(call.sender, action)
            with self._limit.turn(uid, MAX_QUESTIONS_OF_USER):
                reason = await self._reason_against(call, action, uid)
        if reason:
            raise _denied(action, reason)
        await self._uid(call.sender, action)  # still there

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

    async def _reason_against(self, call: Call, action: str, uid: int) -> str:
        """Return why not, empty for yes."""
        cancellation = uuid.uuid4().hex
        subject = ["system-bus-name", {"name": variant("s", call.sender)}]
        flags = ALLOW_USER_INTERACTION if call.interactive else 0
        call_options = PASSWORD_CALL_OPTIONS if call.interactive else self._plain_call_options
        question = [subject, action, {}, flags, cancellation]
        try:
            (answer,) = await self._connection.call(
                POLKIT_AUTHORITY, "CheckAuthorization", "(sa{sv})sa{ss}us", question, call_options
            )
        except BusError:
            await self._cancel(cancellation)
            return "polkit did not answer in time. Try again; if that does not help, restart polkit"
        except CallError as error:
            return _reason_without_polkit(error, action, uid)
        return reason_against(answer, interactive=call.interactive)

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
