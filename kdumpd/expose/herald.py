# SPDX-License-Identifier: GPL-2.0-or-later
"""Carry events from the ledger's outbox to the journal, in order, until each was taken."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from kdumpd.expose.journal import FullJournalError, Journal, JournalError
from kdumpd.expose.journal_entries import entry_of
from kdumpd.expose.trouble import Trouble
from kdumpd.model.events import Event

log = logging.getLogger(__name__)

BATCH = 100
# Seconds from what is new until it is told: who hears the bus waits, and the journal's readers
# do not, and what comes in a storm is marked in one transaction.
GATHERING = 0.05
FIRST_RETRY, LAST_RETRY = 0.02, 2.0  # seconds; journald that is only slow has room again soon


class Outbox(Protocol):
    """Where events wait; OSError while it cannot be used."""

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
        self._told: set[str] = set()  # what was taken, and could not be marked so yet
        self._trouble = Trouble(
            log,
            "events wait in the ledger until they can be journaled",
            "the journal takes entries again",
        )
        self._retry = FIRST_RETRY

    def wake(self) -> None:
        """Say that there may be something to tell."""
        self._news.set()

    def tell(self, events: Sequence[Event]) -> bool:
        """Return whether journald took all the events, or had taken them before."""
        problem: JournalError | None = None
        for event in events:
            if event.id in self._told:
                continue
            try:
                self._journal.send(entry_of(event))
            except JournalError as error:
                problem = error
                break
            self._told.add(event.id)
        self._mind(problem)
        return problem is None

    async def run(self) -> None:
        """Tell whatever comes, for ever."""
        while True:
            self._news.clear()
            try:
                idle = await self._empty_outbox()
            except OSError:  # whoever records events has said what is wrong with the ledger
                await asyncio.sleep(LAST_RETRY)
                continue
            if idle:
                await self._news.wait()
                await asyncio.sleep(GATHERING)

    async def _empty_outbox(self) -> bool:
        """Return whether nothing waits; OSError while the outbox cannot be used."""
        events = await self._outbox.untold(BATCH)
        if not events:
            return True
        all_taken = self.tell(events)
        taken = [event for event in events if event.id in self._told]
        await self._outbox.mark_told(taken)
        self._told.difference_update(event.id for event in taken)
        self._retry = FIRST_RETRY if taken else min(2 * self._retry, LAST_RETRY)
        if not all_taken:
            await asyncio.sleep(self._retry)
        return False

    def _mind(self, problem: JournalError | None) -> None:
        if isinstance(problem, FullJournalError) and self._retry < LAST_RETRY:
            return  # slow, not yet silent
        self._trouble.note(problem)
