# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell the service manager and the terminal what the daemon sees, what goes wrong, and its life."""

import asyncio
import logging
import os
import select
import socket
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from systemd import daemon

from kdumpd import __version__
from kdumpd.expose.journal_entries import entry_of
from kdumpd.model.events import Event, EventKind
from kdumpd.model.readiness.report import Report, checks_of, status_lines, summary
from kdumpd.model.state import State
from kdumpd.model.text import NSEC_PER_SEC, USEC_PER_SEC

log = logging.getLogger(__name__)


class Receiver(NamedTuple):
    """A datagram socket that somebody listens on."""

    inode: int  # 0 for an abstract address
    has_room: bool


def find_receiver(address: str) -> Receiver:
    """Return who listens at a path or, after an @, an abstract name; OSError when nobody does."""
    name = "\0" + address[1:] if address.startswith("@") else address
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)) as probe:
        probe.settimeout(0)
        probe.connect(name)
        # A connected datagram socket is writable while its peer's queue has room (unix(7)).
        poll = select.poll()
        poll.register(probe, select.POLLOUT)
        has_room = any(mask & select.POLLOUT for _, mask in poll.poll(0))
    return Receiver(inode=_inode(name), has_room=has_room)


def _inode(name: str) -> int:
    return 0 if name.startswith("\0") else Path(name).stat().st_ino


class SdNotify:
    """The service manager, where there is one (sd_notify(3))."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")

    def tell(self, message: str) -> bool:
        """Return whether the service manager took the message; one that hangs stalls nobody."""
        try:
            taken = bool(self._address) and find_receiver(self._address).has_room
        except OSError:
            return False
        if taken:
            daemon.notify(message)
        return taken


class SystemdNotifier:
    """Tells the service manager of the daemon."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._sd_notify = SdNotify(environment)
        self._watchdog = watchdog_seconds(environment, os.getpid())
        self._told = ""

    async def show(self, state: State) -> None:
        """Say in one line what is true; the first time also that the daemon is ready."""
        status = status_line(state)
        if status != self._told:
            ready = "" if self._told else "READY=1\n"
            if self._sd_notify.tell(f"{ready}STATUS={status}"):
                self._told = status

    async def feed_watchdog(self) -> None:
        """Feed the watchdog for as long as the event loop runs."""
        while self._watchdog is not None:
            self._sd_notify.tell("WATCHDOG=1")
            await asyncio.sleep(self._watchdog)

    def reloading(self) -> None:
        """Say that the daemon reads its configuration again, after which it is ready anew."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) * USEC_PER_SEC // NSEC_PER_SEC
        self._sd_notify.tell(f"RELOADING=1\nMONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """Say that the daemon is about to end."""
        self._sd_notify.tell("STOPPING=1")


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
    return int(limit) / USEC_PER_SEC / 2 or None


class TerminalOutput:
    """Whoever started the daemon by hand."""

    def __init__(self) -> None:
        self._greeted = False

    def tell(self, events: tuple[Event, ...]) -> None:
        """Say what happened, a line each."""
        if not log.isEnabledFor(logging.INFO):
            return  # nobody's terminal: those who wait for a signal need not wait for the words
        for event in events:
            if event.kind is EventKind.BOOT_VALIDATED:
                continue  # what is said at the start says the same
            log.info("%s", entry_of(event).message)

    async def show(self, state: State) -> None:
        """Say, the first time, that the daemon is ready and what it found."""
        if self._greeted or state.verdict is None:
            return
        self._greeted = True
        verdict = state.verdict
        told = summary(verdict.readiness, verdict.findings)
        for line in status_lines(Report(summary=told, checks=checks_of(verdict.findings))):
            log.info("%s", line)
        log.info("READY: kdumpd %s, readiness %s", __version__, status_line(state))


class RecurringProblem:
    """Something that can go wrong again and again.

    It is said when that begins and when it is over, and not each time between.
    """

    def __init__(self, log: logging.Logger, wrong: str, well: str) -> None:
        self._log = log
        self._wrong = wrong
        self._well = well
        self._lasts = False

    @property
    def lasts(self) -> bool:
        """Whether it went wrong the last time."""
        return self._lasts

    def note(self, problem: object | None) -> None:
        """Take note of what kept it from going well this time, None when nothing did."""
        if problem is not None and not self._lasts:
            self._log.warning("%s: %s", self._wrong, problem)
        elif problem is None and self._lasts:
            self._log.warning("%s", self._well)
        self._lasts = problem is not None
