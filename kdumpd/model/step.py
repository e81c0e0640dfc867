# SPDX-License-Identifier: GPL-2.0-or-later
"""The one step: from what is known and what is seen to what is known now, and what to tell."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from kdumpd.model.announce import with_verdict
from kdumpd.model.boot_history import with_boots
from kdumpd.model.captures.listing import shows_no_more, with_captures
from kdumpd.model.crash_test import last_test
from kdumpd.model.crash_test_outcome import with_tests
from kdumpd.model.events import Event, capture_event, exposure_event, with_crowds
from kdumpd.model.readiness.verdict import Verdict, verdict_of
from kdumpd.model.state import Delays, Observation, State
from kdumpd.model.waits import resumed, with_waits


def step(state: State, seen: Observation, delays: Delays) -> tuple[State, tuple[Event, ...]]:
    """Return the state after one look at the machine, and the events it brings."""
    state = resumed(state, seen)
    verdict = judged(seen, state)
    after = state if shows_no_more(state, seen) else with_captures(state, seen, delays)
    after, verdicts = with_tests(replace(after, verdict=verdict), seen, delays)
    if after.tests is not state.tests:
        verdict = judged(seen, after)
    after, told = with_verdict(after, verdict, seen, delays)
    after, of_boots = with_boots(after, seen, delays)
    after, of_crowds = with_crowds(state, after, seen, delays)
    events = (*_capture_events(state, after, seen.at), *of_crowds)
    return with_waits(after, seen), (*events, *verdicts, *told, *of_boots)


def judged(seen: Observation, state: State) -> Verdict:
    """Return readiness as one look tells it, compared with the boot before."""
    machine, boot = seen.machine, seen.machine.kernel.boot_id
    if not boot:
        return verdict_of(machine, seen.at)
    last = next((one for one in state.boots if one.boot_id != boot), None)
    machine = replace(
        machine,
        reservation=replace(machine.reservation, last=last),
        was_armed=any(one.armed for one in state.boots if one.boot_id == boot),
        last_test=last_test(state.tests, machine),
    )
    known = state.verdict
    # Of the same facts every rule says the same.
    if known is not None and known.machine == machine:
        return replace(known, at=seen.at)
    return verdict_of(machine, seen.at)


def _capture_events(before: State, after: State, at: datetime) -> Iterable[Event]:
    for id_, capture in after.captures.items():
        known = before.captures.get(id_)
        if known is capture:
            continue
        if capture.may_be_anybodys or (known is not None and capture.is_as_before(known)):
            continue
        if not capture.log_awaited and (
            known is None or known.log_awaited or known.state is not capture.state
        ):
            yield capture_event(capture, at)
        if capture.is_exposed and not (known and known.is_exposed):
            yield exposure_event(capture, at)
