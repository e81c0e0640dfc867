#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask kdumpd by GLib, from Debian's python3-gi and gir1.2-glib-2.0.

usage: readiness | list | follow | log ID | acknowledge ID | prepare
"""

import os
import sys
from typing import Any

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402  # only now it is known which version

NAME, PATH = "org.kdumpd1", "/org/kdumpd1"
MANAGER, CAPTURE = "org.kdumpd1.Manager", "org.kdumpd1.Capture"
TRIGGER, TRIGGER_PATH = "org.kdumpd1.Trigger", "/org/kdumpd1/trigger"
PRINTABLE = {*range(0x20, 0x7F)} - {ord("\\")}
# polkit may ask for a password, which takes longer than the 25 seconds that are usual.
FLAGS, TIMEOUT = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, 300_000


def shown(text: bytes) -> str:
    r"""Return a text for a terminal: what is not printable ASCII, and the backslash, as \xNN.

    A user of the machine that crashed may have chosen it: a line break would forge a line.
    """
    return "".join(chr(byte) if byte in PRINTABLE else f"\\x{byte:02x}" for byte in text)


def proxy(name: str, path: str, interface: str) -> Any:  # noqa: ANN401  # python3-gi has no types
    """Return an object's interface, with its properties as they are now."""
    flags = Gio.DBusProxyFlags.NONE
    return Gio.DBusProxy.new_for_bus_sync(
        Gio.BusType.SYSTEM, flags, None, name, path, interface, None
    )


def captures() -> Any:  # noqa: ANN401  # as above
    """Return the captures, which from now on come and go with those of kdumpd."""
    flags = Gio.DBusObjectManagerClientFlags.NONE
    return Gio.DBusObjectManagerClient.new_for_bus_sync(
        Gio.BusType.SYSTEM, flags, NAME, PATH, None, None, None
    )


def readiness() -> None:
    """Print whether the next panic would leave a dump, and what is in its way."""
    manager = proxy(NAME, PATH, MANAGER)
    print(manager.get_cached_property("Readiness").unpack())
    for code, severity, message, _remedy in manager.get_cached_property("Findings").unpack():
        print(f"{severity} {code}: {shown(message.encode())}")


def list_captures() -> None:
    """Print all captures."""
    for one in captures().get_objects():
        capture = one.get_interface(CAPTURE)
        id_, state, class_, directory = (
            capture.get_cached_property(name).unpack()
            for name in ("Id", "State", "Class", "Directory")
        )
        # A file name is bytes, which need not be UTF-8.
        print(id_, state, class_ or "-", shown(bytes(directory)))


def tell(_proxy: Any, _sender: str, member: str, values: Any) -> None:  # noqa: ANN401  # as above
    """Print a signal of the manager."""
    if member == "CrashReported":
        path, class_, reason = values.unpack()
        print("crash", path, class_, shown(reason.encode()), flush=True)
    elif member == "ReadinessChanged":
        print("readiness", *values.unpack(), flush=True)


def follow() -> None:
    """Print what happens, until interrupted."""
    # The manager is not one of the objects that an object manager client knows: a proxy of its own.
    manager = proxy(NAME, PATH, MANAGER)
    manager.connect("g-signal", tell)
    known = captures()
    known.connect("object-added", lambda _, one: print("new", one.get_object_path(), flush=True))
    readiness()
    sys.stdout.flush()
    GLib.MainLoop().run()


def log(id_: str) -> None:
    """Print a kernel log. Needs the right org.kdumpd1.read."""
    capture = proxy(NAME, f"{PATH}/capture/{id_}", CAPTURE)
    answer, files = capture.call_with_unix_fd_list_sync(
        "OpenDmesg", None, FLAGS, TIMEOUT, None, None
    )
    with os.fdopen(files.get(answer.unpack()[0]), "rb") as file:
        sys.stdout.buffer.write(file.read())


def acknowledge(id_: str) -> None:
    """Take note of a crash. Needs the right org.kdumpd1.manage."""
    capture = proxy(NAME, f"{PATH}/capture/{id_}", CAPTURE)
    capture.call_sync("Acknowledge", None, FLAGS, TIMEOUT, None)


def prepare() -> None:
    """Print what speaks against a crash test now. The token is not used: nothing is crashed."""
    trigger = proxy(TRIGGER, TRIGGER_PATH, TRIGGER)
    answer = trigger.call_sync("Prepare", None, FLAGS, TIMEOUT, None)
    _token, objections, _expires = answer.unpack()
    for code, severity, sentence, _remedy in objections:
        print(f"{severity} {code}: {shown(sentence.encode())}")


VERBS: dict[str, Any] = {
    "readiness": readiness,
    "list": list_captures,
    "follow": follow,
    "log": log,
    "acknowledge": acknowledge,
    "prepare": prepare,
}
VERBS_OF_ONE_CAPTURE = {"log", "acknowledge"}
USAGE = "usage: readiness | list | follow | log ID | acknowledge ID | prepare"

if __name__ == "__main__":
    _, verb, *ids = sys.argv if len(sys.argv) > 1 else (*sys.argv, "")
    if verb not in VERBS or len(ids) != (verb in VERBS_OF_ONE_CAPTURE):
        sys.exit(USAGE)
    try:
        VERBS[verb](*ids)
    except GLib.Error as error:
        name = Gio.DBusError.get_remote_error(error)
        Gio.DBusError.strip_remote_error(error)
        sys.exit(f"{name}: {shown(error.message.encode())}")
