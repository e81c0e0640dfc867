# SPDX-License-Identifier: GPL-2.0-or-later
"""Nobody is told twice of a boot, nor of what did not last; and nobody is left untold."""

from dataclasses import replace

import pytest

from kdumpd.model.events import Event, EventKind
from kdumpd.model.readiness.facts import LastReservation, ServiceFacts
from kdumpd.model.state import State
from kdumpd.model.step import next_look
from kdumpd.model.text import MIB
from kdumpd.model.vocabulary import Readiness
from tests.support.looks import BOOT, DELAYS, KERNEL, Watched

LOADED, UNLOADED = KERNEL, replace(KERNEL, crash_loaded=False)
STEADY = DELAYS.steady
STARTING, AT_WORK = (
    ServiceFacts(starting=True),
    ServiceFacts(starting=False, active_state="activating"),
)
STARTED = ServiceFacts(starting=False)


@pytest.fixture
def watched() -> Watched:
    """A machine whose boot is validated already."""
    return Watched(State(validated_boot=BOOT, told=Readiness.READY))


@pytest.fixture
def booting() -> Watched:
    """A machine that was switched on a moment ago."""
    machine = Watched()
    machine.clock = 5.0
    return machine


def changes(events: list[Event]) -> list[tuple[str, str]]:
    """Return from what to what each event tells of."""
    assert all(event.kind is EventKind.READINESS_CHANGED for event in events)
    return [(event.facts["before"], event.facts["readiness"]) for event in events]


def test_a_boot_is_validated_once() -> None:
    watched = Watched()
    (event,) = watched.look()
    assert event.kind is EventKind.BOOT_VALIDATED
    assert event.facts["readiness"] == Readiness.READY
    assert watched.state.validated_boot == BOOT
    assert watched.look(after=60) == []


def test_a_boot_is_validated_once_over_restarts(watched: Watched) -> None:
    assert watched.look() == []
    assert watched.look(after=60) == []


def test_each_boot_is_validated(watched: Watched) -> None:
    (event,) = watched.look(kernel=replace(UNLOADED, boot_id="another"))
    assert event.kind is EventKind.BOOT_VALIDATED
    assert event.facts["readiness"] == Readiness.NOT_READY
    assert event.facts["findings"] == "crash-kernel-unloaded"
    assert watched.look(after=STEADY, kernel=replace(UNLOADED, boot_id="another")) == []


def test_a_boot_that_is_ready_is_validated_at_once(booting: Watched) -> None:
    (event,) = booting.look(service=STARTING)
    assert event.facts["readiness"] == Readiness.READY


@pytest.mark.parametrize("service", [STARTING, ServiceFacts()])
def test_a_boot_in_which_the_crash_kernel_is_still_to_be_loaded(
    booting: Watched, service: ServiceFacts
) -> None:
    """kdumpd starts before kdump-tools: it would call every boot not ready."""
    assert booting.look(kernel=UNLOADED, service=service) == []
    assert booting.state.verdict is not None
    assert booting.state.verdict.readiness is Readiness.NOT_READY
    (event,) = booting.look(after=20, kernel=LOADED, service=service)
    assert event.kind is EventKind.BOOT_VALIDATED
    assert event.facts["readiness"] == Readiness.READY


def test_a_boot_that_is_over_without_a_crash_kernel(booting: Watched) -> None:
    assert booting.look(kernel=UNLOADED, service=STARTING) == []
    (event,) = booting.look(after=20, kernel=UNLOADED, service=STARTED)
    assert event.facts["readiness"] == Readiness.NOT_READY


def test_a_boot_that_nobody_calls_over() -> None:
    """As without systemd, or where some unit never ends to start."""
    for service, seconds in ((ServiceFacts(), 120.0), (STARTING, 900.0)):
        machine = Watched()
        machine.clock = 5.0
        assert machine.look(kernel=UNLOADED, service=service) == []
        assert machine.look(after=seconds - 10, kernel=UNLOADED, service=service) == []
        (event,) = machine.look(after=10, kernel=UNLOADED, service=service)
        assert event.facts["readiness"] == Readiness.NOT_READY


