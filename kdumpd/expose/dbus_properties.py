# SPDX-License-Identifier: GPL-2.0-or-later
"""The D-Bus objects as plain values: which properties each interface has in a given state."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from kdumpd import __version__
from kdumpd.dbus.dispatch import Properties
from kdumpd.dbus.messages import CAPTURES_PATH
from kdumpd.model.boots.record import uncaptured
from kdumpd.model.captures.capture import Capture
from kdumpd.model.crash_test import CrashTest, staleness
from kdumpd.model.events import unacknowledged
from kdumpd.model.readiness.finding import Finding
from kdumpd.model.readiness.report import checks_of, summary
from kdumpd.model.readiness.verdict import Verdict
from kdumpd.model.state import State
from kdumpd.model.text import EPOCH, microseconds
from kdumpd.model.vocabulary import BootEnd, CaptureState, CrashTestVerdict

MAX_CAPTURE_OBJECTS = 10_000  # of about 1 KiB, 3 KiB with the longest names


def _of(verdict: Callable[[Verdict], Any], otherwise: Any) -> Callable[[State], Any]:  # noqa: ANN401  # any D-Bus value
    return lambda state: verdict(state.verdict) if state.verdict else otherwise


def _findings(found: Iterable[Finding]) -> list[list[str]]:
    """Return the findings as (code, severity, message, remedy)."""
    return [[one.code, str(one.severity), one.message, one.remedy] for one in found]


def _checks(verdict: Verdict) -> list[list[str]]:
    """Return all that was checked; what could not be told has an outcome of its own."""
    return [[one.code, one.outcome, one.message, one.remedy] for one in checks_of(verdict.checks)]


def _triggers(verdict: Verdict) -> dict[str, bool]:
    triggers = verdict.machine.policy.triggers
    return {name: panics for name, panics in triggers.items() if isinstance(panics, bool)}


def _reading(verdict: Verdict) -> list[list[Any]]:
    asked = verdict.kernel.crashkernel and not verdict.machine.system.container
    clauses = verdict.reservation.reading if asked else ()
    return [[clause.text, clause.applies] for clause in clauses]


MANAGER_PROPERTIES: Mapping[str, Callable[[State], Any]] = {
    "Version": lambda _: __version__,
    "BootId": _of(lambda verdict: verdict.kernel.boot_id, ""),
    "Readiness": _of(lambda verdict: str(verdict.readiness), ""),
    "Summary": _of(lambda verdict: summary(verdict.readiness, verdict.findings), ""),
    "Findings": _of(lambda verdict: _findings(verdict.findings), []),
    "Checks": _of(_checks, []),
    "CheckedAt": _of(lambda verdict: microseconds(verdict.at), 0),
    "Mechanism": _of(lambda verdict: str(verdict.reservation.mechanism), ""),
    "Crashkernel": _of(lambda verdict: verdict.kernel.crashkernel, ""),
    "CrashkernelReading": _of(_reading, []),
    "SystemRam": _of(lambda verdict: verdict.reservation.ram_bytes, 0),
    "SystemRamSource": _of(lambda verdict: verdict.reservation.ram_source, ""),
    "ExpectedBytes": _of(lambda verdict: verdict.reservation.expected or 0, 0),
    "ReservedBytes": _of(lambda verdict: verdict.reservation.reserved or 0, 0),
    "SuggestedBytes": _of(lambda verdict: verdict.reservation.suggested, 0),
    "CrashKernelLoaded": lambda state: bool(state.verdict and state.verdict.reservation.armed),
    "PanicTriggers": _of(_triggers, {}),
    "PreviousBoot": lambda state: str(state.previous.end if state.previous else BootEnd.UNKNOWN),
    "PreviousBootReason": lambda state: state.previous.reason if state.previous else "",
    "UncapturedCrashes": lambda state: [microseconds(one) for one in uncaptured(state.history)],
    "Unacknowledged": lambda state: len(unacknowledged(state)),
    "Settling": lambda state: len(state.settling),
    "CrashDirectories": lambda state: list(state.directories),
}

NO_TEST = CrashTest(id="", at=EPOCH, verdict=CrashTestVerdict.NONE)


def _last_test(value: Callable[[CrashTest], Any]) -> Callable[[State], Any]:
    return lambda state: value(state.tests[0] if state.tests else NO_TEST)


def _staleness(state: State) -> str:
    return staleness(state.tests[0], state.verdict.machine) if state.tests and state.verdict else ""


CRASH_TEST_PROPERTIES: Mapping[str, Callable[[State], Any]] = {
    "Verdict": _last_test(lambda test: str(test.verdict)),
    "Reason": _last_test(lambda test: test.reason),
    "TestedAt": _last_test(lambda test: microseconds(test.at)),
    "TestedKernel": _last_test(lambda test: test.kernel),
    "Seconds": _last_test(lambda test: test.seconds or 0),
    "Size": _last_test(lambda test: test.size),
    "Capture": _last_test(lambda test: capture_path(test.capture) if test.capture else "/"),
    "Stale": lambda state: bool(_staleness(state)),
    "StaleReason": _staleness,
}

CAPTURE_PROPERTIES: Mapping[str, Callable[[Capture], Any]] = {
    "Id": lambda capture: capture.id,
    "Directory": lambda capture: capture.directory,
    "CoreFile": lambda capture: capture.core_file,
    "DmesgFile": lambda capture: capture.dmesg_file,
    "Layout": lambda capture: str(capture.layout),
    "Format": lambda capture: str(capture.format),
    "Compression": lambda capture: capture.compression,
    "Size": lambda capture: capture.size,
    "State": lambda capture: str(capture.state),
    "Trusted": lambda capture: capture.trusted,
    "Problem": lambda capture: capture.problem,
    "CrashedAt": lambda capture: microseconds(capture.crashed_at),
    "FoundAt": lambda capture: microseconds(capture.found_at),
    "Host": lambda capture: capture.host,
    "KernelRelease": lambda capture: capture.kernel_release,
    "Architecture": lambda capture: capture.architecture,
    "BuildId": lambda capture: capture.build_id,
    "DumpLevel": lambda capture: -1 if capture.dump_level is None else capture.dump_level,
    "Class": lambda capture: str(capture.crash.class_),
    "Reason": lambda capture: capture.crash.reason,
    "Function": lambda capture: capture.crash.function,
    "Module": lambda capture: capture.crash.module,
    "Command": lambda capture: capture.crash.command,
    "Tainted": lambda capture: capture.crash.tainted,
    "HardwareError": lambda capture: capture.crash.hardware_error,
    "CaptureArmed": lambda capture: capture.was_armed,
    "Signature": lambda capture: capture.crash.signature,
    "Occurrence": lambda capture: capture.occurrence,
    "IsTest": lambda capture: capture.is_test,
    "RemovalExpected": lambda capture: microseconds(capture.removal_at),
    "RemovalReason": lambda capture: capture.removal,
    "WorldReadable": lambda capture: capture.world_readable,
    "Acknowledged": lambda capture: capture.acknowledged,
}


def manager_properties(state: State) -> Properties:
    """Return the properties of org.kdumpd1.Manager."""
    return {name: value(state) for name, value in MANAGER_PROPERTIES.items()}


def crash_test_properties(state: State) -> Properties:
    """Return the properties of org.kdumpd1.CrashTest."""
    return {name: value(state) for name, value in CRASH_TEST_PROPERTIES.items()}


def capture_properties(capture: Capture) -> Properties:
    """Return the properties of org.kdumpd1.Capture."""
    return {name: value(capture) for name, value in CAPTURE_PROPERTIES.items()}


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
