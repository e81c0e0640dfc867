# SPDX-License-Identifier: GPL-2.0-or-later
"""Call methods of the service by GLib, and say of what they hand out: one JSON line per call.

Run by Debian's /usr/bin/python3, not imported: python3-gi is not on PyPI without a compiler. Its
text is given to it as an argument, as other users may not be able to read this file.
Argument: address of the bus. Each line of stdin is a call: bus name, path, interface, member,
whether a person may be asked, and the arguments as GVariant has them in text. Ends when stdin does.
"""

import fcntl
import importlib
import json
import os
import sys
from typing import Any

Gi = Any  # python3-gi has no types

try:
    importlib.import_module("gi").require_version("Gio", "2.0")
    Gio = importlib.import_module("gi.repository.Gio")
    GLib = importlib.import_module("gi.repository.GLib")
except (ImportError, ValueError) as error:
    sys.exit(f"{error}: install the Debian packages 'python3-gi' and 'gir1.2-glib-2.0'")

SECONDS = 60


def described(fd: int) -> dict[str, object]:
    """Return what a descriptor gives, and close it."""
    with os.fdopen(fd, "rb") as file:
        mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
        return {"bytes": file.read().decode("latin-1"), "readonly": mode == os.O_RDONLY}


def call(bus: Gi, words: list[str], arguments: str, *, interactive: bool) -> dict[str, Any]:
    """Return an error's name and text, or what was handed out."""
    flag = Gio.DBusCallFlags
    try:
        body, descriptors = bus.call_with_unix_fd_list_sync(
            *words,
            GLib.Variant.parse(None, arguments, None, None) if arguments else None,
            None,
            flag.ALLOW_INTERACTIVE_AUTHORIZATION if interactive else flag.NONE,
            SECONDS * 1000,
            None,
            None,
        )
    except GLib.Error as error:
        name = Gio.DBusError.get_remote_error(error)
        return {"error": name, "message": error.message.removeprefix(f"GDBus.Error:{name}: ")}
    if descriptors is None:
        return {"done": list(body.unpack())}
    return described(descriptors.steal_fds()[0])


def main() -> None:
    """Connect, and make one call after the other."""
    flags = Gio.DBusConnectionFlags
    bus = Gio.DBusConnection.new_for_address_sync(
        sys.argv[1], flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None
    )
    sys.stdout.write(json.dumps({"name": bus.get_unique_name()}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        *words, interactive, arguments = json.loads(line)
        answer = call(bus, words, arguments, interactive=interactive)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main()
