# SPDX-License-Identifier: GPL-2.0-or-later
"""That somebody does not want what was begun any more, or that the program is to end."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopError(Exception):
    """What was begun is not done; the text is for the person who stopped it, if one did."""

    def __init__(self, words: str, *, by_a_person: bool) -> None:
        super().__init__(words)
        self.by_a_person = by_a_person


class Stop:
    """Whether that was asked for: by a signal, or by a key as if it were Ctrl-C."""

    def __init__(self) -> None:
        self.asked: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    def ask(self, number: signal.Signals = signal.SIGINT) -> None:
        """Ask for it; the first counts."""
        if not self.asked.done():
            self.asked.set_result(number)

    @property
    def by_a_person(self) -> bool:
        """Whether a person has asked, who waits for an answer."""
        return self.asked.done() and self.asked.result() is signal.SIGINT

    def check(self, words: str) -> None:
        """Raise StopError with the words if it was asked for."""
        if self.asked.done():
            raise StopError(words, by_a_person=self.by_a_person)


@contextmanager
def stopping() -> Iterator[Stop]:
    """Let signals that would end the program ask for a stop instead."""
    loop = asyncio.get_running_loop()
    stop = Stop()
    for number in ENDING:
        loop.add_signal_handler(number, stop.ask, number)
    try:
        yield stop
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)
