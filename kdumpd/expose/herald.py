# SPDX-License-Identifier: GPL-2.0-or-later
"""Carry events from the ledger's outbox to the journal, in order, until each was taken."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from kdumpd.expose.journal import Journal, JournalError
from kdumpd.expose.message import entry_of
from kdumpd.model.event import Event

log = logging.getLogger(__name__)

BATCH = 100
RETRY_SECONDS = 2.0


class Outbox(Protocol):
    """Where events wait."""

    async def untold(self, most: int) -> list[Event]:
        """Return the oldest events that wait."""

    async def mark_told(self, events: Sequence[Event]) -> None:
        """Note that these were taken."""


class Herald:
    """Tells events; an event that journald did not take is told again later."""

    def __init__(self, outbox: Outbox, journal: Journal) -> None:
        self._outbox = outbox
        self._journal = journal
        self._news = asyncio.Event()
        self._silent = False

    def wake(self) -> None:
        """Say that there may be something to tell."""
        self._news.set()

    async def run(self) -> None:
        """Tell whatever comes, for ever."""
        while True:
            self._news.clear()
            events = await self._outbox.untold(BATCH)
            if not events:
                await self._news.wait()
            elif not await self._tell(events):
                await asyncio.sleep(RETRY_SECONDS)

    async def _tell(self, events: list[Event]) -> bool:
        told = []
        problem: JournalError | None = None
        for event in events:
            try:
                self._journal.send(entry_of(event))
            except JournalError as error:
                problem = error
                break
            told.append(event)
        await self._outbox.mark_told(told)
        self._mind(problem)
        return problem is None

    def _mind(self, problem: JournalError | None) -> None:
        if problem is not None and not self._silent:
            log.warning("events wait in the ledger until they can be journaled: %s", problem)
        elif problem is None and self._silent:
            log.warning("the journal takes entries again")
        self._silent = problem is not None
