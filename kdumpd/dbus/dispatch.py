# SPDX-License-Identifier: GPL-2.0-or-later
"""Answer method calls on a service's objects, by the interfaces that its XML declares."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol

from kdumpd.dbus.connection import variant
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

Properties = dict[str, Any]
Method = Callable[[Call], Awaitable[Reply]]
Methods = Mapping[tuple[str, str], Method]  # by interface and name


class Objects(Protocol):
    """The objects of a service; CallError where there is none at a path."""

    def interfaces_at(self, path: str) -> tuple[str, ...]:
        """Return the names of the interfaces that the object there has."""

    def children(self, path: str) -> tuple[str, ...]:
        """Return the names of the objects below."""

    def properties(self, path: str, interface: str) -> Properties:
        """Return the plain values of an interface's properties."""


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
        self, path: str, interface: str, before: Properties, after: Properties
    ) -> Iterator[Signal]:
        """Yield the signal that announces which properties have changed, if any has."""
        announced = self._interfaces[interface].properties
        changed = {
            name: variant(announced[name].signature, value)
            for name, value in after.items()
            if announced[name].emits == "true" and before[name] != value
        }
        if changed:
            yield self.signal(
                path, PROPERTIES_INTERFACE, "PropertiesChanged", interface, changed, []
            )

    def typed(self, interface: str, properties: Properties) -> Properties:
        """Return the properties with their declared types."""
        declared = self._interfaces[interface].properties
        return {
            name: variant(declared[name].signature, value) for name, value in properties.items()
        }

    async def _get(self, call: Call) -> Reply:
        interface, name = call.body
        properties = self._properties(call.path, interface)
        if name not in properties:
            raise CallError(UNKNOWN_PROPERTY_ERROR, f"no property {name} in {interface}")
        return Reply("v", (properties[name],))

    async def _get_all(self, call: Call) -> Reply:
        return Reply("a{sv}", (self._properties(call.path, call.body[0]),))

    async def _set(self, call: Call) -> Reply:
        interface, name, _ = call.body
        if name not in self._properties(call.path, interface):
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

    def _properties(self, path: str, interface: str) -> Properties:
        """Return an interface's properties as variants; of no interface, those of all."""
        present = self._objects.interfaces_at(path)
        if interface and interface not in present:
            raise CallError(UNKNOWN_INTERFACE_ERROR, f"no interface {interface} here")
        wanted = [interface] if interface else present
        return {
            name: value
            for one in wanted
            for name, value in self.typed(one, self._objects.properties(path, one)).items()
        }


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
