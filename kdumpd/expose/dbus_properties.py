# SPDX-License-Identifier: GPL-2.0-or-later
"""The D-Bus objects as plain values: which properties each interface has, and who may read them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from kdumpd import __version__
from kdumpd.dbus.dispatch import PropertyValues
from kdumpd.dbus.messages import CAPTURES_PATH
from kdumpd.model.boots.record import uncaptured
from kdumpd.model.captures.capture import Capture
from kdumpd.model.crash_test import CrashTest, staleness
from kdumpd.model.events import unacknowledged
from kdumpd.model.readiness.finding import Finding, without_names
from kdumpd.model.readiness.report import checks_of, summary
from kdumpd.model.readiness.verdict import Verdict
from kdumpd.model.state import State
from kdumpd.model.text import EPOCH, microseconds
from kdumpd.model.vocabulary import BootEnd, CaptureState, CrashTestVerdict

MAX_CAPTURE_OBJECTS = 10_000  # of about 1 KiB, 3 KiB with the longest names


class Secrecy(Enum):
    """What keeps a property from who may not read the kernel log."""

    NEVER = auto()  # everybody may read it
    KERNEL_TEXT = auto()  # what the kernel said, or who started a program: dmesg_restrict
    NAMES = auto()  # of directories and files: dmesg_restrict, or that others may not list them


class Value(NamedTuple):
    """A property: its value in a state or of a capture, and what everybody else is told of it."""

    secrecy: Secrecy
    of: Callable[[Any], Any]
    instead: Callable[[Any], Any] = lambda _: None  # the value where it is hidden


def _public(of: Callable[[Any], Any]) -> Value:
    return Value(Secrecy.NEVER, of)


def _kernel_text(of: Callable[[Any], str]) -> Value:
    return Value(Secrecy.KERNEL_TEXT, of, lambda _: "")


def _names(of: Callable[[Any], Any], instead: Callable[[Any], Any]) -> Value:
    return Value(Secrecy.NAMES, of, instead)


def _nothing(_: object) -> str:
    return ""


def _no_bytes(_: object) -> bytes:
    return b""


HIDDEN = "Hidden"
HIDDEN_FROM_NOBODY = _public(lambda _: [])  # the others are told the names of what they are not


def _of(verdict: Callable[[Verdict], Any], otherwise: Any) -> Callable[[State], Any]:  # noqa: ANN401  # any D-Bus value
    return lambda state: verdict(state.verdict) if state.verdict else otherwise


def _findings(found: Iterable[Finding]) -> list[list[str]]:
    """Return the findings as (code, severity, message, remedy)."""
    return [[one.code, str(one.severity), one.message, one.remedy] for one in found]


def _checks(made: Iterable[Finding]) -> list[list[str]]:
    """Return all that was checked; what could not be told has an outcome of its own."""
    return [[one.code, one.outcome, one.message, one.remedy] for one in checks_of(made)]


def _reason_without_capture(state: State) -> str:
    """Return why the last boot ended so, where that does not tell of a capture and its place."""
    if state.previous is None or state.previous.capture:
        return ""
    reason = state.previous.reason
    of_captures = (one.reason for one in state.tests if one.capture and one.reason)
    return "" if any(one in reason for one in of_captures) else reason


def _triggers(verdict: Verdict) -> dict[str, bool]:
    triggers = verdict.machine.policy.triggers
    return {name: panics for name, panics in triggers.items() if isinstance(panics, bool)}


def _reading(verdict: Verdict) -> list[list[Any]]:
    asked = verdict.kernel.crashkernel and not verdict.machine.system.container
    clauses = verdict.reservation.reading if asked else ()
    return [[clause.text, clause.applies] for clause in clauses]


MANAGER_PROPERTIES: Mapping[str, Value] = {
    "Version": _public(lambda _: __version__),
    "BootId": _public(_of(lambda verdict: verdict.kernel.boot_id, "")),
    "Readiness": _public(_of(lambda verdict: str(verdict.readiness), "")),
    "Summary": _public(_of(lambda verdict: summary(verdict.readiness, verdict.findings), "")),
    "Findings": _names(
        _of(lambda verdict: _findings(verdict.findings), []),
        _of(lambda verdict: _findings(map(without_names, verdict.findings)), []),
    ),
    "Checks": _names(
        _of(lambda verdict: _checks(verdict.checks), []),
        _of(lambda verdict: _checks(map(without_names, verdict.checks)), []),
    ),
    "CheckedAt": _public(_of(lambda verdict: microseconds(verdict.at), 0)),
    "Mechanism": _public(_of(lambda verdict: str(verdict.reservation.mechanism), "")),
    "Crashkernel": _public(_of(lambda verdict: verdict.kernel.crashkernel, "")),
    "CrashkernelReading": _public(_of(_reading, [])),
    "SystemRam": _public(_of(lambda verdict: verdict.reservation.ram_bytes, 0)),
    "SystemRamSource": _public(_of(lambda verdict: verdict.reservation.ram_source, "")),
    "ExpectedBytes": _public(_of(lambda verdict: verdict.reservation.expected or 0, 0)),
    "ReservedBytes": _public(_of(lambda verdict: verdict.reservation.reserved or 0, 0)),
    "SuggestedBytes": _public(_of(lambda verdict: verdict.reservation.suggested, 0)),
    "CrashKernelLoaded": _public(
        lambda state: bool(state.verdict and state.verdict.reservation.armed)
    ),
    "PanicTriggers": _public(_of(_triggers, {})),
    "PreviousBoot": _public(
        lambda state: str(state.previous.end if state.previous else BootEnd.UNKNOWN)
    ),
    "PreviousBootReason": _names(
        lambda state: state.previous.reason if state.previous else "", _reason_without_capture
    ),
    "UncapturedCrashes": _public(
        lambda state: [microseconds(one) for one in uncaptured(state.history)]
    ),
    "Unacknowledged": _public(lambda state: len(unacknowledged(state))),
    "Settling": _public(lambda state: len(state.settling)),
    "CrashDirectories": _public(lambda state: list(state.directories)),
    HIDDEN: HIDDEN_FROM_NOBODY,
}

NO_TEST = CrashTest(id="", at=EPOCH, verdict=CrashTestVerdict.NONE)


def _last_test(value: Callable[[CrashTest], Any]) -> Callable[[State], Any]:
    return lambda state: value(state.tests[0] if state.tests else NO_TEST)


def _staleness(state: State) -> str:
    return staleness(state.tests[0], state.verdict.machine) if state.tests and state.verdict else ""


CRASH_TEST_PROPERTIES: Mapping[str, Value] = {
    "Verdict": _public(_last_test(lambda test: str(test.verdict))),
    "Reason": _names(
        _last_test(lambda test: test.reason),
        _last_test(lambda test: "" if test.capture else test.reason),
    ),
    "TestedAt": _public(_last_test(lambda test: microseconds(test.at))),
    "TestedKernel": _public(_last_test(lambda test: test.kernel)),
    "Seconds": _public(_last_test(lambda test: test.seconds or 0)),
    "Size": _public(_last_test(lambda test: test.size)),
    "Capture": _public(
        _last_test(lambda test: capture_path(test.capture) if test.capture else "/")
    ),
    "Stale": _public(lambda state: bool(_staleness(state))),
    "StaleReason": _public(_staleness),
    HIDDEN: HIDDEN_FROM_NOBODY,
}

CAPTURE_PROPERTIES: Mapping[str, Value] = {
    "Id": _public(lambda capture: capture.id),
    "Directory": _names(lambda capture: capture.directory, _no_bytes),
    "CoreFile": _names(lambda capture: capture.core_file, _no_bytes),
    "DmesgFile": _names(lambda capture: capture.dmesg_file, _no_bytes),
    "Layout": _public(lambda capture: str(capture.layout)),
    "Format": _public(lambda capture: str(capture.format)),
    "Compression": _public(lambda capture: capture.compression),
    "Size": _public(lambda capture: capture.size),
    "State": _public(lambda capture: str(capture.state)),
    "Trusted": _public(lambda capture: capture.trusted),
    "Owner": _public(lambda capture: capture.owner),
    "Problem": _names(lambda capture: capture.problem, _nothing),
    "CrashedAt": _public(lambda capture: microseconds(capture.crashed_at)),
    "FoundAt": _public(lambda capture: microseconds(capture.found_at)),
    "Host": _public(lambda capture: capture.host),
    "KernelRelease": _public(lambda capture: capture.kernel_release),
    "Architecture": _public(lambda capture: capture.architecture),
    "BuildId": _public(lambda capture: capture.build_id),
    "DumpLevel": _public(lambda capture: -1 if capture.dump_level is None else capture.dump_level),
    "Class": _public(lambda capture: str(capture.crash.class_)),
    "Reason": _kernel_text(lambda capture: capture.crash.reason),
    "Function": _public(lambda capture: capture.crash.function),
    "Module": _public(lambda capture: capture.crash.module),
    "Command": _kernel_text(lambda capture: capture.crash.command),
    "Tainted": _public(lambda capture: capture.crash.tainted),
    "HardwareError": _public(lambda capture: capture.crash.hardware_error),
    "CaptureArmed": _public(lambda capture: capture.was_armed),
    "Signature": _public(lambda capture: capture.crash.signature),
    "Occurrence": _public(lambda capture: capture.occurrence),
    "IsTest": _public(lambda capture: capture.is_test),
    "RemovalExpected": _public(lambda capture: microseconds(capture.removal_at)),
    "RemovalReason": _public(lambda capture: capture.removal),
    "WorldReadable": _public(lambda capture: capture.world_readable),
    "Acknowledged": _public(lambda capture: capture.acknowledged),
    HIDDEN: HIDDEN_FROM_NOBODY,
}


def manager_properties(state: State) -> PropertyValues:
    """Return the properties of org.kdumpd1.Manager."""
    return _values(MANAGER_PROPERTIES, state, _secrets(state))


def crash_test_properties(state: State) -> PropertyValues:
    """Return the properties of org.kdumpd1.CrashTest."""
    return _values(CRASH_TEST_PROPERTIES, state, _secrets(state))


def capture_properties(capture: Capture, state: State) -> PropertyValues:
    """Return the properties of org.kdumpd1.Capture."""
    if state.log_restricted:
        return _values(CAPTURE_PROPERTIES, capture, ALL_SECRETS)
    return _values(CAPTURE_PROPERTIES, capture, frozenset() if capture.listable else NAMES_ALONE)


NAMES_ALONE = frozenset({Secrecy.NAMES})
ALL_SECRETS = frozenset({Secrecy.NAMES, Secrecy.KERNEL_TEXT})


def _secrets(state: State) -> frozenset[Secrecy]:
    """Return what is kept secret of what is not about one capture alone."""
    if state.log_restricted:
        return ALL_SECRETS
    directories = state.verdict.machine.directories if state.verdict else ()
    told_of = {one.capture for one in (state.previous, *state.tests) if one is not None}
    captures = [state.captures.get(id_) for id_ in told_of if id_]
    listable = all(one.listable for one in directories if one.present)
    if listable and all(one is not None and one.listable for one in captures):
        return frozenset()
    return NAMES_ALONE


def _values(
    table: Mapping[str, Value], source: State | Capture, secrets: frozenset[Secrecy]
) -> PropertyValues:
    known = {name: value.of(source) for name, value in table.items()}
    instead = {
        name: value.instead(source)
        for name, value in table.items()
        if value.secrecy in secrets and value.instead(source) != known[name]
    }
    if instead:
        instead[HIDDEN] = sorted(instead)
    return PropertyValues(known, instead)


def exported_captures(state: State) -> Mapping[str, Capture]:
    """Return the captures to show on the bus: all, or the most important of very many.

    GetManagedObjects answers in one message, and a bus ends a peer that sends more than 32 MiB.
    """
    if len(state.captures) <= MAX_CAPTURE_OBJECTS:
        return state.captures
    best = sorted(state.captures.values(), key=_importance)[-MAX_CAPTURE_OBJECTS:]
    return {capture.id: capture for capture in best}


def _importance(capture: Capture) -> tuple[bool, bool, datetime]:
    there = capture.state is not CaptureState.GONE
    return capture.trusted, there, capture.happened_at


def capture_path(id_: str) -> str:
    """Return the object path of the capture with this id."""
    return f"{CAPTURES_PATH}/{id_}"
