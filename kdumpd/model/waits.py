# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes on after a restart instead of beginning anew: what the ledger keeps of each wait.

Each is kept by the boot, and by its CLOCK_BOOTTIME: no user can set that clock, unlike the times of
files. A new boot begins anew. The wall clock alone would lead from one boot to the next, and at the
start of a boot it may be wrong by years.

What anybody could have written, or could make come and go, is not kept: so nobody has the ledger
grow, or written to, by what he does in a crash directory. It tells of no crash.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from kdumpd.model.state import NO_WAITS, Observation, State

MAX_KEPT_WAITS = 1000  # of captures that settle, and as many of those that are missing
# A core that grows, and readiness that flaps, have waits begin and end all the time. They are
# written at once a few times, and then only so often.
WRITE_INTERVAL_S, WRITE_BURST_S = 5.0, 20.0

Key = TypeVar("Key")
Value = TypeVar("Value")


def resumed(state: State, seen: Observation) -> State:
    """Return the state with what the last run waited for, at the first look of this one."""
    if state.verdict is not None:
        return state
    kept, boot = state.waits, seen.machine.kernel.boot_id
    if not boot or kept.boot_id != boot:
        return replace(state, waits=NO_WAITS)
    change = kept.change
    return replace(
        state,
        # What is of the future is of another clock.
        unseen={place: one for place, one in kept.unchanged.items() if one.since <= seen.clock},
        missing=kept.missing,
        change=change if change is not None and change.since <= seen.clock else None,
    )


def with_waits(state: State, seen: Observation) -> State:
    """Return the state with what the ledger is to keep of what is waited for now."""
    kept, boot = state.waits, seen.machine.kernel.boot_id
    if not boot:
        return state
    waits = replace(
        kept,
        unchanged=_oldest(state.pending, lambda one: one.since),
        missing=_oldest(
            {id_: due for id_, due in state.missing.items() if state.captures[id_].trusted},
            lambda due: due,
        ),
        change=state.change if state.validated_boot == boot else None,
        boot_id=boot,
        due=None,
    )
    if waits == kept:
        return state if kept.due is None else replace(state, waits=replace(kept, due=None))
    free_at = kept.paid_until - WRITE_BURST_S
    if seen.clock < free_at:
        return replace(state, waits=replace(kept, due=free_at))
    paid_until = max(kept.paid_until, seen.clock) + WRITE_INTERVAL_S
    return replace(state, waits=replace(waits, paid_until=paid_until))


def next_writing(state: State, clock: float) -> float | None:
    """Return in how many seconds what was put off is to be written, None when nothing was."""
    return None if state.waits.due is None else max(0.0, state.waits.due - clock)


def _oldest(waits: Mapping[Key, Value], since: Callable[[Value], float]) -> Mapping[Key, Value]:
    if len(waits) <= MAX_KEPT_WAITS:
        return waits
    return dict(sorted(waits.items(), key=lambda one: since(one[1]))[:MAX_KEPT_WAITS])
