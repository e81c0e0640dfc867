# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpdctl status says of crash tests."""

import json
import sqlite3
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kdumpd.ctl.client import Properties
from kdumpd.ctl.describe import ago, crash_test_line
from kdumpd.ledger.database import seal
from kdumpd.model.text import MIB, microseconds
from tests.ctl.test_main import kdumpdctl
from tests.support.daemon import Setup, running
from tests.support.dbus_next import dbus_next_client
from tests.support.machine import RELEASE, Machine
from tests.support.message_bus import Broker, private_bus

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ID = "48f307b4a21282b8"
PASSED: Properties = {
    "Verdict": "passed",
    "Reason": "",
    "TestedAt": microseconds(NOW - timedelta(days=3)),
    "TestedKernel": RELEASE,
    "Seconds": 49,
    "Size": 38 * MIB,
    "Capture": f"/org/kdumpd1/capture/{ID}",
    "Stale": False,
    "StaleReason": "",
}
FAILED = {
    **PASSED,
    "Verdict": "failed",
    "Reason": "The machine came back without a capture.",
    "Size": 0,
    "Seconds": 0,
    "Capture": "/",
}
READY: Properties = {"Readiness": "ready", "Findings": []}
STALE = {"Stale": True, "StaleReason": "The kernel is 6.1.0-57-amd64 now."}


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(microseconds=-1), "in the future, by this machine's clock,"),
        (timedelta(), "0 seconds ago"),
        (timedelta(seconds=1.9), "1 second ago"),
        (timedelta(seconds=119), "119 seconds ago"),
        (timedelta(minutes=2), "2 minutes ago"),
        (timedelta(hours=2) - timedelta.resolution, "119 minutes ago"),
        (timedelta(hours=2), "2 hours ago"),
        (timedelta(days=1), "24 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=13), "13 days ago"),
        (timedelta(days=14), "2 weeks ago"),
        (timedelta(days=730), "104 weeks ago"),
    ],
)
def test_how_long_ago(passed: timedelta, words: str) -> None:
    assert ago(NOW - passed, NOW) == words


@pytest.mark.parametrize(
    ("test", "line"),
    [
        (
            PASSED,
            f"Last test: passed 3 days ago on 6.1.0-56-amd64, 38 MiB in 49 s (capture {ID})",
        ),
        (
            {**PASSED, **STALE},
            f"38 MiB in 49 s (capture {ID}), but: The kernel is 6.1.0-57-amd64 now.",
        ),
        (
            {**PASSED, "TestedKernel": "", "Seconds": 0, "Capture": "/"},
            "Last test: passed 3 days ago, 38 MiB",
        ),
        ({**PASSED, "TestedAt": 0, "Size": 0, "Capture": "/"}, f"at an unknown time on {RELEASE}"),
        (
            FAILED,
            "failed 3 days ago on 6.1.0-56-amd64: The machine came back without a capture",
        ),
        ({**FAILED, **STALE}, "without a capture, but: The kernel is 6.1.0-57-amd64 now."),
        ({**FAILED, "Reason": ""}, "on 6.1.0-56-amd64: nothing says why"),
        (
            {**FAILED, "Verdict": "pending", "Reason": ""},
            "Last test: 3 days ago on 6.1.0-56-amd64, what came of it is not known yet",
        ),
    ],
)
def test_the_line(test: Properties, line: str) -> None:
    said = crash_test_line(READY, test, NOW)
    assert said.startswith("Last ")
    assert said.endswith(line)


@pytest.mark.parametrize(
    ("readiness", "code", "words"),
    [
        ("unsupported", "container", "not possible here, as the kernel is that of the container's"),
        ("unsupported", "kexec-unsupported", "as the kernel cannot capture its own crash"),
        ("degraded", "live-system", "as a live system forgets the dump at the reboot"),
        ("not-ready", "crash-kernel-running", "as the crash kernel runs"),
    ],
)
def test_where_no_test_can_be(readiness: str, code: str, words: str) -> None:
    manager = {"Readiness": readiness, "Findings": [[code, "fatal", "it is so", "do that"]]}
    said = crash_test_line(manager, {"Verdict": "none"}, NOW)
    assert said.startswith("Crash test: ")
    assert words in said
    assert crash_test_line(manager, PASSED, NOW) == crash_test_line(READY, PASSED, NOW)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "bus").mkdir()
    async with private_bus(tmp_path / "bus", Broker.DBUS_DAEMON) as bus:
        yield bus.address


async def record(bus: str) -> None:
    """Have a test recorded, as kdumpd-trigger does before it crashes the kernel."""
    async with dbus_next_client(bus) as trigger:
        await trigger.own("org.kdumpd1.Trigger")
        objections = [["mounted-by-network", "warning", "words", "more words"]]
        answer = await trigger.call(
            "org.kdumpd1.CrashTest", "Record", "sua(ssss)", ["a-test", 1000, objections]
        )
        assert answer.error_name is None, answer.body


@pytest.mark.bus
async def test_status_tells_of_no_test_and_of_one_just_asked_for(
    machine: Machine, tmp_path: Path, bus: str
) -> None:
    async with running(Setup(root=machine.root, state=tmp_path / "state", bus=bus)):
        before = time.time()
        status = await kdumpdctl("--bus", bus)
        assert "\nNever tested: kdumpdctl test crashes this machine to see " in status.out
        await record(bus)
        status = await kdumpdctl("--bus", bus)
        (line,) = (line for line in status.out.splitlines() if line.startswith("Last test: "))
        assert line.endswith(f"ago on {RELEASE}, what came of it is not known yet")
        test = json.loads((await kdumpdctl("--json", "--bus", bus)).out)["crash_test"]
        assert before <= test.pop("tested_at") / 1e6 <= time.time()
        assert test == {
            "verdict": "pending",
            "reason": "",
            "tested_kernel": RELEASE,
            "seconds": 0,
            "size": 0,
            "capture": "/",
            "stale": False,
            "stale_reason": "",
            "hidden": [],
        }


@pytest.mark.bus
async def test_status_tells_what_the_ledger_remembers(
    machine: Machine, tmp_path: Path, bus: str
) -> None:
    setup = Setup(root=machine.root, state=tmp_path / "state", bus=bus)
    async with running(setup):
        await record(bus)
    # What came of it, as if the machine had been crashed meanwhile.
    with sqlite3.connect(setup.ledger) as ledger:
        seal(ledger, anew=False)
        came = "'$.verdict', 'passed', '$.seconds', 49, '$.size', 39845888, '$.capture', ?"
        ledger.execute(f"UPDATE test SET facts = json_set(facts, {came})", [ID])  # noqa: S608  # ours
    ledger.close()
    machine.write("proc/sys/kernel/osrelease", "6.1.0-57-amd64\n")
    async with running(setup):
        status = await kdumpdctl("--bus", bus)
        (line,) = (
            line for line in status.out.splitlines() if line.startswith("Last test: passed ")
        )
        assert line.endswith(
            f" ago on {RELEASE}, 38 MiB in 49 s (capture {ID})"
            f", but: The kernel is now 6.1.0-57-amd64; the test was on {RELEASE}."
        )
