# SPDX-License-Identifier: GPL-2.0-or-later
"""Which crashes somebody has taken note of."""

from collections.abc import Collection
from dataclasses import replace
from types import MappingProxyType

from kdumpd.model.state import State


def acknowledge(state: State, ids: Collection[str]) -> State:
    """Return the state in which the captures of these ids, where there are such, are acknowledged.

    A capture that is acknowledged already stays the same object, as do all others.
    """
    captures = {
        id_: replace(capture, acknowledged=True)
        if id_ in ids and not capture.acknowledged
        else capture
        for id_, capture in state.captures.items()
    }
    return replace(state, captures=MappingProxyType(captures))


def unacknowledged(state: State) -> frozenset[str]:
    """Return the ids of the crashes of which nobody has taken note yet."""
    return frozenset(id_ for id_, capture in state.captures.items() if capture.waits)
