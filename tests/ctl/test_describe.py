# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person reads of the daemon's answers."""

from datetime import UTC, datetime

import pytest

from kdumpd.ctl.client import Properties
from kdumpd.ctl.describe import overview_lines
from kdumpd.model.text import MIB

MANAGER: Properties = {
    "PreviousBoot": "clean",
    "PreviousBootReason": "The boot before ended in order.",
    "Readiness": "ready",
    "Summary": "ready: The next kernel panic would leave a dump.",
    "Findings": [],
    "Checks": [],
    "Mechanism": "kdump",
    "Crashkernel": "256M",
    "CrashkernelReading": [],
    "SystemRam": 0,
    "SystemRamSource": "",
    "ExpectedBytes": 256 * MIB,
    "ReservedBytes": 256 * MIB,
    "SuggestedBytes": 192 * MIB,
    "CrashKernelLoaded": True,
    "Unacknowledged": 0,
    "Settling": 0,
    "CrashDirectories": [b"/var/crash"],
}
NO_TEST: Properties = {"Verdict": "none"}


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, "Reservation: 256 MiB reserved, crashkernel=256M"),
        (
            {"ReservedBytes": 128 * MIB},
            ("Reservation: 128 MiB reserved, 256 MiB expected, 192 MiB usual, crashkernel=256M"),
        ),
        (
            {"ReservedBytes": 0, "ExpectedBytes": 0, "Crashkernel": ""},
            "Reservation: nothing reserved, 192 MiB usual, no crashkernel=",
        ),
        ({}, "Crash kernel: loaded"),
        ({"CrashKernelLoaded": False}, "Crash kernel: not loaded"),
        ({"Mechanism": "fadump"}, "Fadump: registered"),
        (
            {"PreviousBoot": "unclean", "PreviousBootReason": "It hung."},
            "Boot before: unclean  (It hung.)",
        ),
        ({"Mechanism": "fadump", "CrashKernelLoaded": False}, "Fadump: not registered"),
    ],
)
def test_the_overview(changed: Properties, line: str) -> None:
    assert line in list(overview_lines({**MANAGER, **changed}, [], NO_TEST, datetime.now(UTC)))


def test_a_boot_that_ended_in_order_is_no_news() -> None:
    lines = overview_lines(MANAGER, [], NO_TEST, datetime.now(UTC))
    assert not any("oot before" in line for line in lines)
