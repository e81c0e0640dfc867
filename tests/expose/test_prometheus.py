# SPDX-License-Identifier: GPL-2.0-or-later
"""What the fleet is told of a state, and that it is told nothing that is not known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kdumpd import __version__
from kdumpd.expose.prometheus import METRIC_PREFIX, exposition, measures
from kdumpd.model.captures.capture import Capture
from kdumpd.model.crash_test import CrashTest
from kdumpd.model.readiness.facts import MachineFacts, StorageFacts
from kdumpd.model.readiness.report import checks_of
from kdumpd.model.readiness.verdict import verdict_of
from kdumpd.model.state import State, UnchangedFiles
from kdumpd.model.text import MIB
from kdumpd.model.vocabulary import CaptureState, Crash, CrashClass, CrashTestVerdict
from tests.support.exposition import read_openmetrics
from tests.support.looks import CUT, KERNEL, START, as_listed, capture, of_another_crash
from tests.support.machine_facts import DUMP_DIRECTORY, HEALTHY, STORAGE

DIED = datetime(2026, 11, 23, 1, 13, 34, tzinfo=UTC)
READY = State(verdict=verdict_of(HEALTHY, START))
OOPS = replace(as_listed(capture()), crash=Crash(class_=CrashClass.NULL_DEREFERENCE))
CUT_OFF = as_listed(of_another_crash(capture(CUT), b"another"))
TEST = CrashTest(
    id="a-test", at=DIED, verdict=CrashTestVerdict.PASSED, kernel=KERNEL.release, seconds=31
)


def told(state: State) -> dict[str, float]:
    """Return what is told as the parser reads it, by name and labels."""
    read = read_openmetrics(exposition(METRIC_PREFIX, measures(state)))
    return {
        " ".join([name, *(f"{key}={text}" for key, text in sorted(labels))]): value
        for (name, labels), value in read.items()
    }


def with_captures(*captures: Capture) -> State:
    return replace(READY, captures={one.id: one for one in captures})


def with_storage(storage: StorageFacts) -> State:
    return State(verdict=verdict_of(replace(HEALTHY, storage=storage), START))


def test_ready() -> None:
    said = told(READY)
    assert said[f"kdumpd_info version={__version__}"] == 1
    assert said["kdumpd_readiness state=ready"] == 1
    assert said["kdumpd_readiness state=not-ready"] == 0
    assert said["kdumpd_checked_timestamp_seconds"] == START.timestamp()
    assert said["kdumpd_crash_kernel_loaded"] == 1
    assert said["kdumpd_reserved_memory_bytes"] == said["kdumpd_expected_memory_bytes"] == 256 * MIB
    assert said["kdumpd_suggested_memory_bytes"] > 0
    assert said["kdumpd_dump_directory_available_bytes directory=/var/crash"] == 20 << 30
    assert said["kdumpd_dump_needed_bytes"] > 1 << 30
    assert said["kdumpd_captures_settling"] == 0
    assert said["kdumpd_test_verdict verdict=none"] == 1


def test_each_check_is_told_with_its_outcome() -> None:
    kernel = replace(KERNEL, crash_loaded=False)
    state = State(verdict=verdict_of(replace(HEALTHY, kernel=kernel), START))
    said = told(state)
    assert state.verdict is not None
    checks = checks_of(state.verdict.checks)
    assert sum(value for name, value in said.items() if "kdumpd_checks" in name) == len(checks)
    assert said["kdumpd_checks code=crash-kernel-unloaded outcome=fatal"] == 1
    assert said["kdumpd_crash_kernel_loaded"] == 0
    assert said["kdumpd_readiness state=not-ready"] == 1


def test_what_is_not_known_is_not_told() -> None:
    bare = MachineFacts(kernel=replace(KERNEL, reserved=None, crash_loaded=None), directories=())
    said = told(State(verdict=verdict_of(bare, START)))
    names = {name.split()[0] for name in said}
    assert not names & {
        "kdumpd_crash_kernel_loaded",
        "kdumpd_reserved_memory_bytes",
        "kdumpd_suggested_memory_bytes",
        "kdumpd_dump_directory_available_bytes",
        "kdumpd_dump_needed_bytes",
        "kdumpd_last_crash_timestamp_seconds",
        "kdumpd_test_timestamp_seconds",
        "kdumpd_test_stale",
        "kdumpd_test_duration_seconds",
    }
    assert "kdumpd_readiness" in names
    assert "kdumpd_readiness" not in {name.split()[0] for name in told(State())}


def test_captures_are_counted() -> None:
    older = as_listed(of_another_crash(capture(), b"older"), found_at=DIED - timedelta(days=1))
    older = replace(older, crashed_at=None)
    said = told(with_captures(OOPS, CUT_OFF, replace(older, acknowledged=True)))
    assert said["kdumpd_captures class=null-dereference state=complete"] == 1
    assert said["kdumpd_captures class=unknown state=complete"] == 1
    assert said["kdumpd_captures class=unknown state=incomplete"] == 1
    assert said["kdumpd_captures_unacknowledged state=complete"] == 1
    assert said["kdumpd_captures_unacknowledged state=incomplete"] == 1
    assert said["kdumpd_captures_unacknowledged state=gone"] == 0
    assert said["kdumpd_last_crash_timestamp_seconds"] == DIED.timestamp()
    growing = replace(READY, settling={b"/var/crash/1": UnchangedFiles(files=(), since=0)})
    assert told(growing)["kdumpd_captures_settling"] == 1


def test_no_test_and_no_strangers_file_is_a_crash() -> None:
    later = DIED + timedelta(days=1)
    test = replace(as_listed(of_another_crash(capture(), b"t")), is_test=True, crashed_at=later)
    strange = replace(as_listed(of_another_crash(capture(), b"s")), trusted=False, crashed_at=later)
    said = told(with_captures(OOPS, test, strange))
    assert said["kdumpd_last_crash_timestamp_seconds"] == DIED.timestamp()
    assert sum(said[f"kdumpd_captures_unacknowledged state={one}"] for one in CaptureState) == 1


def test_the_last_test() -> None:
    said = told(replace(READY, tests=(TEST, replace(TEST, verdict=CrashTestVerdict.FAILED))))
    assert said["kdumpd_test_verdict verdict=passed"] == 1
    assert said["kdumpd_test_verdict verdict=failed"] == 0
    assert said["kdumpd_test_timestamp_seconds"] == DIED.timestamp()
    assert said["kdumpd_test_duration_seconds"] == 31
    assert said["kdumpd_test_stale"] == 0
    stale = replace(TEST, kernel="6.1.0-55-amd64")
    assert told(replace(READY, tests=(stale,)))["kdumpd_test_stale"] == 1


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=4), st.integers(0, 2**63))
def test_whatever_a_directory_is_called_the_text_can_be_read(names: list[bytes], free: int) -> None:
    directories = tuple(replace(DUMP_DIRECTORY, path=b"/" + name, free=free) for name in names)
    said = told(with_storage(replace(STORAGE, directories=directories)))
    assert bool(names) == any("available" in name for name in said)
