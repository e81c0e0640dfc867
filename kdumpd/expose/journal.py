# SPDX-License-Identifier: GPL-2.0-or-later
"""Hand events to journald, each until it took it."""

from systemd import journal

from kdumpd.expose.datagram import Receiver, find_receiver
from kdumpd.expose.journal_entries import Entry

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "kdumpd"


class JournalError(Exception):
    """journald does not take entries now; the text says why."""


class FullJournalError(JournalError):
    """journald has not yet read what was sent to it before."""


class Journal:
    """The journal of this machine, written to under a name."""

    def __init__(self, identifier: str = IDENTIFIER) -> None:
        self._identifier = identifier

    def send(self, entry: Entry) -> None:
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
        return find_receiver(SOCKET)
    except OSError as error:
        raise JournalError(f"no journald at '{SOCKET}': {error.strerror}") from error
