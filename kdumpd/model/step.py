# SPDX-License-Identifier: GPL-2.0-or-later
"""The one step: from what is known and what is seen to what is known now, and what to tell.

Readiness is told once in each boot, and then each change of it that stands. kdump-tools unloads and
loads the crash kernel to take over a new one: nobody is told of a moment.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from kdumpd.model.boot_history import with_boots
from kdumpd.model.captures.listing import shows_no_more, with_captures
from kdumpd.model.crash_test import last_test
from kdumpd.model.crash_test_outcome import with_tests
from kdumpd.model.events import (
    Event,
    boot_event,
    capture_event,
    exposure_event,
    readiness_event,
    with_crowds,
)
from kdumpd.model.readiness.facts import MAX_RESERVATIONS, LastReservation, ServiceFacts
from kdumpd.model.readiness.verdict import Verdict, verdict_of
from kdumpd.model.state import Delays, Observation, PendingReadiness, State
from kdumpd.model.vocabulary import Readiness
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


def with_verdict(
    state: State, verdict: Verdict, seen: Observation, delays: Delays
) -> tuple[State, Iterable[Event]]:
    """Return the state with readiness as it was just judged, and what is to be told of it."""
    boot = verdict.kernel.boot_id
    after = replace(state, verdict=verdict, boots=_armed(state.boots, verdict))
    if not boot:
        return after, ()
    if boot != state.validated_boot:
        if verdict.readiness is not Readiness.READY and seen.is_starting(delays):
            return replace(
                after, change=PendingReadiness(to=verdict.readiness, since=seen.clock)
            ), ()
        return _validated(after, verdict), [boot_event(verdict)]
    if state.told is None:
        return replace(after, told=verdict.readiness), ()
    change = _change(state, verdict.readiness, seen.clock)
    if change is None or seen.clock < change.since + _wait(seen.machine.service, delays):
        return replace(after, change=change), ()
    event = readiness_event(verdict, state.told)
    return replace(after, change=None, told=change.to), [event]


def next_telling(state: State, delays: Delays) -> float | None:
    """Return when a change may have stood long enough, None when nothing changes."""
    if state.change is None or state.verdict is None:
        return None
    if state.verdict.kernel.boot_id != state.validated_boot:
        return state.change.since + delays.steady
    return state.change.since + _wait(state.verdict.machine.service, delays)


def _validated(state: State, verdict: Verdict) -> State:
    boot = verdict.kernel.boot_id
    record = last_reservation_of(verdict)
    others = tuple(one for one in state.boots if one.boot_id != boot)
    return replace(
        state,
        change=None,
        told=verdict.readiness,
        validated_boot=boot,
        boots=(record, *others)[:MAX_RESERVATIONS],
    )


def _armed(boots: tuple[LastReservation, ...], verdict: Verdict) -> tuple[LastReservation, ...]:
    """Return the boots, with note taken that in this one a capture was ready to start."""
    if not verdict.reservation.armed:
        return boots
    return tuple(
        one if one.armed or one.boot_id != verdict.kernel.boot_id else replace(one, armed=True)
        for one in boots
    )


def last_reservation_of(verdict: Verdict) -> LastReservation:
    """Return what the boot came to, as the next one compares itself with it."""
    reservation = verdict.reservation
    return LastReservation(
        boot_id=verdict.kernel.boot_id,
        crashkernel=verdict.kernel.crashkernel,
        reserved=reservation.reserved or 0,
        ram=reservation.ram.size if reservation.ram else None,
        armed=bool(reservation.armed),
    )


def _change(state: State, readiness: Readiness, clock: float) -> PendingReadiness | None:
    if readiness is state.told:
        return None
    if state.change is not None and state.change.to is readiness:
        return state.change
    return PendingReadiness(to=readiness, since=clock)


def _wait(service: ServiceFacts, delays: Delays) -> float:
    """Return how long a change must stand: longer while a unit is at work on it."""
    return delays.unit if service.at_work else delays.steady


def next_look(state: State, clock: float, delays: Delays) -> float | None:
    """Return in how many seconds something is due to settle, None when nothing is."""
    due = [
        unchanged.since + delays.settle
        for unchanged in state.settling.values()
        if not unchanged.awaits_reading
    ]
    due += state.missing.values()
    due += [] if state.crowd_due is None else [state.crowd_due]
    telling = next_telling(state, delays)
    due += [] if telling is None else [telling]
    return max(0.0, min(due) - clock) if due else None
