# SPDX-License-Identifier: GPL-2.0-or-later
"""Serve the state on D-Bus, as dbus/org.kdumpd1.xml writes it; some methods need a right."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from kdumpd.dbus.connection import Connection
from kdumpd.dbus.dispatch import (
    Dispatcher,
    Methods,
    Properties,
    PropertyValues,
    check_served,
)
from kdumpd.dbus.introspection import Interface
from kdumpd.dbus.messages import (
    BUSY_ERROR,
    CAPTURE_INTERFACE,
    CAPTURES_PATH,
    CRASH_TEST_INTERFACE,
    FAILED_ERROR,
    INTROSPECTABLE_INTERFACE,
    KDUMPD_PATH,
    MANAGER_INTERFACE,
    NOT_FOUND_ERROR,
    NOT_READY_ERROR,
    OBJECT_MANAGER_INTERFACE,
    PEER_INTERFACE,
    PROPERTIES_INTERFACE,
    TRIGGER_BUS_NAME,
    UNKNOWN_OBJECT_ERROR,
    Call,
    CallError,
    Reply,
    Signal,
)
from kdumpd.dbus.polkit import MANAGE_ACTION, READ_ACTION, Authority
from kdumpd.expose.dbus_properties import (
    CAPTURE_PROPERTIES,
    CRASH_TEST_PROPERTIES,
    HIDDEN,
    MANAGER_PROPERTIES,
    capture_path,
    capture_properties,
    crash_test_properties,
    exported_captures,
    manager_properties,
)
from kdumpd.model.captures.capture import Capture
from kdumpd.model.events import new_crashes, unacknowledged
from kdumpd.model.state import State
from kdumpd.model.vocabulary import CaptureState

TRIGGER_USER_NAME = "kdumpd-trigger"

T = TypeVar("T")
Objections = Sequence[Sequence[str]]  # code, severity, sentence, remedy
Managed = dict[str, dict[str, Properties]]  # the properties by object path and interface


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
    """Answers the calls that need a right.

    A caller names an object, never a path. It is looked up before polkit is asked, and again after
    the answer: a person may take a minute to type a password.
    """

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
        capture = self._known(call)  # nobody types a password for what is public
        check_readable(capture, "" if capture.trusted else await self._problem(call, capture))
        await self._authority.demand(call, READ_ACTION)
        capture = self._known(call)
        check_readable(capture, capture.problem)
        return Reply("h", (0,), (await _done(open_(capture.id)),))

    async def _problem(self, call: Call, capture: Capture) -> str:
        """Return what is wrong with the capture, empty where the caller may not know."""
        values = capture_properties(capture, self._state())
        everything = not values.instead or await self._authority.may_read(call.sender)
        return str(values.told(everything=everything)["Problem"])

    def _known(self, call: Call) -> Capture:
        capture = self._state().captures.get(call.path.removeprefix(CAPTURES_PATH + "/"))
        if capture is None:
            raise CallError(NOT_FOUND_ERROR, "There is no such capture any more.")
        return capture


def check_readable(capture: Capture, why: str) -> None:
    """Raise CallError for a capture of which nothing is handed out; why, if the caller may know."""
    if capture.state is CaptureState.GONE:
        raise CallError(NOT_FOUND_ERROR, f"The files of capture {capture.id} are gone.")
    if not capture.trusted:
        because = f": {why}" if why else ""
        raise CallError(FAILED_ERROR, f"Capture {capture.id} is not to be trusted{because}.")


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


CALLER_LOOK_TIMEOUT_S = 20.0  # a caller waits no longer for a look

CHILDREN_OF_PARENTS = {"/": ("org",), "/org": ("kdumpd1",)}
PARENT_INTERFACES = (INTROSPECTABLE_INTERFACE, PEER_INTERFACE)
MANAGER_OBJECT_INTERFACES = (
    MANAGER_INTERFACE,
    CRASH_TEST_INTERFACE,
    OBJECT_MANAGER_INTERFACE,
    PROPERTIES_INTERFACE,
    INTROSPECTABLE_INTERFACE,
    PEER_INTERFACE,
)
CAPTURE_OBJECT_INTERFACES = (
    CAPTURE_INTERFACE,
    PROPERTIES_INTERFACE,
    INTROSPECTABLE_INTERFACE,
    PEER_INTERFACE,
)


class DbusService:
    """The objects on the bus: answers calls, and announces what changes from state to state."""

    def __init__(
        self,
        connection: Connection,
        interfaces: Mapping[str, Interface],
        state: State,
        actions: Actions,
    ) -> None:
        self._connection = connection
        self._state = state
        self._captures = exported_captures(state)
        # Once built, till they change: for those who may read everything, and for the others.
        self._managed: dict[bool, Managed] = {}
        self._hides: bool | None = None  # whether something of a capture is hidden from the others
        self._actions = actions
        self._shown = asyncio.Event()
        self._authority = Authority(connection)
        guarded = GuardedMethods(self._authority, actions, lambda: self._state)
        methods = {
            **guarded.table(),
            (MANAGER_INTERFACE, "Rescan"): self._look_now,
            (MANAGER_INTERFACE, "Revalidate"): self._look_now,
        }
        check_served(
            interfaces,
            frozenset(methods),
            {
                MANAGER_INTERFACE: MANAGER_PROPERTIES,
                CRASH_TEST_INTERFACE: CRASH_TEST_PROPERTIES,
                CAPTURE_INTERFACE: CAPTURE_PROPERTIES,
            },
        )
        managed = {(OBJECT_MANAGER_INTERFACE, "GetManagedObjects"): self._get_managed_objects}
        self._dispatcher = Dispatcher(interfaces, self, {**methods, **managed})

    async def answer(self, call: Call) -> Reply:
        """Answer one call; CallError for everything that cannot be answered."""
        await self._shown.wait()
        return await self._dispatcher.answer(call)

    async def show(self, state: State) -> None:
        """Take the state over, and announce what differs from the one before."""
        before, self._state = self._state, state
        captures_before = self._captures
        if state.captures is not before.captures:
            self._captures = exported_captures(state)
        if state.captures is not before.captures or state.log_restricted != before.log_restricted:
            self._managed.clear()
            self._hides = None
        self._shown.set()
        for signal in self._capture_changes(captures_before, before):
            await self._connection.emit(signal)
        for signal in self._manager_changes(before, state):
            await self._connection.emit(signal)

    def interfaces_at(self, path: str) -> tuple[str, ...]:
        """Return the names of the interfaces that the object there has."""
        if path == KDUMPD_PATH:
            return MANAGER_OBJECT_INTERFACES
        if path in CHILDREN_OF_PARENTS or path == CAPTURES_PATH:
            return PARENT_INTERFACES
        self._capture(path)
        return CAPTURE_OBJECT_INTERFACES

    def children(self, path: str) -> tuple[str, ...]:
        """Return the names of the objects below."""
        if path == KDUMPD_PATH:
            return (CAPTURES_PATH.removeprefix(KDUMPD_PATH + "/"),)
        if path == CAPTURES_PATH:
            return tuple(self._captures)
        return CHILDREN_OF_PARENTS.get(path, ())

    async def properties(self, call: Call, interface: str) -> Properties:
        """Return the plain values of an interface's properties that the caller may read."""
        values = self._values(call.path, interface)
        asked = set(call.body[1:]) if call.member == "Get" else values.instead.keys()
        if not asked & values.instead.keys():
            return values.known
        return values.told(everything=await self._authority.may_read(call.sender))

    def _values(self, path: str, interface: str) -> PropertyValues:
        if interface == MANAGER_INTERFACE:
            return manager_properties(self._state)
        if interface == CRASH_TEST_INTERFACE:
            return crash_test_properties(self._state)
        if interface == CAPTURE_INTERFACE:
            return capture_properties(self._capture(path), self._state)
        return PropertyValues({}, {})

    def _capture_changes(
        self, before: Mapping[str, Capture], state_before: State
    ) -> Iterator[Signal]:
        signal, after = self._dispatcher.signal, self._captures
        # Before the first look nobody was told anything, so that nothing is newly hidden.
        first = state_before.verdict is None
        toggled = not first and self._state.log_restricted != state_before.log_restricted
        if before is after and not toggled:
            return
        for id_ in before.keys() - after.keys():
            yield signal(
                KDUMPD_PATH,
                OBJECT_MANAGER_INTERFACE,
                "InterfacesRemoved",
                capture_path(id_),
                list(CAPTURE_OBJECT_INTERFACES),
            )
        for id_, capture in after.items():
            known = before.get(id_)
            if known is None:
                yield signal(
                    KDUMPD_PATH,
                    OBJECT_MANAGER_INTERFACE,
                    "InterfacesAdded",
                    capture_path(id_),
                    self._public_interfaces(capture),
                )
            elif known is not capture or toggled:
                yield from self._dispatcher.changes(
                    capture_path(id_),
                    CAPTURE_INTERFACE,
                    capture_properties(known, self._state if first else state_before),
                    capture_properties(capture, self._state),
                )

    def _manager_changes(self, before: State, after: State) -> Iterator[Signal]:
        for interface, values in (
            (MANAGER_INTERFACE, manager_properties),
            (CRASH_TEST_INTERFACE, crash_test_properties),
        ):
            old_values, new_values = values(before), values(after)
            if before.verdict is None:  # as above
                old_values = PropertyValues(old_values.known, new_values.instead)
            yield from self._dispatcher.changes(KDUMPD_PATH, interface, old_values, new_values)
        for report in new_crashes(before, after):
            path = capture_path(report.capture) if report.capture else "/"
            reason = "" if after.log_restricted else report.reason
            yield self._dispatcher.signal(
                KDUMPD_PATH, MANAGER_INTERFACE, "CrashReported", path, report.class_, reason
            )
        old, new = before.told, after.told
        same_boot = before.validated_boot == after.validated_boot
        if same_boot and old is not None and new is not None and old is not new:
            yield self._dispatcher.signal(
                KDUMPD_PATH, MANAGER_INTERFACE, "ReadinessChanged", str(old), str(new)
            )

    async def _look_now(self, _: Call) -> Reply:
        try:
            async with asyncio.timeout(CALLER_LOOK_TIMEOUT_S):
                await self._actions.look()
        except TimeoutError as error:
            raise CallError(
                BUSY_ERROR, "the crash directories do not answer yet; ask again later"
            ) from error
        return Reply()

    async def _get_managed_objects(self, call: Call) -> Reply:
        everything = not self._hides_something() or await self._authority.may_read(call.sender)
        if everything not in self._managed:
            self._managed[everything] = {
                capture_path(id_): self._capture_interfaces(
                    capture_properties(capture, self._state).told(everything=everything)
                )
                for id_, capture in self._captures.items()
            }
        return Reply("a{oa{sa{sv}}}", (self._managed[everything],))

    def _hides_something(self) -> bool:
        if self._hides is None:
            state, captures = self._state, self._captures.values()
            closed = [one for one in captures if state.log_restricted or not one.listable]
            self._hides = any(capture_properties(one, state).instead for one in closed)
        return self._hides

    def _capture(self, path: str) -> Capture:
        capture = self._captures.get(path.removeprefix(CAPTURES_PATH + "/"))
        if capture is None or path != capture_path(capture.id):
            raise CallError(UNKNOWN_OBJECT_ERROR, f"no object {path}")
        return capture

    def _public_interfaces(self, capture: Capture) -> dict[str, Properties]:
        """Return what everybody hears of a new capture: nothing in the place of what is hidden."""
        values = capture_properties(capture, self._state)
        return self._capture_interfaces(
            {
                name: value
                for name, value in values.known.items()
                if name not in values.instead and name != HIDDEN
            }
        )

    def _capture_interfaces(self, properties: Properties) -> dict[str, Properties]:
        standard: dict[str, Properties] = {
            name: {} for name in CAPTURE_OBJECT_INTERFACES if name != CAPTURE_INTERFACE
        }
        typed = self._dispatcher.typed(CAPTURE_INTERFACE, properties)
        return {CAPTURE_INTERFACE: typed, **standard}
