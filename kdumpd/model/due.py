# SPDX-License-Identifier: GPL-2.0-or-later
"""When the next look is due: something settles, is given up, or has stood long enough."""

from kdumpd.model.announce import next_telling
from kdumpd.model.state import Patience, State


def next_look(state: State, clock: float, patience: Patience) -> float | None:
    """Return in how many seconds something is due to settle, None when nothing is."""
    due = [
        growth.since + patience.settle
        for growth in state.settling.values()
        if not growth.awaits_reading
    ]
    due += state.missing.values()
    telling = next_telling(state, patience)
    due += [] if telling is None else [telling]
    return max(0.0, min(due) - clock) if due else None
