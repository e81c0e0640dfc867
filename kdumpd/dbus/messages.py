# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said on a message bus, as plain values that know no D-Bus library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Who is who on the bus: dbus/org.kdumpd1.xml and dbus/org.kdumpd1.Trigger.xml.
KDUMPD_BUS_NAME = "org.kdumpd1"
KDUMPD_PATH = "/org/kdumpd1"
CAPTURES_PATH = "/org/kdumpd1/capture"
MANAGER_INTERFACE = "org.kdumpd1.Manager"
CAPTURE_INTERFACE = "org.kdumpd1.Capture"
CRASH_TEST_INTERFACE = "org.kdumpd1.CrashTest"
TRIGGER_BUS_NAME = TRIGGER_INTERFACE = "org.kdumpd1.Trigger"
TRIGGER_PATH = "/org/kdumpd1/trigger"
NOTIFY_BUS_NAME = "org.kdumpd1.Notify"

# What every object has (D-Bus specification, "Standard Interfaces").
INTROSPECTABLE_INTERFACE = "org.freedesktop.DBus.Introspectable"
OBJECT_MANAGER_INTERFACE = "org.freedesktop.DBus.ObjectManager"
PEER_INTERFACE = "org.freedesktop.DBus.Peer"
PROPERTIES_INTERFACE = "org.freedesktop.DBus.Properties"

BAD_TOKEN_ERROR = "org.kdumpd1.Error.BadToken"  # noqa: S105  # no secret, the name of an error
BUSY_ERROR = "org.kdumpd1.Error.Busy"
DISABLED_ERROR = "org.kdumpd1.Error.Disabled"
FAILED_ERROR = "org.kdumpd1.Error.Failed"
NOT_AUTHORIZED_ERROR = "org.kdumpd1.Error.NotAuthorized"
NOT_FOUND_ERROR = "org.kdumpd1.Error.NotFound"
NOT_READY_ERROR = "org.kdumpd1.Error.NotReady"
OBJECTIONS_ERROR = "org.kdumpd1.Error.Objections"
LIMITS_EXCEEDED_ERROR = "org.freedesktop.DBus.Error.LimitsExceeded"
NO_REPLY_ERROR = "org.freedesktop.DBus.Error.NoReply"  # the bus's, where the service left it
INVALID_ARGS_ERROR = "org.freedesktop.DBus.Error.InvalidArgs"
PROPERTY_READ_ONLY_ERROR = "org.freedesktop.DBus.Error.PropertyReadOnly"
UNKNOWN_INTERFACE_ERROR = "org.freedesktop.DBus.Error.UnknownInterface"
UNKNOWN_METHOD_ERROR = "org.freedesktop.DBus.Error.UnknownMethod"
UNKNOWN_OBJECT_ERROR = "org.freedesktop.DBus.Error.UnknownObject"
UNKNOWN_PROPERTY_ERROR = "org.freedesktop.DBus.Error.UnknownProperty"
# What buses say when nobody has a name, nor a service that would be started has it (libdbus'
# names; sd-bus' for a unit that is masked or missing).
SERVICE_ABSENT_ERRORS = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Spawn.ServiceNotFound",
    "org.freedesktop.systemd1.NoSuchUnit",
    "org.freedesktop.systemd1.UnitMasked",
}

ROOT_UID = 0  # of a caller

Body = list[Any]

ALL_OBJECTS_BYTES = 32 << 20  # of the longest answer that dbus-daemon carries (system.conf)


class BusError(Exception):
    """The bus cannot be used; the text says why."""


class TakenError(BusError):
    """Somebody else on the bus has the name."""


# What a bus answers in the place of a service, in the words of its own developers (dbus-daemon:
# "Rejected: destination has a full message queue, 0 matched rules; type=…").
BUS_SENTENCES = {
    "org.freedesktop.DBus.Error.AccessDenied": "The message bus does not allow that.",
    "org.freedesktop.DBus.Error.Disconnected": "The message bus was lost.",
    "org.freedesktop.DBus.Error.LimitsExceeded": (
        "Too many messages are under way on the message bus. Try again later."
    ),
    "org.freedesktop.DBus.Error.NameHasNoOwner": "The service does not run.",
    "org.freedesktop.DBus.Error.NoMemory": "The message bus has no memory left.",
    "org.freedesktop.DBus.Error.NoReply": "The service ended before it answered.",
    "org.freedesktop.DBus.Error.ServiceUnknown": "The service does not run.",
    "org.freedesktop.DBus.Error.TimedOut": "The service does not start.",
    "org.freedesktop.DBus.Error.Timeout": "The service does not answer.",
}


class CallError(Exception):
    """A method call's error answer, ours or another's: the error's name and a sentence."""

    def __init__(self, name: str, message: str, *, of_the_bus: bool = False) -> None:
        super().__init__(BUS_SENTENCES.get(name, message) if of_the_bus else message)
        self.name = name
        self.of_the_bus = of_the_bus  # which answers in the place of a service


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A method call from somebody."""

    path: str
    interface: str
    member: str
    sender: str
    signature: str
    body: Body
    interactive: bool = False  # whether the caller waits while a person is asked for a password


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a call.

    The descriptors are the connection's to close; a value of type h is the place of one in them.
    """

    signature: str = ""
    body: tuple[Any, ...] = ()
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A signal to send, or one that came."""

    path: str
    interface: str
    member: str
    signature: str = ""
    body: tuple[Any, ...] = ()
    sender: str = ""  # of one that came: the unique name


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """How a call is made: what its answer may take, and whether a person may be asked."""

    seconds: float = 25.0  # as libdbus and sd-bus wait
    interactive: bool = False
    max_answer_bytes: int = 1 << 20
    repeats: int = 0  # of a call that does no harm twice, where the service left before it answered
    starts: bool = True  # the service, where it does not run


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes: the bus name, the object and the interface."""

    name: str
    path: str
    interface: str


MESSAGE_BUS = Target("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
DEFAULT_CALL_OPTIONS = CallOptions()


@dataclass(frozen=True, slots=True)
class Interest:
    """Which signals somebody wants to hear."""

    source: Target
    members: tuple[str, ...]
    about: str = ""  # their first argument, where only those with it are meant
    below: bool = False  # whether those of the objects below the target's path are meant too


SYSTEM_BUS_ADDRESS = "unix:path=/run/dbus/system_bus_socket"


def bus_address(bus: str, environment: Mapping[str, str]) -> str:
    """Return the address of `system`, `session` or, as it stands, of an address."""
    if bus == "system":
        return environment.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS_ADDRESS
    if bus == "session":
        runtime = environment.get("XDG_RUNTIME_DIR")
        fallback = f"unix:path={runtime}/bus" if runtime else ""
        address = environment.get("DBUS_SESSION_BUS_ADDRESS") or fallback
        if not address:
            raise BusError("no session bus: DBUS_SESSION_BUS_ADDRESS is not set")
        return address
    if ":" not in bus:
        raise BusError(
            f"'{bus}' is not a bus: use system, session or an address such as unix:path=…"
        )
    return bus
