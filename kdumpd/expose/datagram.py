# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask whether a datagram socket would take a message, before a library sends one and blocks.

libsystemd's senders wait, holding the interpreter's lock, while the receiver hangs and its queue is
full; where there is no receiver they lose the message silently.
"""

import select
import socket
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Receiver:
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
