# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd, as the trigger needs it: what it knows of the next capture, and its record of a test."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kdumpd.dbus.connection import Connection
from kdumpd.dbus.messages import (
    ALL_OBJECTS_BYTES,
    CAPTURE_INTERFACE,
    CRASH_TEST_INTERFACE,
    KDUMPD_BUS_NAME,
    KDUMPD_PATH,
    MANAGER_INTERFACE,
    OBJECT_MANAGER_INTERFACE,
    PROPERTIES_INTERFACE,
    BusError,
    CallError,
    CallOptions,
    Target,
)
from kdumpd.model.readiness.finding import Finding
from kdumpd.model.text import shown, time_if_any
from kdumpd.trigger.facts import KdumpdFacts, KdumpdFinding

KDUMPD_TIMEOUT_S = 8.0  # for all that is asked at once
PROPERTIES_CALL_OPTIONS = CallOptions(seconds=KDUMPD_TIMEOUT_S, max_answer_bytes=ALL_OBJECTS_BYTES)
# A look at a machine whose disks answer takes less than a second.
REVALIDATE_CALL_OPTIONS = CallOptions(seconds=5.0)
RECORD_CALL_OPTIONS = CallOptions(seconds=20.0)  # kdumpd writes to the disk, and waits for it


class Kdumpd:
    """kdumpd at the other end of the bus."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def look(self) -> None:
        """Have readiness judged now; BusError or CallError where that is not done in time."""
        target = Target(KDUMPD_BUS_NAME, KDUMPD_PATH, MANAGER_INTERFACE)
        await self._connection.call(target, "Revalidate", call_options=REVALIDATE_CALL_OPTIONS)

    async def read(self) -> KdumpdFacts:
        """Return what it says; where it says nothing, why."""
        try:
            async with asyncio.timeout(KDUMPD_TIMEOUT_S):
                manager = await self._all(MANAGER_INTERFACE)
                test = await self._all(CRASH_TEST_INTERFACE)
                objects = await self._ask(OBJECT_MANAGER_INTERFACE, "GetManagedObjects", "")
        except TimeoutError:
            return KdumpdFacts(problem=f"no answer within {KDUMPD_TIMEOUT_S:g} s")
        except (BusError, CallError) as error:
            return KdumpdFacts(problem=shown(str(error).encode("utf-8", "replace")))
        return facts_of(manager, test, objects)

    async def record(self, id_: str, uid: int, overridden: Sequence[Finding]) -> None:
        """Have the test recorded; BusError or CallError where it is not on disk in time."""
        rows = [[one.code, str(one.severity), one.message, one.remedy] for one in overridden]
        target = Target(KDUMPD_BUS_NAME, KDUMPD_PATH, CRASH_TEST_INTERFACE)
        await self._connection.call(
            target, "Record", "sua(ssss)", [id_, uid, rows], RECORD_CALL_OPTIONS
        )

    async def _all(self, interface: str) -> Any:  # noqa: ANN401  # whatever another program sends
        return await self._ask(PROPERTIES_INTERFACE, "GetAll", "s", interface)

    async def _ask(self, interface: str, member: str, signature: str, *body: str) -> Any:  # noqa: ANN401  # as above
        target = Target(KDUMPD_BUS_NAME, KDUMPD_PATH, interface)
        answer = await self._connection.call(
            target, member, signature, list(body), PROPERTIES_CALL_OPTIONS
        )
        return answer[0] if answer else None


def facts_of(manager: object, test: object, objects: object) -> KdumpdFacts:
    """Return the facts of the properties and objects of a kdumpd of any version.

    A property that is not there, or that has another type, is a fact that is not known.
    """
    properties, tested = _table(manager), _table(test)
    return KdumpdFacts(
        readiness=_typed(properties, "Readiness", str),
        findings=_findings(properties.get("Findings")),
        mechanism=_typed(properties, "Mechanism", str),
        loaded=_typed(properties, "CrashKernelLoaded", bool),
        settling=_typed(properties, "Settling", int),
        tested_at=_time(tested.get("TestedAt")),
        crashes=_crashes(objects, properties.get("UncapturedCrashes")),
    )


def _findings(rows: object) -> tuple[KdumpdFinding, ...] | None:
    if not isinstance(rows, list):
        return None
    told = []
    for row in rows:
        match row:
            case [str(code), str(severity), str(message), str()]:
                told.append(KdumpdFinding(code=code, severity=severity, message=message))
            case _:
                return None
    return tuple(told)


def _crashes(objects: object, uncaptured: object) -> tuple[datetime, ...] | None:
    """Return when the kernels died, by captures that only root could have written, and without.

    Tests are left out.
    """
    if not isinstance(objects, dict):
        return None
    captures = [_table(_table(one).get(CAPTURE_INTERFACE)) for one in objects.values()]
    times = [
        _time(capture.get("CrashedAt"))
        for capture in captures
        if capture.get("Trusted") is True and capture.get("IsTest") is not True
    ]
    if isinstance(uncaptured, list):
        times += [_time(one) for one in uncaptured]
    return tuple(time for time in times if time is not None)


def _time(number: object) -> datetime | None:
    """Return the time of microseconds since 1970; None for none, or for none that can be."""
    return time_if_any(number) if isinstance(number, int) and number else None


def _typed(properties: Mapping[str, Any], name: str, kind: type[Any]) -> Any:  # noqa: ANN401  # as the kind says
    value = properties.get(name)
    return value if isinstance(value, kind) else None


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
