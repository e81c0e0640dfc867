# SPDX-License-Identifier: GPL-2.0-or-later
import uuid
from dataclasses import replace

import pytest

from kdumpd.expose.systemd import SystemdNotifier, status_line, watchdog_seconds
from kdumpd.model.state import State, UnchangedFiles


async def test_absent_manager_is_no_trouble() -> None:
    notifier = SystemdNotifier({"NOTIFY_SOCKET": f"@kdumpd-test-{uuid.uuid4()}"})
    await notifier.show(State())
    await notifier.show(State())
    notifier.stopping()


def test_status_line() -> None:
    assert status_line(State()) == "not yet judged; 0 captures"
    growing = replace(State(), settling={b"/c": UnchangedFiles(files=(), since=0)})
    assert status_line(growing) == "not yet judged; 0 captures, 1 being written"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_is_fed_at_half_its_time(
    environment: dict[str, str], seconds: float | None
) -> None:
    assert watchdog_seconds(environment, pid=7) == seconds
