# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon answers, as the program gets it."""

from typing import Any

from kdumpd.ctl.client import Properties

HOSTILE = "<b>died</b> &amp; <a href='x'> \u202eof x\u2066\u200f" + "A" * 10_000
HOSTILE_LOG = f"[    3.775396] Kernel panic - not syncing: {HOSTILE}\n".encode()
BOOT = "0f8e1a3c-5b7d-4e2f-9a6c-d4b8f0e2c1a5"


def capture(number: int = 1, **other: Any) -> Properties:  # noqa: ANN401  # any D-Bus value
    """Return the properties of a capture, which of them differ from a usual one's."""
    return {
        "Id": f"{number:016x}",
        "Directory": b"/var/crash/202611230113",
        "CoreFile": b"/var/crash/202611230113/dump.202611230113",
        "DmesgFile": b"",
        "Size": 17 << 20,
        "State": "complete",
        "Trusted": True,
        "Problem": "",
        "CrashedAt": 1_795_396_414_000_000,
        "Host": "crashed.example",
        "KernelRelease": "6.1.0-56-amd64",
        "Class": "null-dereference",
        "Reason": "BUG: kernel NULL pointer dereference",
        "Function": "crasher_null",
        "Module": "crasher",
        "Command": "insmod",
        "Occurrence": 1,
        "IsTest": False,
        "Acknowledged": False,
        **other,
    }


def manager(**other: Any) -> Properties:  # noqa: ANN401  # any D-Bus value
    """Return the properties of the manager, of a daemon that knows no previous boot."""
    return {
        "BootId": BOOT,
        "Readiness": "ready",
        "Summary": "ready: The next kernel panic would leave a dump.",
        "Findings": [],
        **other,
    }