def test_while_a_boot_starts_it_is_looked_at_again_soon(booting: Watched) -> None:
    booting.look(kernel=UNLOADED, service=STARTING)
    for _ in range(3):
        wait = next_look(booting.state, booting.clock, DELAYS)
        assert wait is not None
        assert 0 < wait <= STEADY
        booting.look(after=wait, kernel=UNLOADED, service=STARTING)


def test_a_boot_without_an_id() -> None:
    watched = Watched()
    assert watched.look(kernel=replace(KERNEL, boot_id="")) == []
    assert watched.state.verdict is not None
    (event,) = watched.look(after=60)
    assert event.kind is EventKind.BOOT_VALIDATED


def test_a_boot_that_loses_its_id_for_a_while() -> None:
    watched = Watched()
    watched.look()
    assert watched.look(after=60, kernel=replace(KERNEL, boot_id="")) == []
    assert watched.look(after=60) == []


def test_a_change_that_stands_is_told_once(watched: Watched) -> None:
    assert watched.look(kernel=UNLOADED, after=60) == []
    lost = watched.look(kernel=UNLOADED, after=STEADY)
    assert changes(lost) == [("ready", "not-ready")]
    assert watched.look(kernel=UNLOADED, after=60) == []
    assert watched.look(kernel=LOADED, after=60) == []
    back = watched.look(kernel=LOADED, after=STEADY)
    assert changes(back) == [("not-ready", "ready")]
    watched.look(kernel=UNLOADED, after=60)
    again = watched.look(kernel=UNLOADED, after=STEADY)
    assert len({event.id for event in (*lost, *back, *again)}) == 3


def test_what_is_true_is_shown_before_it_is_told(watched: Watched) -> None:
    watched.look(kernel=UNLOADED)
    assert watched.state.verdict is not None
    assert watched.state.verdict.readiness is Readiness.NOT_READY
    assert watched.state.told is Readiness.READY


def test_a_flap_is_no_alarm(watched: Watched) -> None:
    """kdump-tools unload and load to take over a new kernel: 1, 0, 1."""
    for _ in range(5):
        assert watched.look(kernel=LOADED, after=60) == []
        assert watched.look(kernel=UNLOADED, after=STEADY / 2) == []
        assert watched.look(kernel=LOADED, after=STEADY / 2) == []


def test_a_change_is_looked_at_again_when_it_may_be_told(watched: Watched) -> None:
    watched.look(kernel=LOADED)
    assert next_look(watched.state, watched.clock, DELAYS) is None
    watched.look(kernel=UNLOADED, after=60)
    assert next_look(watched.state, watched.clock, DELAYS) == STEADY
    watched.look(kernel=UNLOADED, after=STEADY)
    assert next_look(watched.state, watched.clock, DELAYS) is None


def test_a_unit_at_work_is_waited_for(watched: Watched) -> None:
    """Fedora's kdumpctl builds an initramfs between stop and start."""
    assert watched.look(kernel=UNLOADED, service=AT_WORK) == []
    assert watched.look(kernel=UNLOADED, after=60, service=AT_WORK) == []
    assert watched.look(kernel=LOADED, after=60, service=AT_WORK) == []
    assert watched.look(kernel=LOADED, after=60, service=STARTED) == []


def test_a_unit_that_ends_its_work_in_vain(watched: Watched) -> None:
    watched.look(kernel=UNLOADED, service=AT_WORK)
    told = watched.look(kernel=UNLOADED, after=60, service=STARTED)
    assert changes(told) == [("ready", "not-ready")]


