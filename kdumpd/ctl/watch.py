# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl watch: what happens, a line each, until Ctrl-C."""

import argparse
import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from kdumpd.ctl.client import AbsentError, Daemon, Properties, is_masked
from kdumpd.ctl.describe import headline, hidden_sentence, joined, local_time
from kdumpd.ctl.options import SYSTEM_BUS_OPTION
from kdumpd.ctl.terminal import Stop, print_lines, stopping, tell
from kdumpd.dbus.connection import Connection, connect
from kdumpd.dbus.messages import (
    CAPTURE_INTERFACE,
    CAPTURES_PATH,
    KDUMPD_BUS_NAME,
    KDUMPD_PATH,
    MANAGER_INTERFACE,
    MESSAGE_BUS,
    OBJECT_MANAGER_INTERFACE,
    PROPERTIES_INTERFACE,
    TRIGGER_BUS_NAME,
    TRIGGER_INTERFACE,
    TRIGGER_PATH,
    BusError,
    CallError,
    Interest,
    Signal,
    Target,
    bus_address,
)
from kdumpd.json_output import plain_record, to_json
from kdumpd.model.text import microseconds, shown

CAPTURE_ADDED = "capture-added"
CAPTURE_REMOVED = "capture-removed"
CAPTURE_CHANGED = "capture-changed"
MANAGER_CHANGED, READINESS_CHANGED = "manager-changed", "readiness-changed"
CRASH_REPORTED, COUNTDOWN = "crash-reported", "countdown"
CAPTURES_PREFIX = f"{CAPTURES_PATH}/"
# The properties of the manager whose change is worth a line of its own, and the words for it.
TOLD_MANAGER_PROPERTIES = (
    "Summary",
    "CrashKernelLoaded",
    "Settling",
    "Unacknowledged",
    "PreviousBoot",
)

