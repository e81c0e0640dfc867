# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that wait for their turn: who has had the fewest is next, however much others ask.

A bus bounds for how many answers a caller may wait, but not how many calls without one he sends.
"""

from collections import Counter, deque
from typing import NamedTuple

from kdumpd.dbus.wire import Header

MAX_WAITING_OF_A_CALLER = 128  # for so many answers dbus-daemon lets one wait (system.conf)
MAX_WAITING_BYTES = 4 << 20  # of all callers
OBJECT_BYTES = 1500  # that a call takes in memory beside its message, about
MAX_RUNNING_OF_A_CALLER = 16
MAX_RUNNING = 64  # of all callers: each may hold an answer that waits for the socket
MAX_REMEMBERED_CALLERS = 1024  # whose turns are counted


class WaitingCall(NamedTuple):
    """A call that has come; without a body where that is too long to be read."""

    header: Header
    body: bytes | None

    @property
    def bytes(self) -> int:
        """Return how much memory the call takes, about."""
        fixed = self.header.fixed
        body_bytes = fixed.body_bytes if self.body is not None else 0
        return OBJECT_BYTES + fixed.fields_bytes + body_bytes


class WaitingCalls:
    """The calls that have come and not begun, by caller, and how many of each are running."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[WaitingCall]] = {}
        self._bytes: Counter[str] = Counter()
        self._all_bytes = 0
        self._running: Counter[str] = Counter()
        self._all_running = 0
        self._begun: Counter[str] = Counter()

    def add(self, call: WaitingCall) -> list[WaitingCall]:
        """Let the call wait, and return those that are dropped for it: the oldest of its caller.

        Where all wait for too much together, these are the oldest of who wants most.
        """
        caller = call.header.sender
        calls = self._waiting.get(caller)
        if calls is None:
            calls = self._waiting[caller] = deque()
        calls.append(call)
        self._count(caller, call.bytes)
        dropped = [self._take(caller)] if len(calls) > MAX_WAITING_OF_A_CALLER else []
        while self._all_bytes > MAX_WAITING_BYTES:
            dropped.append(self._take(max(self._bytes, key=self._bytes.__getitem__)))
        return dropped

    def next(self) -> WaitingCall | None:
        """Return the call whose turn it is, which is running then; None where none may begin.

        It is one of who has had the fewest turns: who asks once is before who asks all the time,
        over however many connections that is.
        """
        if self._all_running >= MAX_RUNNING:
            return None
        able = [one for one in self._waiting if self._running[one] < MAX_RUNNING_OF_A_CALLER]
        if not able:
            return None
        caller = min(able, key=self._begun.__getitem__)
        if len(self._begun) > MAX_REMEMBERED_CALLERS:
            self._begun.clear()
        self._begun[caller] += 1
        self._running[caller] += 1
        self._all_running += 1
        return self._take(caller)

    def end(self, call: WaitingCall) -> None:
        """Take note that a running call has ended."""
        caller = call.header.sender
        self._all_running -= 1
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]

    def clear(self) -> None:
        """Forget the calls that wait."""
        self._waiting.clear()
        self._bytes.clear()
        self._all_bytes = 0

    def _take(self, caller: str) -> WaitingCall:
        calls = self._waiting[caller]
        call = calls.popleft()
        self._count(caller, -call.bytes)
        if not calls:
            del self._waiting[caller], self._bytes[caller]
        return call

    def _count(self, caller: str, size: int) -> None:
        self._bytes[caller] += size
        self._all_bytes += size
