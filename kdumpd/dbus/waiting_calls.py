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
        fixed = self.header.fixed
        return fixed.fields_bytes + (fixed.body_bytes if self.body is not None else 0)


class WaitingCalls:
    """The calls that have come and not begun, by caller, and how many of each are running."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[WaitingCall]] = {}  # in the order of the turns
        self._running: Counter[str] = Counter()
        self._bytes = 0

    def add(self, call: WaitingCall) -> list[WaitingCall]:
        """Let the call wait, and return those that are dropped for it: the oldest of its caller.

        Where all wait for too much together, these are the oldest of who wants most.
        """
        caller = call.header.sender
        calls = self._waiting.get(caller)
        if calls is None:
            calls = self._waiting[caller] = deque()
        calls.append(call)
        self._bytes += call.bytes
        dropped = [self._take(caller)] if len(calls) > MAX_WAITING_OF_A_CALLER else []
        while self._bytes > MAX_WAITING_BYTES:
            dropped.append(self._take(max(self._waiting, key=self._bytes_of)))
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

    def clear(self) -> None:
        """Forget the calls that wait."""
        self._waiting.clear()
        self._bytes = 0

    def _take(self, caller: str) -> WaitingCall:
        calls = self._waiting[caller]
        call = calls.popleft()
        self._bytes -= call.bytes
        if not calls:
            del self._waiting[caller]
        return call

    def _bytes_of(self, caller: str) -> int:
        return sum(call.bytes for call in self._waiting[caller])
