# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell the journal what became of tests, also while nobody reads it."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from kdumpd.expose.journal import JournalError
from kdumpd.expose.journal_entries import JournalEntry, entry_of
from kdumpd.model.events import Event, refusal_event

log = logging.getLogger(__name__)

TRIGGER_SYSLOG_IDENTIFIER = "kdumpd-trigger"
REFUSAL_INTERVAL_S = 60.0
MAX_REFUSED_USERS = 8  # of whom refusals that anybody can cause are told, in that time


class Recipient(Protocol):
    """Who takes entries; JournalError where not."""

    def send(self, entry: JournalEntry) -> None:
        """Send one entry."""


class TriggerJournal:
    """Tells each event once; one that nobody takes is only said on stderr."""

    def __init__(self, journal: Recipient, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._clock = clock
        self._refused: dict[int, float] = {}  # when, by uid

    def tell(self, event: Event) -> None:
        """Tell an event."""
        entry = entry_of(event)
        try:
            self._journal.send(entry)
        except JournalError as error:
            log.warning("%s (not journaled: %s)", entry.message, error)

    def refuse(self, uid: int, because: str, codes: tuple[str, ...] = ()) -> None:
        """Tell that somebody who has the right was refused."""
        self.tell(refusal_event(uid, because, datetime.now(UTC), codes))

    def refuse_anybody(self, uid: int, because: str) -> None:
        """Tell a refusal that needs no right: of one user, and altogether, seldom."""
        now = self._clock()
        self._refused = {
            one: at for one, at in self._refused.items() if at > now - REFUSAL_INTERVAL_S
        }
        if uid not in self._refused and len(self._refused) < MAX_REFUSED_USERS:
            self._refused[uid] = now
            self.refuse(uid, because)
