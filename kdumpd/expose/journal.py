# SPDX-License-Identifier: GPL-2.0-or-later
"""Hand events to journald, each until it took it.

libsystemd loses a message silently where there is no socket, and blocks, holding the interpreter's
lock, where journald hangs. So a probe of our own asks first whether the socket takes a datagram,
and afterwards whether it is still the same live socket.
"""

import select
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from systemd import journal

from kdumpd.expose.message import Entry

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "kdumpd"


class JournalError(Exception):
    """journald does not take entries now; the text says why."""


class Journal:
    """The journal of this machine."""

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = path

    def send(self, entry: Entry) -> None:
        """Send one entry; JournalError when journald is absent, stopped or hangs."""
        with self._probe() as (inode, writable):
            if not writable:
                raise JournalError("journald does not read what is sent to it")
            try:
                journal.send(
                    entry.message,
                    MESSAGE_ID=entry.message_id,
                    SYSLOG_IDENTIFIER=IDENTIFIER,
                    **entry.fields,
                )
            except OSError as error:
                raise JournalError(f"journald took nothing: {error.strerror}") from error
        with self._probe() as (inode_now, _):
            if inode_now != inode:
                raise JournalError("journald was replaced while it was written to")

    @contextmanager
    def _probe(self) -> Iterator[tuple[int, bool]]:
        with closing(
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        ) as probe:
            probe.settimeout(0)
            try:
                probe.connect(str(self._path))
                inode = self._path.stat().st_ino
            except OSError as error:
                raise JournalError(f"no journald at '{self._path}': {error.strerror}") from error
            # A connected datagram socket is writable while its peer's queue has room (unix(7)).
            poll = select.poll()
            poll.register(probe, select.POLLOUT)
            yield inode, any(mask & select.POLLOUT for _, mask in poll.poll(0))
