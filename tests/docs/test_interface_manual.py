# SPDX-License-Identifier: GPL-2.0-or-later
"""org.kdumpd1(5) says what the interfaces in dbus/ say."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kdumpd.dbus.introspection import KDUMPD_XML, TRIGGER_XML, Interface, read_interfaces
from tests.docs.interface_manual import EMITS, page
from tests.support.process import output, program

MANUAL = Path(__file__).parents[2] / "docs/man/org.kdumpd1.5"
INTERFACES = [*read_interfaces(KDUMPD_XML).values(), *read_interfaces(TRIGGER_XML).values()]
# What mandoc says of pages that are not installed where it looks.
NOT_OURS = re.compile(r"referenced manual not found|mandoc\.db lacks")


def section(interface: Interface) -> str:
    (text,) = re.findall(
        rf"^\.Sh INTERFACE {re.escape(interface.name)}\n(.*?)(?=^\.Sh )",
        MANUAL.read_text(),
        re.DOTALL | re.MULTILINE,
    )
    return str(text)


def test_is_made_from_the_interfaces_as_they_are() -> None:
    assert MANUAL.read_text() == page(), "run: make manual"


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda one: one.name)
def test_every_member_is_named_with_a_sentence(interface: Interface) -> None:
    said = re.findall(r"^\.It (?:Ic|Va) (\w+) .*\n(\S.*)$", section(interface), re.MULTILINE)
    assert sorted(name for name, _ in said) == sorted(
        [*interface.methods, *interface.signals, *interface.properties]
    )
    assert not [name for name, sentence in said if sentence.startswith(".")]


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda one: one.name)
def test_every_property_says_its_type_and_whether_changes_are_told(interface: Interface) -> None:
    said = re.findall(r"^\.It Va (\w+) Pq (\S+) , (.+)$", section(interface), re.MULTILINE)
    assert {name: (type_, told) for name, type_, told in said} == {
        name: (one.signature, EMITS[one.emits]) for name, one in interface.properties.items()
    }


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda one: one.name)
def test_every_method_says_what_it_takes_and_returns(interface: Interface) -> None:
    text = section(interface)
    methods = ET.fromstring(interface.xml)  # noqa: S314  # a document of our own
    for name, method_takes in interface.methods.items():
        ((takes, returns),) = re.findall(
            rf"^\.It Ic {name} Pq (.+?)(?: No \\\(-> Pq (.+))?$", text, re.MULTILINE
        )
        types = [
            "".join(one.split()[0] for one in some.split(" , ")) if some else ""
            for some in (takes.replace("no argument", ""), returns)
        ]
        out = methods.findall(f"method[@name='{name}']/arg[@direction='out']")
        assert types == [method_takes, "".join(one.attrib["type"] for one in out)]


async def test_no_fault_is_found_with_its_style() -> None:
    linted = await output(
        "sh", "-c", '"$@" 2>&1 || true', "sh", program("mandoc", "mandoc"), "-Tlint", str(MANUAL)
    )
    faults = [line for line in linted.decode().splitlines() if not NOT_OURS.search(line)]
    assert faults == []
