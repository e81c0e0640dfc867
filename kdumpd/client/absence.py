# SPDX-License-Identifier: GPL-2.0-or-later
"""That nobody answers for a service on the bus."""

from collections.abc import Iterator
from contextlib import contextmanager

from kdumpd.dbus.messages import CallError

ABSENT = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    # Where systemd starts what has a name (sd-bus, bus-common-errors.h): disabled, unreadable,
    # masked, and failed to start.
    "org.freedesktop.systemd1.NoSuchUnit",
    "org.freedesktop.systemd1.LoadFailed",
    "org.freedesktop.systemd1.UnitMasked",
    "org.freedesktop.DBus.Error.TimedOut",
}
FAILED_START = "org.freedesktop.DBus.Error.Spawn."  # what a bus without systemd says


class AbsentError(Exception):
    """Nobody answers for the service; the text says so, without the bus and a full stop."""


@contextmanager
def absence(words: str) -> Iterator[None]:
    """Turn the bus's errors that say so into an AbsentError with these words."""
    try:
        yield
    except CallError as error:
        if error.name in ABSENT or error.name.startswith(FAILED_START):
            raise AbsentError(words) from error
        raise