# Those of a capture that a person wants to know of, in the order in which they are told; of a pair,
# what is said where the property is true, and where it is not.
CAPTURE_NEWS: Mapping[str, str | tuple[str, str]] = {
    "State": "it is {}",
    "Directory": "it lies in {}",
    "KernelRelease": "kernel {}",
    "Class": "the crash is of class {}",
    "Function": "in {}",
    "Reason": "the kernel said: {}",
    "IsTest": ("it is of a test", "it is of no test"),
    "HardwareError": ("the log tells of a hardware error", ""),
    "Acknowledged": ("it is acknowledged", "it is not acknowledged any more"),
    "Trusted": ("only root can change it", "others than root can change it"),
    "WorldReadable": ("everybody may read it", "it is not readable for everybody any more"),
    "Problem": "the core {}",
    "RemovalReason": "it will be removed: {}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """One thing that happened."""

    event: str  # one word
    text: str
    capture: str = ""  # the id of the one it is about
    properties: Mapping[str, Any] = field(default_factory=dict)  # as they are now, where it is said

    def record(self, at: datetime) -> dict[str, object]:
        """Return it as values that JSON knows, seen at this time."""
        return {
            "at": microseconds(at),
            "event": self.event,
            "text": self.text,
            "capture": self.capture,
            "properties": plain_record(self.properties),
        }


def watch_events(signal: Signal) -> Iterator[WatchEvent]:
    """Yield what a signal of the daemon or the trigger tells; nothing of what is of no interest."""
    match signal.member, signal.signature, signal.body:
        case "InterfacesAdded", "oa{sa{sv}}", (path, interfaces) if CAPTURE_INTERFACE in interfaces:
            capture = interfaces[CAPTURE_INTERFACE]
            text = f"Captured: {headline(capture)} ({_id(path)})"
            yield WatchEvent(event=CAPTURE_ADDED, text=text, capture=_id(path), properties=capture)
        case "InterfacesRemoved", "oas", (path, interfaces) if CAPTURE_INTERFACE in interfaces:
            text = f"Capture {_id(path)} is not listed any more"
            yield WatchEvent(event=CAPTURE_REMOVED, text=text, capture=_id(path))
        case "PropertiesChanged", "sa{sv}as", (interface, changed, _) if changed:
            yield from _changes(signal.path, interface, changed)
        case "ReadinessChanged", "ss", (before, after):
            text = f"Readiness went from {before} to {after}, and stays so"
            yield WatchEvent(event=READINESS_CHANGED, text=text)
        case "CrashReported", "oss", (path, class_, reason):
            # Of a crash without a capture the path is / (dbus/org.kdumpd1.xml).
            which = f" ({_id(path)})" if _id(path) else ", nothing was captured"
            text = f"Crash: {joined(class_, reason)}{which}"
            yield WatchEvent(event=CRASH_REPORTED, text=text, capture=_id(path))
        case "Countdown", "tu", (deadline, uid) if signal.interface == TRIGGER_INTERFACE:
            text = f"This machine is crashed as a test at {local_time(deadline)}, for uid {uid}"
            yield WatchEvent(event=COUNTDOWN, text=text)
        case _:
            return


def _changes(path: str, interface: str, changed: Properties) -> Iterator[WatchEvent]:
    if interface == CAPTURE_INTERFACE:
        what = joined(*(_news(name, changed[name]) for name in CAPTURE_NEWS if name in changed))
        text = f"Capture {_id(path)}: {what or 'more is known of it'}"
        yield WatchEvent(event=CAPTURE_CHANGED, text=text, capture=_id(path), properties=changed)
    elif interface == MANAGER_INTERFACE:
        told = [_told(name, changed[name]) for name in TOLD_MANAGER_PROPERTIES if name in changed]
        if told:
            yield WatchEvent(event=MANAGER_CHANGED, text="; ".join(told), properties=changed)


def _told(name: str, value: Any) -> str:  # noqa: ANN401  # any D-Bus value
    match name:
        case "Summary":
            return str(value).rstrip(".")
        case "CrashKernelLoaded":
            return "a crash kernel is loaded" if value else "no crash kernel is loaded any more"
        case "Settling":
            return f"captures being written: {value}"
        case "Unacknowledged":
            return f"crashes not acknowledged: {value}"
        case _:
            return f"boot before: {value}"


def _news(name: str, value: Any) -> str:  # noqa: ANN401  # any D-Bus value
    """Return in words that a property of a capture is now this, empty where it says nothing."""
    words = CAPTURE_NEWS[name]
    if name == "Problem" and value.startswith("'"):  # it names the directory that is meant
        words = "{}"
    if isinstance(words, tuple):
        return words[0] if value else words[1]
    if not value:
        return ""
    return words.format(shown(value if isinstance(value, bytes) else str(value).encode()))


def _id(path: str) -> str:
    return path.removeprefix(CAPTURES_PREFIX) if path.startswith(CAPTURES_PREFIX) else ""


# What a signal leaves out where it is hidden from some, as everybody hears it.
MAY_BE_HIDDEN: dict[str, Any] = {
    "Directory": b"",
    "CoreFile": b"",
    "DmesgFile": b"",
    "Problem": "",
    "Reason": "",
    "Command": "",
}
BUS_RETRY_S = 2.0  # until a lost bus is tried again
MAX_WAITING_SIGNALS = 50_000  # of a daemon that begins with many captures
NAME_OWNER_CHANGED = "NameOwnerChanged"
INTERESTS = (
    Interest(
        Target(KDUMPD_BUS_NAME, KDUMPD_PATH, OBJECT_MANAGER_INTERFACE),
        ("InterfacesAdded", "InterfacesRemoved"),
    ),
    Interest(
        Target(KDUMPD_BUS_NAME, KDUMPD_PATH, PROPERTIES_INTERFACE),
        ("PropertiesChanged",),
        below=True,
    ),
    Interest(
        Target(KDUMPD_BUS_NAME, KDUMPD_PATH, MANAGER_INTERFACE),
        ("ReadinessChanged", "CrashReported"),
    ),
    Interest(Target(TRIGGER_BUS_NAME, TRIGGER_PATH, TRIGGER_INTERFACE), ("Countdown",)),
    Interest(MESSAGE_BUS, (NAME_OWNER_CHANGED,), about=KDUMPD_BUS_NAME),
    Interest(MESSAGE_BUS, (NAME_OWNER_CHANGED,), about=TRIGGER_BUS_NAME),
)
WAITING_LINE = (
    "{}; waiting for it. To start it: systemctl start kdumpd."
    " Why it does not run: journalctl -u kdumpd"
)
MASKED_LINE = (
    "kdumpd does not run, as its unit is masked; waiting for it."
    " To allow its start: systemctl unmask kdumpd"
)
GONE_LINE = "kdumpd is gone; waiting for its return."


async def watch(_: None, options: argparse.Namespace) -> int:
    """Print what happens, a line each, until Ctrl-C; what was there before is not told."""
    with stopping() as stop:
        following = asyncio.create_task(_follow(options))
        waiting: list[asyncio.Future[Any]] = [following, stop.asked]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await _end(following, stop)
    return 0


async def _end(following: asyncio.Task[None], stop: Stop) -> None:
    if stop.asked.done():
        following.cancel()
        await asyncio.wait([following])
    if not following.cancelled():
        following.result()


async def _follow(options: argparse.Namespace) -> None:
    """Tell what happens, for ever; a bus that is lost is tried again, one never there is not."""
    address, known = bus_address(options.bus, os.environ), False
    while True:
        try:
            async with connect(address) as connection:
                known = True
                await _Teller(connection, options).run()
        except BusError as error:
            if not known:
                raise
            tell(f"{error}; waiting for its return.")
        await asyncio.sleep(BUS_RETRY_S)


class _Teller:
    """Tells what comes over one connection.

    It has the daemon started once, and not again: one that ends at each start would come and go.
    """

    def __init__(self, connection: Connection, options: argparse.Namespace) -> None:
        self._connection = connection
        self._json_mode = options.json
        self._on_system_bus = options.bus == SYSTEM_BUS_OPTION
        self._daemon = Daemon(connection, starts=False)
        self._waits = False  # for the daemon, and has said so
        self._owners: dict[str, str] = {}  # of the two names, by whom else no signal counts
        self._said_hidden = False

    async def run(self) -> None:
        """Tell, until BusError."""
        signals = await self._connection.listen_to(INTERESTS, MAX_WAITING_SIGNALS)
        for name in (KDUMPD_BUS_NAME, TRIGGER_BUS_NAME):
            self._owners[name] = await self._connection.owner(name)
        await self._greet(start=True)
        loss = asyncio.create_task(self._connection.lost())
        coming = asyncio.create_task(signals.get())
        try:
            while True:
                await asyncio.wait([loss, coming], return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    raise BusError(loss.result())
                await self._take(coming.result())
                coming = asyncio.create_task(signals.get())
        finally:
            loss.cancel()
            coming.cancel()
            await asyncio.wait([loss, coming])

    async def _greet(self, *, start: bool = False) -> None:
        """Say what is true now."""
        try:
            if start:
                await self._daemon.start()
            manager = await self._daemon.manager()
        except AbsentError as error:
            masked = error.is_masked or (self._on_system_bus and is_masked("kdumpd"))
            self._wait(MASKED_LINE if masked else WAITING_LINE.format(error))
        except CallError as error:
            tell(str(error))
        else:
            self._waits = False
            tell(manager["Summary"])

    def _wait(self, line: str) -> None:
        """Say once that the daemon is waited for, until it has answered."""
        if not self._waits:
            tell(line)
        self._waits = True

    async def _completed(self, signal: Signal) -> Signal:
        """Return the signal with what it leaves out, as far as this caller is told it."""
        match signal.member, signal.signature, signal.body:
            case "InterfacesAdded", "oa{sa{sv}}", (path, interfaces) if (
                MAY_BE_HIDDEN.keys() - interfaces.get(CAPTURE_INTERFACE, MAY_BE_HIDDEN).keys()
            ):
                told = await self._ask(path, CAPTURE_INTERFACE)
                capture = MAY_BE_HIDDEN | interfaces[CAPTURE_INTERFACE] | told
                return replace(signal, body=(path, {**interfaces, CAPTURE_INTERFACE: capture}))
            case "PropertiesChanged", "sa{sv}as", (interface, changed, invalidated) if {
                *invalidated
            } - {"Hidden"}:
                told = await self._ask(signal.path, interface)
                shown_too = {*invalidated} - {"Hidden", *told.get("Hidden", ())}
                more = {name: told[name] for name in told if name in shown_too}
                return replace(signal, body=(interface, changed | more, invalidated))
        return signal

    async def _ask(self, path: str, interface: str) -> dict[str, Any]:
        """Return the properties of an object, none where it is gone; say once what is hidden."""
        try:
            told = await self._daemon.properties(path, interface)
        except (AbsentError, CallError):
            return {}
        if (sentence := hidden_sentence(told)) and not self._said_hidden:
            self._said_hidden = True
            tell(sentence)
        return dict(told)

    async def _take(self, signal: Signal) -> None:
        if signal.sender == MESSAGE_BUS.name and signal.member == NAME_OWNER_CHANGED:
            name, _, owner = signal.body
            self._owners[name] = owner
            if name == KDUMPD_BUS_NAME and owner:
                await self._greet()
            elif name == KDUMPD_BUS_NAME:
                self._wait(GONE_LINE)
            return
        if signal.sender not in self._owners.values():
            return
        now = datetime.now(UTC)
        for one in watch_events(await self._completed(signal)):
            print_lines([self._line(one, now)])

    def _line(self, one: WatchEvent, now: datetime) -> str:
        if self._json_mode == "off":
            return f"{now.astimezone():%b %d %H:%M:%S} {one.text}"
        return to_json(one.record(now), pretty=self._json_mode == "pretty")
