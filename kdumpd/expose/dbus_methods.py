# SPDX-License-Identifier: GPL-2.0-or-later
"""The methods that need a right: acknowledge crashes, hand out a core or a kernel log.

A caller names an object, never a path. What was asked for is settled before polkit is, and looked
up again after the answer: a person may take a minute to type a password.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol, TypeVar

from kdumpd.dbus.dispatch import Methods
from kdumpd.dbus.messages import (
    BUSY_ERROR,
    CAPTURE_INTERFACE,
    CAPTURES_PATH,
    CRASH_TEST_INTERFACE,
    FAILED_ERROR,
    MANAGER_INTERFACE,
    NOT_FOUND_ERROR,
    NOT_READY_ERROR,
    TRIGGER_BUS_NAME,
    Call,
    CallError,
    Reply,
)
from kdumpd.dbus.polkit import MANAGE_ACTION, READ_ACTION, Authority
from kdumpd.model.captures.capture import Capture
from kdumpd.model.events import unacknowledged
from kdumpd.model.state import State
from kdumpd.model.vocabulary import CaptureState

TRIGGER_USER_NAME = "kdumpd-trigger"

T = TypeVar("T")
Objections = Sequence[Sequence[str]]  # code, severity, sentence, remedy


class ActionError(Exception):
    """What was asked for cannot be done; the text is a sentence that says why."""


class BusyError(ActionError):
    """It can be done, but not now."""


class UnreadyError(ActionError):
    """It can be done only when something else is in order."""


class MissingError(ActionError):
    """What was asked for is not there."""


class Actions(Protocol):
    """What the daemon does when it is asked to; ActionError where it cannot."""

    async def look(self) -> None:
        """Look at the machine now; returns when the state tells of it."""

    async def acknowledge(self, ids: Collection[str]) -> None:
        """Acknowledge the captures of these ids; returns when the state tells of it."""

    async def record_test(self, id_: str, uid: int, objections: Objections) -> None:
        """Write down that the kernel is about to be crashed; returns when that is on disk."""

    async def open_core(self, id_: str) -> int:
        """Return a read-only descriptor of the capture's core, which the caller closes."""

    async def open_dmesg(self, id_: str) -> int:
        """Return a read-only descriptor of its kernel log, which the caller closes."""


class GuardedMethods:
    """Answers the calls that need a right."""

    def __init__(self, authority: Authority, actions: Actions, state: Callable[[], State]) -> None:
        self._authority = authority
        self._actions = actions
        self._state = state

    def table(self) -> Methods:
        """Return the methods by interface and name."""
        return {
            (MANAGER_INTERFACE, "AcknowledgeAll"): self._acknowledge_all,
            (CRASH_TEST_INTERFACE, "Record"): self._record,
            (CAPTURE_INTERFACE, "Acknowledge"): self._acknowledge,
            (CAPTURE_INTERFACE, "OpenCore"): self._open_core,
            (CAPTURE_INTERFACE, "OpenDmesg"): self._open_dmesg,
        }

    async def _acknowledge_all(self, call: Call) -> Reply:
        ids = unacknowledged(self._state())  # those that the caller can know of
        await self._authority.demand(call, MANAGE_ACTION)
        await _done(self._actions.acknowledge(ids))
        return Reply()

    async def _acknowledge(self, call: Call) -> Reply:
        id_ = self._known(call).id
        await self._authority.demand(call, MANAGE_ACTION)
        self._known(call)
        await _done(self._actions.acknowledge({id_}))
        return Reply()

    async def _record(self, call: Call) -> Reply:
        await self._authority.demand_owner(call, TRIGGER_BUS_NAME, TRIGGER_USER_NAME)
        await _done(self._actions.record_test(*call.body))
        return Reply()

    async def _open_core(self, call: Call) -> Reply:
        return await self._open(call, self._actions.open_core)

    async def _open_dmesg(self, call: Call) -> Reply:
        return await self._open(call, self._actions.open_dmesg)

    async def _open(self, call: Call, open_: Callable[[str], Awaitable[int]]) -> Reply:
        check_readable(self._known(call))  # nobody types a password for what is public
        await self._authority.demand(call, READ_ACTION)
        capture = self._known(call)
        check_readable(capture)
        return Reply("h", (0,), (await _done(open_(capture.id)),))

    def _known(self, call: Call) -> Capture:
        capture = self._state().captures.get(call.path.removeprefix(CAPTURES_PATH + "/"))
        if capture is None:
            raise CallError(NOT_FOUND_ERROR, "There is no such capture any more.")
        return capture


def check_readable(capture: Capture) -> None:
    """Raise CallError, which says why, for a capture of which nothing is handed out."""
    if capture.state is CaptureState.GONE:
        raise CallError(NOT_FOUND_ERROR, f"The files of capture {capture.id} are gone.")
    if not capture.trusted:
        raise CallError(
            FAILED_ERROR, f"Capture {capture.id} is not to be trusted: {capture.problem}."
        )


async def _done(action: Awaitable[T]) -> T:
    try:
        return await action
    except MissingError as error:
        raise CallError(NOT_FOUND_ERROR, str(error)) from error
    except UnreadyError as error:
        raise CallError(NOT_READY_ERROR, str(error)) from error
    except BusyError as error:
        raise CallError(BUSY_ERROR, str(error)) from error
    except ActionError as error:
        raise CallError(FAILED_ERROR, str(error)) from error
