# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a message bus listens."""

from collections.abc import Mapping

from kdumpd.dbus.messages import BusError

SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"


def bus_address(bus: str, environment: Mapping[str, str]) -> str:
    """Return the address of `system`, `session` or, as it stands, of an address."""
    if bus == "system":
        return environment.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS
    if bus == "session":
        runtime = environment.get("XDG_RUNTIME_DIR")
        fallback = f"unix:path={runtime}/bus" if runtime else ""
        address = environment.get("DBUS_SESSION_BUS_ADDRESS") or fallback
        if not address:
            raise BusError("no session bus: DBUS_SESSION_BUS_ADDRESS is not set")
        return address
    if ":" not in bus:
        raise BusError(f"'{bus}' is no bus: write system, session or an address like unix:path=…")
    return bus
