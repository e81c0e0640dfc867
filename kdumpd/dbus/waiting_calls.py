# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that wait for their turn: each caller has one in each round, however much he asks.

A bus bounds for how many answers a caller may wait, but not how many calls without one he sends.
"""

from collections import Counter, deque
from typing import NamedTuple

from kdumpd.dbus.wire import Header

MAX_WAITING_OF_A_CALLER = 128  # for so many answers dbus-daemon lets one wait (system.conf)
MAX_WAITING_BYTES = 4 << 20  # of all callers
MAX_RUNNING_OF_A_CALLER = 16


class WaitingCall(NamedTuple):
    """A call that has come; without a body where that is too long to be read."""

    header: Header
    body: bytes | None

    @property
    def bytes(self) -> int:
        """Return how much memory the call takes, about."""
        return self.header.fixed.header_bytes + len(self.body or b"")


class WaitingCalls:
    """The calls that have come and not begun, by caller, and how many of each are running."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[WaitingCall]] = {}  # in the order of the turns
        self._running: Counter[str] = Counter()
        self._bytes: dict[str, int] = {}
        self._all_bytes = 0

    def add(self, call: WaitingCall) -> list[WaitingCall]:
        """Let the call wait, and return those that are dropped for it: the oldest of its caller.

        Where all wait for too much together, these are the oldest of who wants most.
        """
        caller = call.header.sender
        calls = self._waiting.setdefault(caller, deque())
        calls.append(call)
        self._count(caller, call.bytes)
        dropped = [self._take(caller)] if len(calls) > MAX_WAITING_OF_A_CALLER else []
        while self._all_bytes > MAX_WAITING_BYTES:
            dropped.append(self._take(max(self._bytes, key=self._bytes.__getitem__)))
        return dropped

    def next(self) -> WaitingCall | None:
        """Return the call whose turn it is, which is running then; None where none may begin."""
        for caller in self._waiting:
            if self._running[caller] < MAX_RUNNING_OF_A_CALLER:
                call = self._take(caller)
                if caller in self._waiting:  # to the end of the round
                    self._waiting[caller] = self._waiting.pop(caller)
                self._running[caller] += 1
                return call
        return None

    def end(self, call: WaitingCall) -> None:
        """Take note that a running call has ended."""
        caller = call.header.sender
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]

    def _take(self, caller: str) -> WaitingCall:
        calls = self._waiting[caller]
        call = calls.popleft()
        self._count(caller, -call.bytes)
        if not calls:
            del self._waiting[caller], self._bytes[caller]
        return call

    def _count(self, caller: str, size: int) -> None:
        self._bytes[caller] = self._bytes.get(caller, 0) + size
        self._all_bytes += size
