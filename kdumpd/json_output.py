# SPDX-License-Identifier: GPL-2.0-or-later
"""The properties of an object as a document of JSON, under names in snake_case.

Times are microseconds since 1970 and sizes bytes, 0 for unknown. In file names, bytes that are not
UTF-8 are lone surrogates, as Python's os.fsdecode makes them.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from kdumpd.model.crashkernel.explain import Clause
from kdumpd.model.readiness.report import Check, Report
from kdumpd.model.text import human_size

# The members of what D-Bus has as structures.
ROW_MEMBERS = {
    "Findings": ("code", "severity", "message", "remedy"),
    "Checks": ("code", "outcome", "message", "remedy"),
    "CrashkernelReading": ("text", "applies"),
}
PATH_PROPERTIES = {"Directory", "CoreFile", "DmesgFile"}  # byte strings
READINESS_PROPERTIES = (
    "Readiness",
    "Summary",
    "Checks",
    "CheckedAt",
    "BootId",
    "Mechanism",
    "CrashKernelLoaded",
    "Crashkernel",
    "CrashkernelReading",
    "SystemRam",
    "SystemRamSource",
    "ExpectedBytes",
    "ReservedBytes",
    "SuggestedBytes",
    "PanicTriggers",
)


def to_json(value: object, *, pretty: bool) -> str:
    """Return plain values as JSON, indented or on one line."""
    return json.dumps(value, indent=2 if pretty else None)


def plain_record(properties: Mapping[str, Any]) -> dict[str, object]:
    """Return the properties of an object as values that JSON knows."""
    return {snake_case(name): _named(name, value) for name, value in properties.items()}


def properties_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of an object that plain_record made this of."""
    return {camel_case(name): _restored(camel_case(name), value) for name, value in record.items()}


def readiness_record(properties: Mapping[str, Any]) -> dict[str, object]:
    """Return what the properties of the manager say of readiness."""
    return plain_record({name: properties[name] for name in READINESS_PROPERTIES})


def readiness_report(properties: Mapping[str, Any]) -> Report:
    """Return what the properties of the manager say of readiness, for people."""
    ram, source = properties["SystemRam"], properties["SystemRamSource"]
    return Report(
        summary=properties["Summary"],
        checks=[
            Check(code=code, outcome=outcome, message=message, remedy=remedy)
            for code, outcome, message, remedy in properties["Checks"]
        ],
        crashkernel=properties["Crashkernel"],
        ram=f"{human_size(ram)} of RAM according to {source}" if ram else "",
        reading=[
            Clause(text=text, applies=applies) for text, applies in properties["CrashkernelReading"]
        ],
    )


def snake_case(name: str) -> str:
    """Return CrashKernelLoaded as crash_kernel_loaded."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def camel_case(name: str) -> str:
    """Return crash_kernel_loaded as CrashKernelLoaded."""
    return "".join(word.capitalize() for word in name.split("_"))


def _restored(name: str, value: Any) -> Any:  # noqa: ANN401  # any D-Bus value
    if name in ROW_MEMBERS:
        return [tuple(one[member] for member in ROW_MEMBERS[name]) for one in value]
    if name in PATH_PROPERTIES:
        return value.encode("utf-8", "surrogateescape")
    return value


def _named(name: str, value: Any) -> object:  # noqa: ANN401  # any D-Bus value
    if name in ROW_MEMBERS:
        return [dict(zip(ROW_MEMBERS[name], one, strict=True)) for one in value]
    return _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
