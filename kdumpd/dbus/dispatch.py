# SPDX-License-Identifier: GPL-2.0-or-later
"""Answer method calls on a service's objects, by the interfaces that its XML declares."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from kdumpd.dbus.introspection import Interface, InterfaceError, node, standard_interfaces
from kdumpd.dbus.messages import (
    INTROSPECTABLE_INTERFACE,
    INVALID_ARGS_ERROR,
    PEER_INTERFACE,
    PROPERTIES_INTERFACE,
    PROPERTY_READ_ONLY_ERROR,
    UNKNOWN_INTERFACE_ERROR,
    UNKNOWN_METHOD_ERROR,
    UNKNOWN_PROPERTY_ERROR,
    Call,
    CallError,
    Reply,
    Signal,
)
from kdumpd.dbus.wire import variant

Properties = dict[str, Any]
Method = Callable[[Call], Awaitable[Reply]]
Methods = Mapping[tuple[str, str], Method]  # by interface and name
ANNOUNCED = {"true", "invalidates"}  # how a change of a property may be announced


class PropertyValues(NamedTuple):
    """The plain values of an interface's properties, and what some readers are told instead."""

    known: Properties
    instead: Properties  # of those that are hidden

    def told(self, *, everything: bool) -> Properties:
        """Return the values for who may read everything, or for everybody."""
        return self.known if everything else self.known | self.instead


class Objects(Protocol):
    """The objects of a service; CallError where there is none at a path."""

    def interfaces_at(self, path: str) -> tuple[str, ...]:
        """Return the names of the interfaces that the object there has."""

    def children(self, path: str) -> tuple[str, ...]:
        """Return the names of the objects below."""

    async def properties(self, call: Call, interface: str) -> Properties:
        """Return the plain values of the properties of an interface at the call's path.

        They are those that the sender of the call may read.
        """


class Dispatcher:
    """Knows what is declared: finds the method for a call, and gives every value its type."""

    def __init__(
        self, interfaces: Mapping[str, Interface], objects: Objects, methods: Methods
    ) -> None:
        self._interfaces = {**interfaces, **standard_interfaces()}
        self._objects = objects
        self._methods: Methods = {
            (PROPERTIES_INTERFACE, "Get"): self._get,
            (PROPERTIES_INTERFACE, "GetAll"): self._get_all,
            (PROPERTIES_INTERFACE, "Set"): self._set,
            (INTROSPECTABLE_INTERFACE, "Introspect"): self._introspect,
            (PEER_INTERFACE, "Ping"): self._ping,
            **methods,
        }

    async def answer(self, call: Call) -> Reply:
        """Answer one call; CallError for everything that cannot be answered."""
        interface = self._interface_of(call)
        method = self._methods.get((interface.name, call.member))
        if method is None:
            raise CallError(UNKNOWN_METHOD_ERROR, f"no method {call.member} in {interface.name}")
        takes = interface.methods[call.member]
        if call.signature != takes:
            raise CallError(
                INVALID_ARGS_ERROR,
                f"{call.member} takes ({takes}), and was given ({call.signature})",
            )
        return await method(call)

    def signal(self, path: str, interface: str, member: str, *body: object) -> Signal:
        """Return a signal with the signature that is declared for it."""
        return Signal(
            path=path,
            interface=interface,
            member=member,
            signature=self._interfaces[interface].signals[member],
            body=body,
        )

    def changes(
        self,
        path: str,
        interface: str,
        before: PropertyValues,
        after: PropertyValues,
    ) -> Iterator[Signal]:
        """Yield the signal that announces which properties have changed, if any has.

        Everybody hears it: of those that are hidden from some it says only that they have.
        """
        announced = self._interfaces[interface].properties
        changed: Properties = {}
        invalidated: list[str] = []
        for name, value in after.known.items():
            emits = announced[name].emits
            told_instead = before.instead.get(name), after.instead.get(name)
            same = before.known[name] == value and told_instead[0] == told_instead[1]
            if emits not in ANNOUNCED or same:
                continue
            if emits == "invalidates" or name in after.instead:
                invalidated.append(name)
            else:
                changed[name] = variant(announced[name].signature, value)
        if changed or invalidated:
            yield self.signal(
                path, PROPERTIES_INTERFACE, "PropertiesChanged", interface, changed, invalidated
            )

    def typed(self, interface: str, properties: Properties) -> Properties:
        """Return the properties with their declared types."""
        declared = self._interfaces[interface].properties
        return {
            name: variant(declared[name].signature, value) for name, value in properties.items()
        }

    async def _get(self, call: Call) -> Reply:
        interface, name = call.body
        properties = await self._properties(call, interface)
        if name not in properties:
            raise CallError(UNKNOWN_PROPERTY_ERROR, f"no property {name} in {interface}")
        return Reply("v", (properties[name],))

    async def _get_all(self, call: Call) -> Reply:
        return Reply("a{sv}", (await self._properties(call, call.body[0]),))

    async def _set(self, call: Call) -> Reply:
        interface, name, _ = call.body
        present = self._interfaces_named(call.path, interface)
        if not any(name in self._interfaces[one].properties for one in present):
            raise CallError(UNKNOWN_PROPERTY_ERROR, f"no property {name} in {interface}")
        raise CallError(PROPERTY_READ_ONLY_ERROR, f"{interface}.{name} cannot be set")

    async def _introspect(self, call: Call) -> Reply:
        interfaces = [self._interfaces[name] for name in self._objects.interfaces_at(call.path)]
        return Reply("s", (node(interfaces, self._objects.children(call.path)),))

    async def _ping(self, _: Call) -> Reply:
        return Reply()

    def _interface_of(self, call: Call) -> Interface:
        present = self._objects.interfaces_at(call.path)
        if call.interface in present:
            return self._interfaces[call.interface]
        if call.interface:
            raise CallError(UNKNOWN_INTERFACE_ERROR, f"no interface {call.interface} here")
        for name in present:
            if call.member in self._interfaces[name].methods:
                return self._interfaces[name]
        raise CallError(UNKNOWN_METHOD_ERROR, f"no method {call.member} here")

    async def _properties(self, call: Call, interface: str) -> Properties:
        """Return an interface's properties as variants; of no interface, those of all."""
        found: Properties = {}
        for one in self._interfaces_named(call.path, interface):
            found |= self.typed(one, await self._objects.properties(call, one))
        return found

    def _interfaces_named(self, path: str, interface: str) -> Sequence[str]:
        """Return the interface that is named, if the object there has it, or all that it has."""
        present = self._objects.interfaces_at(path)
        if interface and interface not in present:
            raise CallError(UNKNOWN_INTERFACE_ERROR, f"no interface {interface} here")
        return [interface] if interface else present


def check_served(
    interfaces: Mapping[str, Interface],
    methods: frozenset[tuple[str, str]],
    properties: Mapping[str, Mapping[str, object]],
) -> None:
    """Raise InterfaceError when a member of an interface has no handler, or a handler no member.

    The methods are those of these interfaces, the properties by interface and name.
    """
    declared = {
        (interface.name, name) for interface in interfaces.values() for name in interface.methods
    }
    if declared != methods:
        raise InterfaceError(f"without handler or declaration: {sorted(declared ^ methods)}")
    for interface in interfaces.values():
        odd = interface.properties.keys() ^ properties.get(interface.name, {}).keys()
        if odd:
            raise InterfaceError(f"{interface.name}: without value or declaration: {sorted(odd)}")
