# SPDX-License-Identifier: GPL-2.0-or-later
"""The D-Bus interfaces as the XML files in dbus/ declare them, and what describes an object."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from xml.etree import ElementTree as ET

PACKAGE_DIRECTORY = Path(__file__).parents[1]
KDUMPD_XML, TRIGGER_XML = "org.kdumpd1.xml", "org.kdumpd1.Trigger.xml"
EMITS_CHANGED_ANNOTATION = "org.freedesktop.DBus.Property.EmitsChangedSignal"


class Property(NamedTuple):
    """A property: its type, and how a change is announced (true, invalidates, false or const)."""

    signature: str
    emits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface, and the XML that is its documentation and introspection."""

    name: str
    methods: Mapping[str, str]  # what each takes, as a signature
    signals: Mapping[str, str]
    properties: Mapping[str, Property]
    element: ET.Element

    @property
    def xml(self) -> str:
        """The XML as a text; few ask for it."""
        return ET.tostring(self.element, encoding="unicode").rstrip()


class InterfaceError(Exception):
    """The XML does not say what is needed; the text names the member."""


def read_interfaces(source: str = KDUMPD_XML) -> Mapping[str, Interface]:
    """Return, by name, the interfaces of an XML file that lies in the package."""
    return parse_interfaces((PACKAGE_DIRECTORY / source).read_text(encoding="utf-8"))


def parse_interfaces(document: str) -> Mapping[str, Interface]:
    """Return, by name, the interfaces of a document in D-Bus' introspection format."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))  # noqa: S314  # as below
    root = ET.fromstring(document, parser)  # noqa: S314  # a document of our own
    interfaces = [_interface(element) for element in root.iter("interface")]
    return MappingProxyType({interface.name: interface for interface in interfaces})


def _interface(element: ET.Element) -> Interface:
    return Interface(
        name=_name(element),
        methods=MappingProxyType(
            {_name(method): _arguments(method, "in") for method in element.iter("method")}
        ),
        signals=MappingProxyType(
            {_name(signal): _arguments(signal, None) for signal in element.iter("signal")}
        ),
        properties=MappingProxyType(
            {_name(prop): _property(prop) for prop in element.iter("property")}
        ),
        element=element,
    )


def _property(element: ET.Element) -> Property:
    emits = [
        annotation.get("value", "")
        for annotation in element.iter("annotation")
        if annotation.get("name") == EMITS_CHANGED_ANNOTATION
    ]
    if element.get("access") != "read" or emits not in ANNOUNCEMENTS:
        raise InterfaceError(f"property {_name(element)} is not read-only or hides its changes")
    return Property(signature=element.get("type", ""), emits=emits[0])


def _arguments(element: ET.Element, direction: str | None) -> str:
    return "".join(
        argument.get("type", "")
        for argument in element.iter("arg")
        if direction is None or argument.get("direction", "in") == direction
    )


def _name(element: ET.Element) -> str:
    name = element.get("name")
    if not name:
        raise InterfaceError(f"a <{element.tag}> without a name")
    return name


ANNOUNCEMENTS = (["true"], ["invalidates"], ["false"], ["const"])
DOCTYPE = (
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n'
    ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n'
)
# D-Bus specification 0.43, "Standard Interfaces".
STANDARD_INTERFACES_XML = """<node>
  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect"><arg name="data" direction="out" type="s"/></method>
  </interface>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
  </interface>
  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get">
      <arg name="interface" direction="in" type="s"/>
      <arg name="property" direction="in" type="s"/>
      <arg name="value" direction="out" type="v"/>
    </method>
    <method name="GetAll">
      <arg name="interface" direction="in" type="s"/>
      <arg name="properties" direction="out" type="a{sv}"/>
    </method>
    <method name="Set">
      <arg name="interface" direction="in" type="s"/>
      <arg name="property" direction="in" type="s"/>
      <arg name="value" direction="in" type="v"/>
    </method>
    <signal name="PropertiesChanged">
      <arg name="interface" type="s"/>
      <arg name="changed" type="a{sv}"/>
      <arg name="invalidated" type="as"/>
    </signal>
  </interface>
  <interface name="org.freedesktop.DBus.ObjectManager">
    <method name="GetManagedObjects">
      <arg name="objects" direction="out" type="a{oa{sa{sv}}}"/>
    </method>
    <signal name="InterfacesAdded">
      <arg name="object" type="o"/>
      <arg name="interfaces" type="a{sa{sv}}"/>
    </signal>
    <signal name="InterfacesRemoved">
      <arg name="object" type="o"/>
      <arg name="interfaces" type="as"/>
    </signal>
  </interface>
</node>"""


def standard_interfaces() -> Mapping[str, Interface]:
    """Return, by name, the interfaces that the D-Bus specification gives to objects."""
    return parse_interfaces(STANDARD_INTERFACES_XML)


def node(interfaces: Iterable[Interface], children: Iterable[str]) -> str:
    """Return the document of one object: its interfaces as written, and its children's names."""
    inside = "".join(f"  {interface.xml}\n" for interface in interfaces)
    below = "".join(f'  <node name="{name}"/>\n' for name in children)
    return f"{DOCTYPE}<node>\n{inside}{below}</node>\n"
