# SPDX-License-Identifier: GPL-2.0-or-later
"""Say in the terminal what is seen; under systemd the events' journal entries say it instead."""

import logging

from kdumpd import __version__
from kdumpd.expose.journal_entries import entry_of
from kdumpd.expose.systemd import status_line
from kdumpd.model.events import Event, EventKind
from kdumpd.model.readiness.report import Report, checks_of, status_lines, summary
from kdumpd.model.state import State

log = logging.getLogger(__name__)


class Terminal:
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
