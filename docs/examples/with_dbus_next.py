#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask kdumpd by dbus-next: readiness | list | follow | log ID | acknowledge ID | prepare.

dbus-fast has the same classes: import dbus_fast in its place.
"""

import asyncio
import os
import sys
from typing import Any

from dbus_next import BusType, Message, MessageFlag, MessageType
from dbus_next.aio import MessageBus

NAME, PATH = "org.kdumpd1", "/org/kdumpd1"
MANAGER, CAPTURE = "org.kdumpd1.Manager", "org.kdumpd1.Capture"
TRIGGER, TRIGGER_PATH = "org.kdumpd1.Trigger", "/org/kdumpd1/trigger"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PRINTABLE = {*range(0x20, 0x7F)} - {ord("\\")}


def shown(text: bytes) -> str:
    r"""Return a text for a terminal: what is not printable ASCII, and the backslash, as \xNN.

    A user of the machine that crashed may have chosen it: a line break would forge a line.
    """
    return "".join(chr(byte) if byte in PRINTABLE else f"\\x{byte:02x}" for byte in text)


async def call(
    bus: MessageBus, name: str, path: str, interface: str, member: str, *body: str
) -> Message:
    """Return the answer; an error ends the program with its sentence."""
    answer = await bus.call(
        Message(
            destination=name,
            path=path,
            interface=interface,
            member=member,
            signature="s" * len(body),
            body=list(body),
            # polkit may ask for a password. dbus-next waits for as long as that takes.
            flags=MessageFlag.ALLOW_INTERACTIVE_AUTHORIZATION,
        )
    )
    if answer.message_type is MessageType.ERROR:
        sys.exit(f"{answer.error_name}: {shown(answer.body[0].encode())}")
    return answer


async def readiness(bus: MessageBus) -> None:
    """Print whether the next panic would leave a dump, and what is in its way."""
    answer = await call(bus, NAME, PATH, PROPERTIES, "GetAll", MANAGER)
    manager = {name: variant.value for name, variant in answer.body[0].items()}
    print(manager["Readiness"])
    for code, severity, message, _remedy in manager["Findings"]:
        print(f"{severity} {code}: {shown(message.encode())}")


async def list_captures(bus: MessageBus) -> None:
    """Print all captures."""
    answer = await call(bus, NAME, PATH, OBJECT_MANAGER, "GetManagedObjects")
    for interfaces in answer.body[0].values():
        capture = {name: variant.value for name, variant in interfaces[CAPTURE].items()}
        # A file name is bytes, which need not be UTF-8.
        directory = shown(bytes(capture["Directory"]))
        print(capture["Id"], capture["State"], capture["Class"] or "-", directory)


def tell(message: Message) -> None:
    """Print a signal of the manager."""
    if message.interface == MANAGER and message.member == "CrashReported":
        path, class_, reason = message.body
        print("crash", path, class_, shown(reason.encode()), flush=True)
    elif message.interface == MANAGER and message.member == "ReadinessChanged":
        print("readiness", *message.body, flush=True)


async def follow(bus: MessageBus) -> None:
    """Print what happens, until interrupted."""
    bus.add_message_handler(tell)
    rule = f"type='signal',sender='{NAME}',path='{PATH}',interface='{MANAGER}'"
    await call(bus, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "AddMatch", rule)
    # Only now, so that nothing is missed between the look and the signals.
    await readiness(bus)
    sys.stdout.flush()
    await bus.wait_for_disconnect()


async def log(bus: MessageBus, id_: str) -> None:
    """Print a kernel log. Needs the right org.kdumpd1.read."""
    answer = await call(bus, NAME, f"{PATH}/capture/{id_}", CAPTURE, "OpenDmesg")
    with os.fdopen(answer.unix_fds[answer.body[0]], "rb") as file:
        sys.stdout.buffer.write(file.read())


async def acknowledge(bus: MessageBus, id_: str) -> None:
    """Take note of a crash. Needs the right org.kdumpd1.manage."""
    await call(bus, NAME, f"{PATH}/capture/{id_}", CAPTURE, "Acknowledge")


async def prepare(bus: MessageBus) -> None:
    """Print what speaks against a crash test now. The token is not used: nothing is crashed."""
    answer = await call(bus, TRIGGER, TRIGGER_PATH, TRIGGER, "Prepare")
    _token, objections, _expires = answer.body
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


async def main(verb: str, *arguments: str) -> None:
    """Do one thing on the system bus."""
    bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    await VERBS[verb](bus, *arguments)


if __name__ == "__main__":
    _, verb, *ids = sys.argv if len(sys.argv) > 1 else (*sys.argv, "")
    if verb not in VERBS or len(ids) != (verb in VERBS_OF_ONE_CAPTURE):
        sys.exit(USAGE)
    asyncio.run(main(verb, *ids))
