# SPDX-License-Identifier: GPL-2.0-or-later
"""What a signal tells, in words and as a record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kdumpd.client.selection import Properties
from kdumpd.client.summary import headline, joined, local_time
from kdumpd.ctl.client import CAPTURE, MANAGER, PATH
from kdumpd.ctl.trigger import NAME as TRIGGER
from kdumpd.dbus.messages import Signal
from kdumpd.json_output import plain_record
from kdumpd.model.time import microseconds

ADDED, REMOVED, CHANGED = "capture-added", "capture-removed", "capture-changed"
MANAGED, READINESS = "manager-changed", "readiness-changed"
CRASH, COUNTDOWN = "crash-reported", "countdown"
CAPTURES = f"{PATH}/capture/"
# The properties of the manager whose change is worth a line of its own, and the words for it.
TOLD_OF_MANAGER = ("Summary", "CrashKernelLoaded", "Settling", "Unacknowledged", "PreviousBoot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
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


def happenings(signal: Signal) -> Iterator[Happening]:
    """Yield what a signal of the daemon or the trigger tells; nothing of what is of no interest."""
    match signal.member, signal.signature, signal.body:
        case "InterfacesAdded", "oa{sa{sv}}", (path, interfaces) if CAPTURE in interfaces:
            capture = interfaces[CAPTURE]
            text = f"Captured: {headline(capture)} ({_id(path)})"
            yield Happening(event=ADDED, text=text, capture=_id(path), properties=capture)
        case "InterfacesRemoved", "oas", (path, interfaces) if CAPTURE in interfaces:
            text = f"Capture {_id(path)} is not listed any more"
            yield Happening(event=REMOVED, text=text, capture=_id(path))
        case "PropertiesChanged", "sa{sv}as", (interface, changed, _) if changed:
            yield from _changes(signal.path, interface, changed)
        case "ReadinessChanged", "ss", (before, after):
            text = f"Readiness went from {before} to {after}, and stays so"
            yield Happening(event=READINESS, text=text)
        case "CrashReported", "oss", (path, class_, reason):
            text = f"Crash: {joined(class_, reason)}"
            yield Happening(event=CRASH, text=text, capture=_id(path))
        case "Countdown", "tu", (deadline, uid) if signal.interface == TRIGGER:
            text = f"This machine is crashed as a test at {local_time(deadline)}, for uid {uid}"
            yield Happening(event=COUNTDOWN, text=text)
        case _:
            return


def _changes(path: str, interface: str, changed: Properties) -> Iterator[Happening]:
    if interface == CAPTURE:
        what = ", ".join(_words(name, value) for name, value in changed.items())
        text = f"Capture {_id(path)}: {what}"
        yield Happening(event=CHANGED, text=text, capture=_id(path), properties=changed)
    elif interface == MANAGER:
        told = [_told(name, changed[name]) for name in TOLD_OF_MANAGER if name in changed]
        if told:
            yield Happening(event=MANAGED, text="; ".join(told), properties=changed)


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


def _words(name: str, value: Any) -> str:  # noqa: ANN401  # any D-Bus value
    record = plain_record({name: value})
    (word, plain), *_ = record.items()
    return f"{word.replace('_', ' ')} is now {_shown(plain)}"


def _shown(value: object) -> str:
    text = {True: "yes", False: "no", "": "empty"}.get(value) if _is_word(value) else None
    plain = str(value) if text is None else text
    return plain if plain.isprintable() else ascii(plain)


def _is_word(value: object) -> bool:
    return isinstance(value, bool) or value == ""


def _id(path: str) -> str:
    return path.removeprefix(CAPTURES) if path.startswith(CAPTURES) else ""
