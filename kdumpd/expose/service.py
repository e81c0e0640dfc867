# SPDX-License-Identifier: GPL-2.0-or-later
"""Serve the state on D-Bus, as dbus/org.kdumpd1.xml writes it."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from kdumpd.bus import UNKNOWN_OBJECT, Connection, variant
from kdumpd.call import Call, CallError, Reply, Signal
from kdumpd.expose.authority import BUSY, Authority
from kdumpd.expose.interface import Interface, InterfaceError
from kdumpd.expose.introspection import INTROSPECTABLE, OBJECT_MANAGER, PEER, PROPERTIES, node
from kdumpd.expose.methods import Actions, GuardedMethods, Method
from kdumpd.expose.objects import (
    CAPTURE,
    CAPTURE_PROPERTIES,
    CAPTURES_PATH,
    MANAGER,
    MANAGER_PATH,
    MANAGER_PROPERTIES,
    Properties,
    capture_path,
    capture_properties,
    exported_captures,
    manager_properties,
)
from kdumpd.model.capture import Capture
from kdumpd.model.state import State

ERROR = "org.freedesktop.DBus.Error."
LOOK_SECONDS = 20.0  # a caller waits no longer for a look

PARENTS = {"/": ("org",), "/org": ("kdumpd1",)}
ON_PARENT = (INTROSPECTABLE, PEER)
ON_MANAGER = (MANAGER, OBJECT_MANAGER, PROPERTIES, INTROSPECTABLE, PEER)
ON_CAPTURE = (CAPTURE, PROPERTIES, INTROSPECTABLE, PEER)


class Service:
    """The objects on the bus: answers calls, and announces what changes from state to state."""

    def __init__(
        self,
        connection: Connection,
        interfaces: Mapping[str, Interface],
        state: State,
        actions: Actions,
    ) -> None:
        self._connection = connection
        self._interfaces = interfaces
        self._state = state
        self._captures = exported_captures(state)
        self._objects: dict[str, dict[str, Properties]] | None = (
            None  # once built, till they change
        )
        self._actions = actions
        self._shown = asyncio.Event()
        guarded = GuardedMethods(Authority(connection), actions, lambda: self._state)
        self._methods: Mapping[tuple[str, str], Method] = {
            **guarded.table(),
            (MANAGER, "Rescan"): self._look_now,
            (MANAGER, "Revalidate"): self._look_now,
            (OBJECT_MANAGER, "GetManagedObjects"): self._get_managed_objects,
            (PROPERTIES, "Get"): self._get,
            (PROPERTIES, "GetAll"): self._get_all,
            (PROPERTIES, "Set"): self._set,
            (INTROSPECTABLE, "Introspect"): self._introspect,
            (PEER, "Ping"): self._ping,
        }
        check_served(interfaces, frozenset(self._methods))

    async def answer(self, call: Call) -> Reply:
        """Answer one call; CallError for everything that cannot be answered."""
        await self._shown.wait()
        interface = self._interface_of(call)
        method = self._methods.get((interface.name, call.member))
        if method is None:
            raise CallError(ERROR + "UnknownMethod", f"no method {call.member} in {interface.name}")
        takes = interface.methods[call.member].takes
        if call.signature != takes:
            raise CallError(
                ERROR + "InvalidArgs",
                f"{call.member} takes ({takes}), and was given ({call.signature})",
            )
        return await method(call)

    async def show(self, state: State) -> None:
        """Take the state over, and announce what differs from the one before."""
        before, self._state = self._state, state
        captures_before, self._captures = self._captures, exported_captures(state)
        self._objects = None
        self._shown.set()
        for signal in self._capture_changes(captures_before, self._captures):
            await self._connection.emit(signal)
        for signal in self._manager_changes(before, state):
            await self._connection.emit(signal)

    def _capture_changes(
        self, before: Mapping[str, Capture], after: Mapping[str, Capture]
    ) -> Iterator[Signal]:
        for id_ in before.keys() - after.keys():
            yield self._signal(
                MANAGER_PATH,
                OBJECT_MANAGER,
                "InterfacesRemoved",
                capture_path(id_),
                list(ON_CAPTURE),
            )
        for id_, capture in after.items():
            known = before.get(id_)
            if known is None:
                yield self._signal(
                    MANAGER_PATH,
                    OBJECT_MANAGER,
                    "InterfacesAdded",
                    capture_path(id_),
                    self._capture_interfaces(capture),
                )
            elif known is not capture:
                yield from self._changed(
                    capture_path(id_),
                    CAPTURE,
                    capture_properties(known),
                    capture_properties(capture),
                )

    def _manager_changes(self, before: State, after: State) -> Iterator[Signal]:
        yield from self._changed(
            MANAGER_PATH, MANAGER, manager_properties(before), manager_properties(after)
        )
        old, new = before.told, after.told
        same_boot = before.validated_boot == after.validated_boot
        if same_boot and old is not None and new is not None and old is not new:
            yield self._signal(MANAGER_PATH, MANAGER, "ReadinessChanged", str(old), str(new))

    def _changed(
        self, path: str, interface: str, before: Properties, after: Properties
    ) -> Iterator[Signal]:
        announced = self._interfaces[interface].properties
        changed = {
            name: variant(announced[name].signature, value)
            for name, value in after.items()
            if announced[name].emits == "true" and before[name] != value
        }
        if changed:
            yield self._signal(path, PROPERTIES, "PropertiesChanged", interface, changed, [])

    def _signal(self, path: str, interface: str, member: str, *body: object) -> Signal:
        return Signal(
            path=path,
            interface=interface,
            member=member,
            signature=self._interfaces[interface].signals[member],
            body=body,
        )

    async def _look_now(self, _: Call) -> Reply:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._actions.look()
        except TimeoutError as error:
            raise CallError(BUSY, "the crash folders do not answer yet; ask again later") from error
        return Reply()

    async def _get_managed_objects(self, _: Call) -> Reply:
        if self._objects is None:
            self._objects = {
                capture_path(id_): self._capture_interfaces(capture)
                for id_, capture in self._captures.items()
            }
        return Reply("a{oa{sa{sv}}}", (self._objects,))

    async def _get(self, call: Call) -> Reply:
        interface, name = call.body
        properties = self._properties(call.path, interface)
        if name not in properties:
            raise CallError(ERROR + "UnknownProperty", f"no property {name} in {interface}")
        return Reply("v", (properties[name],))

    async def _get_all(self, call: Call) -> Reply:
        return Reply("a{sv}", (self._properties(call.path, call.body[0]),))

    async def _set(self, call: Call) -> Reply:
        interface, name, _ = call.body
        if name not in self._properties(call.path, interface):
            raise CallError(ERROR + "UnknownProperty", f"no property {name} in {interface}")
        raise CallError(ERROR + "PropertyReadOnly", f"{interface}.{name} cannot be set")

    async def _introspect(self, call: Call) -> Reply:
        interfaces = [self._interfaces[name] for name in self._interfaces_at(call.path)]
        return Reply("s", (node(interfaces, self._children(call.path)),))

    async def _ping(self, _: Call) -> Reply:
        return Reply()

    def _interface_of(self, call: Call) -> Interface:
        present = self._interfaces_at(call.path)
        if call.interface in present:
            return self._interfaces[call.interface]
        if call.interface:
            raise CallError(ERROR + "UnknownInterface", f"no interface {call.interface} here")
        for name in present:
            if call.member in self._interfaces[name].methods:
                return self._interfaces[name]
        raise CallError(ERROR + "UnknownMethod", f"no method {call.member} here")

    def _interfaces_at(self, path: str) -> tuple[str, ...]:
        if path == MANAGER_PATH:
            return ON_MANAGER
        if path in PARENTS or path == CAPTURES_PATH:
            return ON_PARENT
        self._capture(path)
        return ON_CAPTURE

    def _children(self, path: str) -> tuple[str, ...]:
        if path == MANAGER_PATH:
            return (CAPTURES_PATH.removeprefix(MANAGER_PATH + "/"),)
        if path == CAPTURES_PATH:
            return tuple(self._captures)
        return PARENTS.get(path, ())

    def _capture(self, path: str) -> Capture:
        capture = self._captures.get(path.removeprefix(CAPTURES_PATH + "/"))
        if capture is None or path != capture_path(capture.id):
            raise CallError(UNKNOWN_OBJECT, f"no object {path}")
        return capture

    def _properties(self, path: str, interface: str) -> Properties:
        """Return an interface's properties as variants; of no interface, those of all."""
        present = self._interfaces_at(path)
        if interface and interface not in present:
            raise CallError(ERROR + "UnknownInterface", f"no interface {interface} here")
        if path == MANAGER_PATH and interface in {"", MANAGER}:
            return self._typed(MANAGER, manager_properties(self._state))
        if path.startswith(CAPTURES_PATH) and interface in {"", CAPTURE}:
            return self._typed(CAPTURE, capture_properties(self._capture(path)))
        return {}

    def _capture_interfaces(self, capture: Capture) -> dict[str, Properties]:
        standard: dict[str, Properties] = {name: {} for name in ON_CAPTURE if name != CAPTURE}
        return {CAPTURE: self._typed(CAPTURE, capture_properties(capture)), **standard}

    def _typed(self, interface: str, properties: Properties) -> Properties:
        declared = self._interfaces[interface].properties
        return {
            name: variant(declared[name].signature, value) for name, value in properties.items()
        }


def check_served(interfaces: Mapping[str, Interface], methods: frozenset[tuple[str, str]]) -> None:
    """Raise InterfaceError when a member of an interface has no handler, or a handler no member."""
    declared = {
        (interface.name, name) for interface in interfaces.values() for name in interface.methods
    }
    if declared != methods:
        raise InterfaceError(f"without handler or declaration: {sorted(declared ^ methods)}")
    served: Mapping[str, Mapping[str, Any]] = {
        MANAGER: MANAGER_PROPERTIES,
        CAPTURE: CAPTURE_PROPERTIES,
    }
    for interface in interfaces.values():
        odd = interface.properties.keys() ^ served.get(interface.name, {}).keys()
        if odd:
            raise InterfaceError(f"{interface.name}: without value or declaration: {sorted(odd)}")
