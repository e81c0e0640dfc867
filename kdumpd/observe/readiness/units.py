# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask systemd about the unit that loads the crash kernel, and whether it starts at boot."""

import asyncio
import os
import stat
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kdumpd.dbus.connection import Connection
from kdumpd.dbus.messages import PROPERTIES_INTERFACE, BusError, CallError, CallOptions, Target
from kdumpd.model.readiness.facts import ServiceFacts
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.model.text import printable
from kdumpd.observe.files import Files

SYSTEMD_NAME = "org.freedesktop.systemd1"
SYSTEMD_MANAGER = Target(SYSTEMD_NAME, "/org/freedesktop/systemd1", f"{SYSTEMD_NAME}.Manager")
KDUMP_TOOLS_UNIT = "kdump-tools.service"
KDUMP_UNIT = "kdump.service"  # of kdump-utils, and of SUSE's kdump
# Debian and Ubuntu; Fedora, RHEL and SUSE; SUSE once more; SteamOS.
CAPTURE_TOOL_UNITS = (
    KDUMP_TOOLS_UNIT,
    KDUMP_UNIT,
    "kdump-early.service",
    "kdumpst-init.service",
)
SYSTEMD_TIMEOUT_S = 5.0  # for all that is asked
SYSTEMD_CALL_OPTIONS = CallOptions(seconds=SYSTEMD_TIMEOUT_S)
STOPPING_TIMEOUT_S = 2.0  # a machine that stops waits for this daemon
STARTING_SYSTEM_STATES = {"initializing", "starting"}
MANAGER_SIGNALS = ("StartupFinished", "UnitFilesChanged")


class ServiceManager(Protocol):
    """Somebody who knows the units of the machine."""

    async def read(self) -> ServiceFacts:
        """Return what is known of the unit that loads the crash kernel."""

    async def is_stopping(self) -> bool:
        """Return whether the machine is known to be shutting down in order."""


class NoServiceManager:
    """Nobody is asked: without a bus, and of a machine below another root."""

    async def read(self) -> ServiceFacts:
        """Return that nothing is known."""
        return ServiceFacts()

    async def is_stopping(self) -> bool:
        """Return that nothing is known of it."""
        return False


class Units:
    """systemd's account, over the system bus (org.freedesktop.systemd1(5)); it may be absent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def follow(self, hint: Callable[[], object]) -> None:
        """Call `hint` whenever a unit or the boot comes further; without systemd never."""
        try:
            await self._connection.call(
                SYSTEMD_MANAGER, "Subscribe", call_options=SYSTEMD_CALL_OPTIONS
            )
        except (BusError, CallError):
            return
        for member in MANAGER_SIGNALS:
            await self._connection.follow(SYSTEMD_MANAGER, member, hint)
        for name in CAPTURE_TOOL_UNITS:
            await self._connection.follow(_unit(name), "PropertiesChanged", hint)

    async def read(self) -> ServiceFacts:
        """Return what systemd says now; nothing is known where it does not answer."""
        try:
            async with asyncio.timeout(SYSTEMD_TIMEOUT_S):
                return await self._facts()
        except (BusError, CallError, TimeoutError):
            return ServiceFacts()

    async def is_stopping(self) -> bool:
        """Return whether systemd shuts the machine down; False where it does not answer in time."""
        try:
            async with asyncio.timeout(STOPPING_TIMEOUT_S):
                return await self._system_state() == "stopping"
        except (BusError, CallError, TimeoutError):
            return False

    async def _facts(self) -> ServiceFacts:
        starting = await self._system_state() in STARTING_SYSTEM_STATES
        for name in CAPTURE_TOOL_UNITS:
            facts = await self._unit_facts(name, starting=starting)
            if facts.load_state != "not-found":
                return facts
        return ServiceFacts(starting=starting)

    async def _system_state(self) -> str:
        target = Target(SYSTEMD_NAME, SYSTEMD_MANAGER.path, PROPERTIES_INTERFACE)
        words = [SYSTEMD_MANAGER.interface, "SystemState"]
        (state,) = await self._connection.call(target, "Get", "ss", words, SYSTEMD_CALL_OPTIONS)
        return str(state)

    async def _unit_facts(self, name: str, *, starting: bool) -> ServiceFacts:
        unit = await self._all(name, "Unit")
        service = await self._all(name, "Service")
        status = service.get("ExecMainStatus")
        return ServiceFacts(
            unit=name,
            load_state=_word(unit, "LoadState"),
            active_state=_word(unit, "ActiveState"),
            result=_word(service, "Result"),
            unit_file_state=_word(unit, "UnitFileState"),
            exec_main_status=status if isinstance(status, int) else None,
            starting=starting,
        )

    async def _all(self, name: str, interface: str) -> Mapping[str, Any]:
        words = [f"{SYSTEMD_NAME}.{interface}"]
        (properties,) = await self._connection.call(
            _unit(name), "GetAll", "s", words, SYSTEMD_CALL_OPTIONS
        )
        return dict(properties)


def unit_path(name: str) -> str:
    """Return the object path of a unit: all but letters and digits as _ and two hex digits."""
    escaped = "".join(
        char if char.isascii() and char.isalnum() else f"_{ord(char):02x}" for char in name
    )
    return f"/org/freedesktop/systemd1/unit/{escaped}"


def _unit(name: str) -> Target:
    return Target(SYSTEMD_NAME, unit_path(name), PROPERTIES_INTERFACE)


def _word(properties: Mapping[str, Any], name: str) -> Fact[str]:
    value = properties.get(name)
    return printable(value.encode()) if isinstance(value, str) else None


# The unit load path of systemd.unit(5), with /lib for where it is a directory of its own.
ADMINISTRATOR_UNIT_DIRECTORY = "etc/systemd/system"
UNIT_DIRECTORIES = (
    ADMINISTRATOR_UNIT_DIRECTORY,
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
DEPENDENCY_SUFFIXES = (".wants", ".requires")
DEV_NULL = "/dev/null"


def read_unit_state(files: Files, unit: str) -> Fact[str]:
    """Return whether a unit is "enabled", "disabled" or "masked"; None where there is none."""
    if not any(_exists(files, f"{directory}/{unit}") for directory in UNIT_DIRECTORIES):
        return None
    if _is_masked(files, unit):
        return "masked"
    for directory in UNIT_DIRECTORIES:
        names = files.names(directory)
        if isinstance(names, Unknown):
            return names
        for name in names or ():
            if name.endswith(DEPENDENCY_SUFFIXES) and _exists(files, f"{directory}/{name}/{unit}"):
                return "enabled"
    return (
        "disabled"
        if isinstance(files.status(ADMINISTRATOR_UNIT_DIRECTORY), os.stat_result)
        else None
    )


def _is_masked(files: Files, unit: str) -> bool:
    """Return whether the first file of that name is empty, or leads to where nothing is.

    systemd.unit(5): such a unit is masked.
    """
    name = next(
        one for directory in UNIT_DIRECTORIES if _exists(files, one := f"{directory}/{unit}")
    )
    target = files.link(name)
    if isinstance(target, str) and target.endswith(DEV_NULL):  # also ../../../dev/null
        return True
    status = files.status(name)
    return isinstance(status, os.stat_result) and _is_empty(status)


def _is_empty(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


def _exists(files: Files, name: str) -> bool:
    """Return whether there is a file or a link, wherever it leads."""
    return files.link(name) is not None or files.status(name) is not None
