# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person reads of the daemon's answers."""

from datetime import UTC, datetime

import pytest

from kdumpd.ctl.client import Properties
from kdumpd.ctl.describe import overview_lines
from kdumpd.ctl.overview import screen_lines
from kdumpd.ctl.terminal import Screen
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
UNREAD: Properties = {
    "Id": "0123456789abcdef",
    "CrashedAt": 0,
    "KernelRelease": "6.1.0",
    "Class": "unknown",
    "Function": "",
    "Module": "",
    "State": "complete",
    "Trusted": True,
    "Directory": b"/var/crash/202611230113",
    "DmesgFile": b"",
}


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


@pytest.mark.parametrize("end", ["unknown", "unclean", "crash-not-captured"])
def test_a_reason_that_is_not_known_leaves_no_brackets(end: str) -> None:
    manager = {**MANAGER, "PreviousBoot": end, "PreviousBootReason": ""}
    lines = list(overview_lines(manager, [], NO_TEST, datetime.now(UTC)))
    assert f"Boot before: {end}" in lines
    assert not any("()" in line or line != line.rstrip() for line in lines)


def test_a_finding_without_a_remedy_leaves_no_empty_one() -> None:
    finding = ("some-code", "warning", "something is odd", "")
    manager = {**MANAGER, "Findings": [finding], "Checks": [finding]}
    lines = list(overview_lines(manager, [], NO_TEST, datetime.now(UTC)))
    assert "  warning: something is odd [some-code]" in lines
    assert not any("what to do" in line for line in lines)


def test_a_class_that_is_unknown_for_want_of_a_log_is_said_in_the_overview() -> None:
    others = [
        {**UNREAD, **changed}
        for changed in (
            {"Class": "sysrq"},
            {"State": "gone"},
            {"Trusted": False},
            {"DmesgFile": b"/var/crash/dmesg"},
            {"Hidden": ["DmesgFile"]},
        )
    ]
    now, screen = datetime.now(UTC), Screen(width=80)
    for captures, said in (([UNREAD, *others], True), (others, False)):
        plain = list(overview_lines(MANAGER, captures, NO_TEST, now))
        assert any("1 core gave no kernel log" in line for line in plain) == said
        shown = " ".join(screen_lines(MANAGER, captures, NO_TEST, now, screen))
        assert ("Class unknown  1 core gave no kernel log" in shown) == said
