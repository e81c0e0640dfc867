# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.captures.capture import Sighting, capture_from, capture_id
from kdumpd.model.captures.core import CoreFacts, FileStamp, Format
from kdumpd.model.vocabulary import CaptureState
from tests.support.looks import CUT, DIRECTORY, FACTS, START, STUMP, capture, distrusted, stamp


@pytest.mark.parametrize(
    ("sighting", "state"),
    [
        (capture(FACTS), CaptureState.COMPLETE),
        (capture(FACTS, name=b"vmcore-incomplete"), CaptureState.COMPLETE),
        (capture(CUT), CaptureState.INCOMPLETE),
        (capture(STUMP), CaptureState.INCOMPLETE),
        (capture(CoreFacts(problem="is empty"), size=0), CaptureState.INCOMPLETE),
        (capture(CoreFacts(problem="is no core")), CaptureState.UNREADABLE),
        (capture(None), CaptureState.DMESG_ONLY),
        (distrusted(capture(FACTS)), CaptureState.UNREADABLE),
        (distrusted(capture(None)), CaptureState.UNREADABLE),
        (replace(capture(FACTS), problem="does not answer"), CaptureState.UNREADABLE),
        (replace(capture(FACTS), trusted=False), CaptureState.UNREADABLE),
    ],
)
def test_state(sighting: Sighting, state: CaptureState) -> None:
    assert sighting.state is state
    assert capture_from(sighting, START).state is state


def test_no_core_is_not_complete() -> None:
    assert not replace(capture(FACTS), core=None).complete


def test_capture() -> None:
    listed = capture_from(capture(size=4711), START)
    assert listed.id == capture().id
    assert listed.core_file == DIRECTORY + b"/dump.202611230113"
    assert listed.dmesg_file == DIRECTORY + b"/dmesg.202611230113"
    assert listed.size == 4711
    assert listed.found_at == START
    assert listed.format is Format.FLATTENED
    assert (listed.host, listed.kernel_release) == (FACTS.host, FACTS.kernel_release)
    assert (listed.architecture, listed.build_id) == (FACTS.architecture, FACTS.build_id)
    assert listed.crashed_at == FACTS.crashed_at


def test_capture_of_a_log_alone() -> None:
    listed = capture_from(capture(None), START)
    assert (listed.core_file, listed.size) == (b"", 0)
    assert listed.dmesg_file == DIRECTORY + b"/dmesg.202611230113"
    assert capture_from(capture(dmesg=b""), START).dmesg_file == b""


@pytest.mark.parametrize("directory", [b"/1", b"/var/crash/1", b"/var/crash/1/"])
def test_paths_inside(directory: bytes) -> None:
    listed = capture_from(capture(directory=directory), START)
    assert listed.core_file == directory.rstrip(b"/") + b"/dump.202611230113"


@pytest.mark.parametrize(
    ("core", "dmesg", "readable"),
    [(0o600, 0o600, False), (0o644, 0o600, True), (0o600, 0o604, True), (0o640, 0o660, False)],
)
def test_world_readable(core: int, dmesg: int, *, readable: bool) -> None:
    sighting = replace(
        capture(),
        core=stamp(b"vmcore", mode=0o100000 | core),
        dmesg=stamp(b"dmesg", mode=0o100000 | dmesg),
    )
    assert capture_from(sighting, START).world_readable is readable


@pytest.mark.parametrize(
    "file",
    [
        stamp(b"vmcore", mode=0o120777),  # a link
        stamp(b"vmcore", mode=0o040755),
        stamp(b"vmcore", mode=0o100644, size=0),
    ],
)
def test_nothing_in_it_is_readable(file: FileStamp) -> None:
    assert not capture_from(replace(capture(), core=file), START).world_readable


def test_what_was_known_of_it() -> None:
    """It stays known when its file can be written by others now: what died has not changed."""
    known = capture_from(capture(), START)
    changed = capture_from(distrusted(capture()), START, known)
    assert changed.state is CaptureState.UNREADABLE
    assert not changed.trusted
    assert changed.problem == "belongs to uid 1000"
    assert (changed.host, changed.kernel_release) == (FACTS.host, FACTS.kernel_release)
    assert (changed.architecture, changed.build_id) == (FACTS.architecture, FACTS.build_id)
    assert (changed.format, changed.compression) == (FACTS.format, FACTS.compression)
    assert changed.crashed_at == FACTS.crashed_at
    # What is read and trusted counts, also where it is less.
    assert capture_from(capture(STUMP), START, known).kernel_release == ""


def test_problem() -> None:
    assert capture_from(capture(CUT), START).problem == "has no end record"
    untrusted = distrusted(capture(), "belongs to uid 1000")
    assert capture_from(untrusted, START).problem == "belongs to uid 1000"


PARTS = st.lists(st.binary(max_size=5), max_size=4)


@given(one=PARTS, other=PARTS)
@settings(deadline=None)
def test_ids(one: list[bytes], other: list[bytes]) -> None:
    """Made of the parts and of nothing else, each part for itself."""
    assert (capture_id(*one) == capture_id(*other)) == (one == other)


def test_an_id_that_stays() -> None:
    """It stands in people's journals: a new version must not make another one."""
    assert capture_id(b"a crash") == "98781942251be2a7"
