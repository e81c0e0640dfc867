# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual page org.kdumpd1(5), made from the interfaces' XML and the comments in it.

usage: python -m tests.docs.interface_manual > docs/man/org.kdumpd1.5
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from xml.dom.minidom import Comment, Element, Node, parseString

INTERFACES = [
    Path(__file__).parents[2] / "dbus" / name
    for name in ("org.kdumpd1.xml", "org.kdumpd1.Trigger.xml")
]
EMITS_CHANGED = "org.freedesktop.DBus.Property.EmitsChangedSignal"
WIDTH = 80  # what mandoc -Tlint likes
EMITS = {
    "const": "constant",
    "true": "announced",
    "false": "not announced",
    "invalidates": "announced without its value",
}
HEAD = r"""
.\" SPDX-License-Identifier: GPL-2.0-or-later
.\" Made by `make manual` from the files in dbus/: change those.
.Dd November 27, 2026
.Dt ORG.KDUMPD1 5
.Os
.Sh NAME
.Nm org.kdumpd1
.Nd the D-Bus interfaces of kdumpd and kdumpd-trigger
.Sh SYNOPSIS
.Bl -tag -width "org.kdumpd1.Trigger" -compact
.It Li org.kdumpd1
the objects
.Pa /org/kdumpd1
and
.Pa /org/kdumpd1/capture/ID
.It Li org.kdumpd1.Trigger
the object
.Pa /org/kdumpd1/trigger
.El
.Sh DESCRIPTION
Both names are on the system bus, and a message to either starts its service.
The same text as XML, which the services also return, is in
.Pa /usr/share/dbus-1/interfaces .
"""
NOTE = r"""
.Pp
After a property follow its D-Bus type and how its changes are announced:
.Bl -tag -width "not announced" -compact
.It Em announced
by the signal
.Li PropertiesChanged ,
with the new value
.It Em not announced
without a signal; read it again
.It Em constant
it does not change while the service runs
.El
.Pp
All properties are read-only.
"""
TAIL = r"""
.Sh EXAMPLES
Show whether the next panic would leave a dump:
.Pp
.Dl busctl get-property org.kdumpd1 /org/kdumpd1 org.kdumpd1.Manager Readiness
.Pp
List the objects:
.Pp
.Dl busctl tree org.kdumpd1
.Pp
Programs in Python, with GLib and in C are in
.Pa docs/examples
in the source, and
.Pa docs/integrators.md
explains them.
.Sh SEE ALSO
.Xr busctl 1 ,
.Xr kdumpdctl 1 ,
.Xr sd-bus 3 ,
.Xr kdumpd 8 ,
.Xr kdumpd-trigger 8 ,
.Xr polkit 8
"""


def page() -> str:
    """Return the page's source."""
    documents = [parseString(path.read_bytes()) for path in INTERFACES]  # noqa: S318  # our own
    lines = [HEAD.strip()]
    for document in documents:
        lines += [".Pp", *_prose(_words(document.documentElement))]
    lines.append(NOTE.strip())
    for document in documents:
        for interface in document.getElementsByTagName("interface"):
            lines += _interface(interface)
    return "\n".join([*lines, TAIL.strip(), ""])


def _interface(interface: Element) -> Iterator[str]:
    yield f".Sh INTERFACE {interface.getAttribute('name')}"
    yield from _prose(re.sub(r"^\S+: (\w)", lambda found: found[1].upper(), _words(interface)))
    for kind, title in (("method", "Methods"), ("signal", "Signals"), ("property", "Properties")):
        members = interface.getElementsByTagName(kind)
        if members:
            yield f".Ss {title} of {interface.getAttribute('name').rpartition('.')[2]}"
            yield ".Bl -tag -width Ds"
            for member in members:
                yield _head(member)
                yield from _prose(_words(member))
            yield ".El"


def _head(member: Element) -> str:
    name = member.getAttribute("name")
    if member.tagName == "property":
        annotations = {
            one.getAttribute("name"): one.getAttribute("value")
            for one in member.getElementsByTagName("annotation")
        }
        return (
            f".It Va {name} Pq {member.getAttribute('type')} , {EMITS[annotations[EMITS_CHANGED]]}"
        )
    arguments = member.getElementsByTagName("arg")
    ways = {
        way: [
            f"{one.getAttribute('type')} {one.getAttribute('name')}"
            for one in arguments
            if (one.getAttribute("direction") or "in") == way
        ]
        for way in ("in", "out")
    }
    takes, returns = (" , ".join(ways[way]) for way in ("in", "out"))
    head = f".It Ic {name} Pq {takes or 'no argument'}"
    return f"{head} No \\(-> Pq {returns}" if returns else head


def _words(element: Element | None) -> str:
    """Return the comment before an element, on one line."""
    assert element is not None
    node: Node | None = element.previousSibling
    while node is not None and not isinstance(node, Comment):
        node = node.previousSibling
    assert isinstance(node, Comment)
    return node.data.strip()


def _prose(words: str) -> Iterator[str]:
    """Yield the words as lines of mdoc: a sentence begins a line, a blank line a paragraph."""
    for number, paragraph in enumerate(re.split(r"\n\s*\n", words)):
        if number:
            yield ".Pp"
        text = " ".join(paragraph.split()).replace("\\", "\\e")
        for sentence in re.split(r"(?<=[.?!]) (?=[A-Z])", text):
            # A dot or a quote at the beginning would be a request.
            yield from (re.sub(r"^(?=[.'])", r"\\&", line) for line in wrap(sentence, WIDTH))


if __name__ == "__main__":
    sys.stdout.write(page())
