# SPDX-License-Identifier: GPL-2.0-or-later
"""The D-Bus specification's own interfaces, and the document that describes an object."""

from collections.abc import Iterable, Mapping

from kdumpd.dbus.introspection import Interface, parse_interfaces

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PEER = "org.freedesktop.DBus.Peer"
PROPERTIES = "org.freedesktop.DBus.Properties"

DOCTYPE = (
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n'
    ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n'
)
# D-Bus specification 0.43, "Standard Interfaces".
STANDARD = """<node>
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
    return parse_interfaces(STANDARD)


def node(interfaces: Iterable[Interface], children: Iterable[str]) -> str:
    """Return the document of one object: its interfaces as written, and its children's names."""
    inside = "".join(f"  {interface.xml}\n" for interface in interfaces)
    below = "".join(f'  <node name="{name}"/>\n' for name in children)
    return f"{DOCTYPE}<node>\n{inside}{below}</node>\n"
