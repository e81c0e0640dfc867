# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell a fleet's monitoring what is true, by a file that node_exporter's textfile collector reads.

The file is also a sign of life: while all stays as it is, it is written about once a minute.
"""

from datetime import datetime, timedelta

from kdumpd.expose.exposition import Metric, exposition
from kdumpd.expose.prometheus import PREFIX, measures
from kdumpd.expose.textfile import TextFile
from kdumpd.model.state import State

# A look is made each minute where nothing happens, and its time is taken before its end.
HEARTBEAT = timedelta(seconds=55)


class Metrics:
    """The file with the numbers."""

    def __init__(self, file: TextFile) -> None:
        self._file = file
        self._told: list[Metric] = []
        self._told_at: datetime | None = None

    async def show(self, state: State) -> None:
        """Tell what is new, at once; and that nothing is, from time to time."""
        metrics = list(measures(state))
        news = [one for one in metrics if not one.drifts]
        at = state.verdict.at if state.verdict else None
        if news == self._told and not is_due(self._told_at, at):
            return
        self._told, self._told_at = news, at
        self._file.put(exposition(PREFIX, metrics))

    async def run(self) -> None:
        """Write what is told, for ever."""
        await self._file.run()


def is_due(told_at: datetime | None, at: datetime | None) -> bool:
    """Return whether a sign of life is due; a clock may also have been set back."""
    if told_at is None or at is None:
        return told_at is not at
    return not timedelta() <= at - told_at < HEARTBEAT
