# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from kdumpd.dbus.dispatch import check_served
from kdumpd.dbus.introspection import InterfaceError, parse_interfaces, read_interfaces
from kdumpd.dbus.messages import CAPTURE_INTERFACE, MANAGER_INTERFACE

DOCUMENT = """<node><interface name="org.example.One">
<!-- kept -->
<method name="Do">
<arg name="a" type="s" direction="in"/><arg name="b" type="u" direction="out"/>
</method>
<signal name="Done"><arg name="c" type="t"/></signal>
<property name="State" type="s" access="{access}">{annotation}</property>
</interface></node>"""
EMITS = '<annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="{}"/>'


def test_signatures_come_from_the_document() -> None:
    document = DOCUMENT.format(access="read", annotation=EMITS.format("const"))
    interface = parse_interfaces(document)["org.example.One"]
    assert interface.methods == {"Do": "s"}
    assert '<arg name="b" type="u" direction="out" />' in interface.xml
    assert interface.signals == {"Done": "t"}
    assert interface.properties["State"].signature == "s"
    assert interface.properties["State"].emits == "const"
    assert "<!-- kept -->" in interface.xml


@pytest.mark.parametrize(
    ("access", "annotation"),
    [("readwrite", EMITS.format("true")), ("read", ""), ("read", EMITS.format("maybe"))],
)
def test_property_must_be_readonly_and_say_whether_it_emits(access: str, annotation: str) -> None:
    with pytest.raises(InterfaceError, match="State"):
        parse_interfaces(DOCUMENT.format(access=access, annotation=annotation))


def test_member_without_handler_and_handler_without_member_are_refused() -> None:
    interfaces = read_interfaces()
    methods = frozenset(
        (interface.name, name) for interface in interfaces.values() for name in interface.methods
    )
    properties = {name: interface.properties for name, interface in interfaces.items()}
    check_served(interfaces, methods, properties)
    with pytest.raises(InterfaceError, match="Rescan"):
        check_served(interfaces, methods - {(MANAGER_INTERFACE, "Rescan")}, properties)
    with pytest.raises(InterfaceError, match="Explode"):
        check_served(interfaces, methods | {(CAPTURE_INTERFACE, "Explode")}, properties)
    other = parse_interfaces(DOCUMENT.format(access="read", annotation=EMITS.format("true")))
    with pytest.raises(InterfaceError, match="State"):
        check_served({**interfaces, **other}, methods | {("org.example.One", "Do")}, properties)
