# SPDX-License-Identifier: GPL-2.0-or-later
"""Trust that a capture loses and gets again: it is the same capture, and nothing is told twice."""

from dataclasses import replace

import pytest

from kdumpd.model.captures.capture import Capture, Layout, Sighting, capture_id, files_id
from kdumpd.model.captures.core import CoreFacts
from kdumpd.model.captures.reading import Answer
from kdumpd.model.codec import from_record, to_record
from kdumpd.model.events import EventKind, acknowledge, new_crashes, unacknowledged
from kdumpd.model.state import State
from kdumpd.model.vocabulary import CaptureState, Crash
from tests.support.looks import BOOT, CUT, DELAYS, DIRECTORY, STUMP, Watched, capture, stamp

SETTLE = DELAYS.settle
CLASSES = {
    "complete": capture(),
    "complete, without a log": capture(dmesg=b""),
    "cut off": capture(CUT),
    "a stump with a log": capture(STUMP),
    "a stump": capture(STUMP, dmesg=b""),
    "empty": capture(CoreFacts(problem="is empty"), size=0, dmesg=b""),
    "a log alone": capture(None),
    "no core": capture(CoreFacts(problem="is no core")),
}


def unbelieved(
    sighting: Sighting, *, trusted_directory: bool = False, own_files: bool = False
) -> Sighting:
    """Return what is seen of the same files while others can change what lies on their path."""
    return replace(
        sighting,
        trusted=False,
        problem="'/var/crash' is writable by others than its owner (mode 0777)",
        facts=CoreFacts(),
        crash=None,
        log_id="",
        logged_at=None,
        id=capture_id(b"not trusted", sighting.place),
        trusted_directory=trusted_directory,
        own_files=own_files,
    )


def restarted(state: State) -> State:
    """Return what a daemon knows that has just read the ledger."""
    read = [from_record(Capture, to_record(one)) for one in state.captures.values()]
    return State(
        captures={one.id: one for one in read},
        validated_boot=state.validated_boot,
        readings=state.readings,
    )


@pytest.fixture
def watched() -> Watched:
    return Watched(State(validated_boot=BOOT))


def settle(watched: Watched, sighting: Sighting) -> None:
    """Look until nothing changes any more; whatever core is to be read through is."""
    for _ in range(5):
        watched.look(sighting, after=SETTLE)
        if watched.state.job is not None:
            read = Answer(key=watched.state.job.key, done=True, crash=Crash(reason="sad"))
            watched.look(sighting, answers=[read])


@pytest.mark.parametrize("how", [{}, {"own_files": True}, {"trusted_directory": True}], ids=str)
@pytest.mark.parametrize("restart", [(), (1,), (2,), (1, 2)], ids=str)
@pytest.mark.parametrize("kind", CLASSES)
def test_it_stays_the_same(
    watched: Watched, kind: str, restart: tuple[int, ...], how: dict[str, bool]
) -> None:
    """Also where the daemon was started anew before (1) or after (2) it was trusted again."""
    sighting = CLASSES[kind]
    settle(watched, sighting)
    known, told = watched.only, len(watched.told)
    watched.state = acknowledge(watched.state, {known.id})
    shown = watched.state
    if 1 in restart:
        watched.state = restarted(watched.state)
    settle(watched, unbelieved(sighting, **how))
    lost = watched.only
    assert (lost.id, lost.trusted, lost.state) == (known.id, False, CaptureState.UNREADABLE)
    assert (lost.acknowledged, lost.found_at) == (True, known.found_at)
    assert lost.crash == known.crash
    assert {one.kind for one in watched.told[told:]} <= {EventKind.CAPTURE_UNTRUSTED}
    assert list(new_crashes(shown, watched.state)) == []
    told, shown = len(watched.told), watched.state
    if 2 in restart:
        watched.state = restarted(watched.state)
    settle(watched, sighting)
    assert watched.only == replace(known, acknowledged=True)
    assert watched.told[told:] == []
    assert list(new_crashes(shown, watched.state)) == []
    assert unacknowledged(watched.state) == frozenset()


@pytest.mark.parametrize("kind", CLASSES)
def test_what_never_was_believed_is_told_when_it_is(watched: Watched, kind: str) -> None:
    """It has the id then that it has where it was believed at once; and keeps it."""
    other = Watched(State(validated_boot=BOOT))
    settle(other, CLASSES[kind])
    settle(watched, unbelieved(CLASSES[kind]))
    assert watched.only.id != other.only.id
    shown = watched.state
    settle(watched, CLASSES[kind])
    assert watched.only.id == other.only.id
    assert [one.capture for one in new_crashes(shown, watched.state)] == [other.only.id]
    settle(watched, unbelieved(CLASSES[kind]))
    assert watched.only.id == other.only.id


def test_what_grew_while_it_was_not_believed(watched: Watched) -> None:
    """Its directory is root's, and so are its files: whoever else can move it cannot write it."""
    settle(watched, capture(STUMP, dmesg=b""))
    known = watched.only.id
    settle(watched, unbelieved(capture(STUMP, dmesg=b"", size=2000), own_files=True))
    assert watched.only.id == known
    told = len(watched.told)
    settle(watched, capture(CUT, dmesg=b"", size=3000))
    assert watched.only.id == capture(CUT).id
    assert watched.only.told_state is CaptureState.INCOMPLETE
    assert not [one for one in watched.told[told:] if one.kind is EventKind.CAPTURE_GONE]


def test_what_was_finished_while_it_was_not_believed_is_told(watched: Watched) -> None:
    settle(watched, capture(CUT))
    settle(watched, unbelieved(capture(CUT, size=2000), own_files=True))
    told = len(watched.told)
    settle(watched, capture(size=3000))
    assert [one.kind for one in watched.told[told:]] == [EventKind.CAPTURE_COMPLETE]


@pytest.mark.parametrize("kind", CLASSES)
def test_a_stranger_gets_nobodys_id(watched: Watched, kind: str) -> None:
    """What he put where a capture was is no rest of it, and shows nothing that was read."""
    settle(watched, CLASSES[kind])
    known = watched.only
    files = (stamp(b"dump.202611230113", inode=99),)
    theirs = replace(unbelieved(CLASSES[kind]), files=files, files_id=files_id(files))
    settle(watched, theirs)
    listed = {one.id: one for one in watched.listed}
    assert listed.pop(known.id).state is CaptureState.GONE
    (strange,) = listed.values()
    assert (strange.kernel_release, strange.acknowledged) == ("", False)
    assert not strange.was_read


def test_what_may_be_a_note_is_listed_only_where_it_was_a_capture(watched: Watched) -> None:
    """Whether a dmesg.txt is a kernel's log tells its text alone."""
    log = replace(capture(None), layout=Layout.PSTORE)
    note = replace(unbelieved(log), doubtful=True)
    settle(watched, note)
    assert watched.listed == ()
    settle(watched, log)
    known = watched.only.id
    settle(watched, note)
    assert (watched.only.id, watched.only.trusted) == (known, False)
    assert watched.only.directory == DIRECTORY
