# SPDX-License-Identifier: GPL-2.0-or-later
"""Show a service as GLib's GDBusObjectManagerClient sees it: a JSON line per event.

Run by Debian's /usr/bin/python3, not imported: python3-gi is not on PyPI without a compiler.
Arguments: address of the bus, name, path of the object manager. Ends when stdin does.
"""

import importlib
import json
import sys
from typing import Any

Gi = Any  # python3-gi has no types

try:
    importlib.import_module("gi").require_version("Gio", "2.0")
    Gio = importlib.import_module("gi.repository.Gio")
    GLib = importlib.import_module("gi.repository.GLib")
except (ImportError, ValueError) as error:
    sys.exit(f"{error}: install the Debian packages 'python3-gi' and 'gir1.2-glib-2.0'")


def tell(kind: str, value: object = None, **more: object) -> None:
    """Print one event."""
    sys.stdout.write(json.dumps({kind: value, **more}) + "\n")
    sys.stdout.flush()


def properties(proxy: Gi) -> dict[str, Any]:
    """Return what the proxy knows without asking: a name it was not told of is missing."""
    names = proxy.get_cached_property_names() or []
    return {name: proxy.get_cached_property(name).unpack() for name in names}


def object_added(_manager: Gi, added: Gi) -> None:
    """Tell of an object with its interfaces and their properties."""
    known = {p.get_interface_name(): properties(p) for p in added.get_interfaces()}
    tell("object-added", added.get_object_path(), properties=known)


def properties_changed(
    _manager: Gi, owner: Gi, proxy: Gi, changed: Gi, invalidated: list[str]
) -> None:
    """Tell of PropertiesChanged."""
    tell(
        "properties-changed",
        owner.get_object_path(),
        interface=proxy.get_interface_name(),
        changed=changed.unpack(),
        invalidated=list(invalidated),
    )


def signal(_manager: Gi, owner: Gi, proxy: Gi, _sender: str, name: str, values: Gi) -> None:
    """Tell of any other signal of a known object."""
    tell(
        "signal",
        owner.get_object_path(),
        interface=proxy.get_interface_name(),
        member=name,
        arguments=values.unpack(),
    )


def main(address: str, name: str, path: str) -> None:
    """Watch the object manager until stdin ends."""
    loop = GLib.MainLoop()
    flags = Gio.DBusConnectionFlags
    bus = Gio.DBusConnection.new_for_address_sync(
        address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None
    )
    bus.connect("closed", lambda *_: tell("closed"))
    manager = Gio.DBusObjectManagerClient.new_sync(
        bus, Gio.DBusObjectManagerClientFlags.DO_NOT_AUTO_START, name, path, None, None, None
    )
    for part in ("added", "removed"):
        manager.connect(
            f"interface-{part}",
            lambda _, owner, proxy, kind=f"interface-{part}": tell(
                kind, owner.get_object_path(), interface=proxy.get_interface_name()
            ),
        )
    manager.connect("object-added", object_added)
    manager.connect(
        "object-removed", lambda _, removed: tell("object-removed", removed.get_object_path())
    )
    manager.connect("interface-proxy-properties-changed", properties_changed)
    manager.connect("interface-proxy-signal", signal)
    owner = manager.get_name_owner()

    def owner_changed(*_: Gi) -> None:
        nonlocal owner
        before, owner = owner, manager.get_name_owner()
        if owner != before:  # GLib notifies before it asks a new owner for its objects, and after
            tell("name-owner", owner)

    manager.connect("notify::name-owner", owner_changed)
    tell("ready", sorted(known.get_object_path() for known in manager.get_objects()))
    ended = GLib.IOCondition.IN | GLib.IOCondition.HUP  # nothing is ever written to it
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, ended, lambda *_: loop.quit())
    loop.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
