# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell the service manager that the daemon is ready, what it sees, and that it lives."""

import asyncio
import os
from collections.abc import Mapping

from systemd import daemon

from kdumpd.model.state import State

MICROSECONDS = 1_000_000


class Notifier:
    """The service manager, where there is one."""

    def __init__(self) -> None:
        self._status = ""

    async def show(self, state: State) -> None:
        """Say in one line what is true; the first time also that the daemon is ready."""
        status = status_line(state)
        if status != self._status:
            ready = "" if self._status else "READY=1\n"
            self._status = status
            daemon.notify(f"{ready}STATUS={status}")

    def stopping(self) -> None:
        """Say that the daemon is about to end."""
        daemon.notify("STOPPING=1")


def status_line(state: State) -> str:
    """Return the state in one line, as systemctl status shows it."""
    readiness = state.verdict.readiness if state.verdict else "not yet judged"
    captures = len(state.captures)
    settling = f", {len(state.settling)} being written" if state.settling else ""
    return f"{readiness}; {captures} capture{'' if captures == 1 else 's'}{settling}"


def watchdog_seconds(environment: Mapping[str, str], pid: int) -> float | None:
    """Return how often to feed the watchdog, half of its limit; None when none is asked for."""
    limit = environment.get("WATCHDOG_USEC", "")
    if not limit.isdigit() or environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(limit) / MICROSECONDS / 2 or None


async def feed_watchdog(environment: Mapping[str, str]) -> None:
    """Feed the watchdog for as long as the event loop runs."""
    seconds = watchdog_seconds(environment, os.getpid())
    while seconds is not None:
        daemon.notify("WATCHDOG=1")
        await asyncio.sleep(seconds)
