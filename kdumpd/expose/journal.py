# SPDX-License-Identifier: GPL-2.0-or-later
"""Carry events from the ledger to the journal, in order, until journald has taken each."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from systemd import journal

from kdumpd.expose.journal_entries import JournalEntry, entry_of
from kdumpd.expose.systemd import Receiver, RecurringProblem, find_receiver
from kdumpd.model.events import Event

log = logging.getLogger(__name__)

JOURNAL_SOCKET = "/run/systemd/journal/socket"
SYSLOG_IDENTIFIER = "kdumpd"
MAX_EVENTS_AT_ONCE = 100
# From what is new until it is told: who hears the bus waits, and the journal's readers
# do not, and what comes in a storm is marked in one transaction.
GATHERING_S = 0.05
# A journald that is only slow has room again soon.
MIN_JOURNAL_RETRY_S, MAX_JOURNAL_RETRY_S = 0.02, 2.0


class JournalError(Exception):
    """journald does not take entries now; the text says why."""


class FullJournalError(JournalError):
    """journald has not yet read what was sent to it before."""


class Journal:
    """The journal of this machine, written to under a name.

    libsystemd's senders wait, holding the interpreter's lock, while the receiver hangs and its
    queue is full; where there is no receiver they lose the message silently.
    """

    def __init__(self, identifier: str = SYSLOG_IDENTIFIER) -> None:
        self._identifier = identifier

    def send(self, entry: JournalEntry) -> None:
        """Send one entry; JournalError when journald is absent, stopped or hangs."""
        before = _receiver()
        if not before.has_room:
            raise FullJournalError("journald has not read what was sent to it")
        try:
            journal.send(
                entry.message,
                MESSAGE_ID=entry.message_id,
                SYSLOG_IDENTIFIER=self._identifier,
                **entry.fields,
            )
        except OSError as error:
            raise JournalError(f"journald took nothing: {error.strerror}") from error
        # A message to a socket that went away in between was lost without a word.
        if _receiver().inode != before.inode:
            raise JournalError("journald was replaced while it was written to")


def _receiver() -> Receiver:
    try:
        return find_receiver(JOURNAL_SOCKET)
    except OSError as error:
        raise JournalError(f"no journald at '{JOURNAL_SOCKET}': {error.strerror}") from error


class Outbox(Protocol):
    """Where events wait; OSError while it cannot be used."""

    async def untold(self, most: int) -> list[Event]:
        """Return the oldest events that wait."""

    async def mark_told(self, events: Sequence[Event]) -> None:
        """Note that these were taken."""


class JournalOutbox:
    """Tells events; an event that journald did not take is told again later."""

    def __init__(self, outbox: Outbox, journal: Journal) -> None:
        self._outbox = outbox
        self._journal = journal
        self._news = asyncio.Event()
        self._told: set[str] = set()  # what was taken, and could not be marked so yet
        self._problem = RecurringProblem(
            log,
            "events wait in the ledger until they can be journaled",
            "the journal takes entries again",
        )
        self._retry = MIN_JOURNAL_RETRY_S

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
                await asyncio.sleep(MAX_JOURNAL_RETRY_S)
                continue
            if idle:
                await self._news.wait()
                await asyncio.sleep(GATHERING_S)

    async def _empty_outbox(self) -> bool:
        """Return whether nothing waits; OSError while the outbox cannot be used."""
        events = await self._outbox.untold(MAX_EVENTS_AT_ONCE)
        if not events:
            return True
        all_taken = self.tell(events)
        taken = [event for event in events if event.id in self._told]
        await self._outbox.mark_told(taken)
        self._told.difference_update(event.id for event in taken)
        self._retry = MIN_JOURNAL_RETRY_S if taken else min(2 * self._retry, MAX_JOURNAL_RETRY_S)
        if not all_taken:
            await asyncio.sleep(self._retry)
        return False

    def _mind(self, problem: JournalError | None) -> None:
        if isinstance(problem, FullJournalError) and self._retry < MAX_JOURNAL_RETRY_S:
            return  # slow, not yet silent
        self._problem.note(problem)
