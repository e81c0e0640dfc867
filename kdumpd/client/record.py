# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon answers, as JSON: the properties of D-Bus under names in snake_case.

Times are microseconds since 1970 and sizes bytes, 0 for unknown. In file names, bytes that are not
UTF-8 are lone surrogates, as Python's os.fsdecode makes them.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

FINDING = ("code", "severity", "message", "remedy")


def to_json(value: object, *, pretty: bool) -> str:
    """Return plain values as JSON, indented or on one line."""
    return json.dumps(value, indent=2 if pretty else None)


def plain_record(properties: Mapping[str, Any]) -> dict[str, object]:
    """Return the properties of an object as values that JSON knows."""
    record = {snake_case(name): _plain(value) for name, value in properties.items()}
    if "Findings" in properties:
        record["findings"] = [
            dict(zip(FINDING, finding, strict=True)) for finding in properties["Findings"]
        ]
    return record


def snake_case(name: str) -> str:
    """Return CrashKernelLoaded as crash_kernel_loaded."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