def test_a_unit_that_works_for_ever(watched: Watched) -> None:
    watched.look(kernel=UNLOADED, service=AT_WORK)
    assert watched.look(kernel=UNLOADED, after=DELAYS.unit - 1, service=AT_WORK) == []
    assert changes(watched.look(kernel=UNLOADED, after=1, service=AT_WORK)) == [
        ("ready", "not-ready")
    ]


def test_a_change_from_bad_to_worse(watched: Watched) -> None:
    """Each word must stand for a while; what is told is from the last one told."""
    watched.look(after=60, problem="'/var/crash' does not answer")
    assert watched.look(after=STEADY / 2, kernel=UNLOADED) == []
    assert watched.look(after=STEADY / 2, kernel=UNLOADED) == []
    assert changes(watched.look(after=STEADY / 2, kernel=UNLOADED)) == [("ready", "not-ready")]


def test_readiness_that_changed_while_we_were_away() -> None:
    """It is told against what was told last, before the restart."""
    watched = Watched(State(validated_boot=BOOT, told=Readiness.READY))
    watched.look(kernel=UNLOADED)
    assert changes(watched.look(after=STEADY, kernel=UNLOADED)) == [("ready", "not-ready")]
    same = Watched(State(validated_boot=BOOT, told=Readiness.NOT_READY))
    assert same.look(kernel=UNLOADED) == []
    assert same.look(after=STEADY, kernel=UNLOADED) == []


def test_other_findings_are_no_other_readiness() -> None:
    watched = Watched(State(validated_boot=BOOT, told=Readiness.NOT_READY))
    watched.look(kernel=UNLOADED)
    for _ in range(2):
        assert watched.look(kernel=replace(UNLOADED, reserved=0), after=60) == []
    assert watched.state.verdict is not None
    assert [one.code for one in watched.state.verdict.findings] == [
        "reservation-missing",
        "crash-kernel-unloaded",
    ]


def test_a_directory_decides_readiness_too(watched: Watched) -> None:
    watched.look()
    watched.look(after=60, problem="'/var/crash' does not answer")
    (event,) = watched.look(after=STEADY, problem="'/var/crash' does not answer")
    assert event.facts["readiness"] == Readiness.DEGRADED
    assert "does not answer" in event.facts["because"]


def test_what_a_boot_came_to_is_remembered(watched: Watched) -> None:
    watched.look(kernel=replace(KERNEL, boot_id="first"))
    watched.look(kernel=replace(KERNEL, boot_id="second", reserved=128 * MIB))
    watched.look(kernel=replace(KERNEL, boot_id="third", reserved=0))
    assert [(one.boot_id, one.reserved) for one in watched.state.boots] == [
        ("third", 0),
        ("second", 128 * MIB),
    ]


def test_a_boot_is_compared_with_the_one_before() -> None:
    first = LastReservation(boot_id="first", reserved=256 * MIB, ram=None, crashkernel="256M")
    watched = Watched(State(boots=(first,)))
    for _ in range(2):
        watched.look(after=60)
        assert watched.state.verdict is not None
        assert watched.state.verdict.machine.reservation.last == first


def codes(watched: Watched) -> set[str]:
    assert watched.state.verdict is not None
    return {one.code for one in watched.state.verdict.findings}


def test_what_was_loaded_in_this_boot_is_missed() -> None:
    """Also after a restart: the ledger remembers."""
    watched = Watched()
    watched.look(kernel=UNLOADED)
    assert codes(watched) == {"crash-kernel-unloaded"}
    watched.look(kernel=LOADED, after=60)
    assert codes(watched) == set()
    watched.look(kernel=UNLOADED, after=60)
    assert codes(watched) == {"crash-kernel-unloaded", "crash-kernel-lost"}
    restarted = Watched(State(validated_boot=BOOT, told=Readiness.READY, boots=watched.state.boots))
    restarted.look(kernel=UNLOADED)
    assert "crash-kernel-lost" in codes(restarted)
    restarted.look(kernel=replace(UNLOADED, boot_id="another"))
    assert "crash-kernel-lost" not in codes(restarted)
