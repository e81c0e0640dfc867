# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kdumpd.model.captures.capture import Capture
from kdumpd.model.events import (
    CAPTURE_EVENTS,
    EVENT_ID_DIGITS,
    EventKind,
    boot_event,
    capture_event,
    readiness_event,
)
from kdumpd.model.readiness.facts import DirectoryFacts, KernelFacts, MachineFacts
from kdumpd.model.readiness.finding import info
from kdumpd.model.readiness.verdict import Verdict, verdict_of
from kdumpd.model.vocabulary import CaptureState, Readiness
from tests.support.looks import CRASH, KERNEL, START, as_listed, capture, distrusted

CAPTURE = as_listed(capture())
LATER = START + timedelta(hours=1)


def in_state(state: CaptureState) -> Capture:
    return replace(CAPTURE, state=state)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (CaptureState.COMPLETE, EventKind.CAPTURE_COMPLETE),
        (CaptureState.INCOMPLETE, EventKind.CAPTURE_INCOMPLETE),
        (CaptureState.DMESG_ONLY, EventKind.CAPTURE_INCOMPLETE),
        (CaptureState.UNREADABLE, EventKind.CAPTURE_INCOMPLETE),
        (CaptureState.GONE, EventKind.CAPTURE_GONE),
    ],
)
def test_kind(state: CaptureState, kind: EventKind) -> None:
    event = capture_event(in_state(state), START)
    assert event.kind is kind
    assert event.facts["state"] == state
    assert event.at == START
    assert CAPTURE_EVENTS.get(state, EventKind.CAPTURE_INCOMPLETE) is kind


def test_facts_of_a_capture() -> None:
    assert capture_event(CAPTURE, START).facts == {
        "capture": CAPTURE.id,
        "class": "unknown",
        "core": "/var/crash/202611230113/dump.202611230113",
        "dmesg": "/var/crash/202611230113/dmesg.202611230113",
        "directory": "/var/crash/202611230113",
        "state": "complete",
        "kernel": "6.1.0-56-amd64",
        "crashed_at": "1795396414000000",
        "size": "1000",
    }


def test_a_capture_that_is_not_trusted_is_an_event_of_its_own() -> None:
    theirs = as_listed(distrusted(capture()))
    assert capture_event(theirs, START).kind is EventKind.CAPTURE_UNTRUSTED
    gone = replace(theirs, state=CaptureState.GONE)
    assert capture_event(gone, START).kind is EventKind.CAPTURE_GONE


def test_what_is_unknown_is_left_out() -> None:
    facts = capture_event(as_listed(capture(None)), START).facts
    assert facts.keys() == {"capture", "class", "directory", "dmesg", "state", "size"}


def test_names_that_are_not_utf_8() -> None:
    event = capture_event(as_listed(capture(directory=b"/var/crash/\xff")), START)
    name = event.facts["directory"].encode("utf-8", "surrogateescape")
    assert name == b"/var/crash/\xff"


@pytest.mark.parametrize("state", set(CaptureState) - {CaptureState.GONE})
def test_the_same_event_later(state: CaptureState) -> None:
    """Seen again after a restart, or after the ledger was lost."""
    assert capture_event(in_state(state), START).id == capture_event(in_state(state), LATER).id


def test_each_going_is_an_event() -> None:
    gone = in_state(CaptureState.GONE)
    assert capture_event(gone, START).id == capture_event(gone, START).id
    assert capture_event(gone, START).id != capture_event(gone, LATER).id


def test_each_state_is_an_event() -> None:
    ids = {capture_event(in_state(state), START).id for state in CaptureState}
    assert len(ids) == len(CaptureState)


def test_each_capture_has_its_own() -> None:
    other = replace(CAPTURE, id="0123456789abcdef")
    assert capture_event(CAPTURE, START).id != capture_event(other, START).id


def test_moved_is_the_same_event() -> None:
    moved = replace(CAPTURE, directory=b"/srv/crash/1", core_file=b"/srv/crash/1/vmcore")
    assert capture_event(CAPTURE, START).id == capture_event(moved, START).id


def verdict(
    kernel: KernelFacts = KERNEL, readiness: Readiness = Readiness.READY, at: datetime = START
) -> Verdict:
    machine = MachineFacts(kernel=kernel, directories=())
    return replace(verdict_of(machine, at), readiness=readiness)


OTHER_BOOT = replace(KERNEL, boot_id="another")


def test_digits() -> None:
    for event in (
        capture_event(CAPTURE, START),
        boot_event(verdict()),
        readiness_event(verdict(), Readiness.DEGRADED),
    ):
        assert len(event.id) == EVENT_ID_DIGITS
        int(event.id, 16)


def test_boot() -> None:
    kernel = replace(KERNEL, crash_loaded=False)
    machine = MachineFacts(kernel=kernel, directories=(DirectoryFacts(path=CRASH, present=False),))
    event = boot_event(verdict_of(machine, START))
    assert event.kind is EventKind.BOOT_VALIDATED
    assert event.facts == {
        "readiness": "not-ready",
        "findings": "crash-kernel-unloaded crash-directory-missing",
        "sentence": "The next kernel panic would leave no usable dump.",
        "because": "no crash kernel is loaded, so a panic leaves no dump;"
        " the crash directory '/var/crash' does not exist: saving a dump may fail",
        "crashkernel": "256M",
        "expected": str(256 << 20),
        "reserved": str(256 << 20),
        "loaded": "0",
        "kernel": "6.1.0-56-amd64",
    }


def test_boot_with_little_known() -> None:
    kernel = replace(
        KERNEL, supported=False, crash_loaded=None, reserved=None, crashkernel="", release=""
    )
    facts = boot_event(verdict(kernel, Readiness.UNSUPPORTED)).facts
    assert facts.keys() == {"readiness", "findings", "sentence", "because", "expected"}


def test_what_is_only_good_to_know_is_no_reason() -> None:
    told = replace(verdict(), checks=(info("a-note", "a note", "nothing"),))
    facts = boot_event(told).facts
    assert facts["findings"] == "a-note"
    assert "because" not in facts


def test_one_event_for_each_boot() -> None:
    """Whatever was found: a second validation of the boot, in a ledger made anew, is the same."""
    first = boot_event(verdict())
    again = boot_event(verdict(readiness=Readiness.DEGRADED, at=LATER))
    other = boot_event(verdict(OTHER_BOOT))
    assert first.id == again.id
    assert first.id != other.id


def test_each_change_is_an_event() -> None:
    ready, degraded = Readiness.READY, Readiness.DEGRADED
    event = readiness_event(verdict(readiness=degraded), ready)
    assert event.facts["before"] == "ready"
    assert event.facts["readiness"] == "degraded"
    others = [
        readiness_event(verdict(readiness=ready), degraded),
        readiness_event(verdict(readiness=degraded, at=LATER), ready),
        readiness_event(verdict(OTHER_BOOT, degraded), ready),
        boot_event(verdict(readiness=degraded)),
    ]
    assert len({event.id, *(other.id for other in others)}) == 5


def test_facts_cannot_be_changed() -> None:
    facts = capture_event(CAPTURE, START).facts
    with pytest.raises(TypeError):
        facts["state"] = "gone"  # type: ignore[index]  # that is what is tried
