# SPDX-License-Identifier: GPL-2.0-or-later
import json
from dataclasses import MISSING, fields
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.captures.capture import Capture, Layout
from kdumpd.model.captures.core import CoreFacts, Format
from kdumpd.model.codec import RecordError, from_record, to_record
from kdumpd.model.crash_test import CrashTest
from kdumpd.model.vocabulary import CaptureState, Crash, CrashClass, CrashTestVerdict
from tests.support.looks import as_listed, capture

TIMES = st.datetimes(timezones=st.just(UTC))
TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=20)
CAPTURES = st.builds(
    Capture,
    id=TEXTS,
    directory=st.binary(max_size=20),
    core_file=st.binary(max_size=20),
    dmesg_file=st.binary(max_size=20),
    layout=st.sampled_from(Layout),
    format=st.sampled_from(Format),
    compression=TEXTS,
    size=st.integers(0, 1 << 63),
    state=st.sampled_from(CaptureState),
    trusted=st.booleans(),
    problem=TEXTS,
    crashed_at=st.none() | TIMES,
    found_at=TIMES,
    host=TEXTS,
    kernel_release=TEXTS,
    architecture=TEXTS,
    build_id=TEXTS,
    world_readable=st.booleans(),
    filesystem=st.integers(0, (1 << 64) - 1),
    dump_level=st.none() | st.integers(0, 31),
    crash=st.builds(
        Crash,
        class_=st.sampled_from(CrashClass),
        reason=TEXTS,
        pid=st.none() | st.integers(0, 1 << 22),
        armed=st.none() | st.booleans(),
        hardware_error=st.booleans(),
        signature=TEXTS,
    ),
    log_awaited=st.booleans(),
    occurrence=st.integers(0, 1000),
    removal_at=st.none() | TIMES,
    removal=TEXTS,
    member=st.binary(max_size=20),
    is_test=st.booleans(),
    acknowledged=st.booleans(),
    written_at=st.none() | TIMES,
    exposed_at=st.none() | TIMES,
)
TESTS = st.builds(
    CrashTest,
    id=TEXTS,
    at=TIMES,
    uid=st.none() | st.integers(0, (1 << 32) - 1),
    armed=st.none() | st.booleans(),
    verdict=st.sampled_from(CrashTestVerdict),
    seconds=st.none() | st.integers(0, 86400),
    decided_at=st.none() | TIMES,
)
NEEDED = [field.name for field in fields(Capture) if field.default is MISSING]
ADDED = [field for field in fields(Capture) if field.default is not MISSING]
RECORD = to_record(as_listed(capture()))


@given(before=CAPTURES)
@settings(deadline=None)
def test_round_trip(before: Capture) -> None:
    after = from_record(Capture, to_record(before))
    assert after == before
    assert [type(getattr(after, one.name)) for one in fields(after)] == [
        type(getattr(before, one.name)) for one in fields(before)
    ]


@given(before=TESTS)
@settings(deadline=None)
def test_round_trip_of_a_test(before: CrashTest) -> None:
    assert from_record(CrashTest, json.loads(json.dumps(to_record(before)))) == before


@given(before=CAPTURES)
@settings(deadline=None)
def test_round_trip_as_json(before: Capture) -> None:
    text = json.dumps(to_record(before))
    text.encode("ascii")
    assert from_record(Capture, json.loads(text)) == before


@pytest.mark.parametrize("name", NEEDED)
def test_a_value_that_is_missing(name: str) -> None:
    record = {key: value for key, value in RECORD.items() if key != name}
    with pytest.raises(RecordError, match=f"no {name} in"):
        from_record(Capture, record)


@pytest.mark.parametrize("name", [field.name for field in fields(Capture)])
def test_a_value_of_a_wrong_kind(name: str) -> None:
    values: tuple[object, ...] = ([], 1.5, None)
    for value in values:
        if value is None and name in {
            "crashed_at",
            "dump_level",
            "removal_at",
            "written_at",
            "gone_at",
            "exposed_at",
            "told_state",
            "untold_since",
        }:
            assert getattr(from_record(Capture, {**RECORD, name: value}), name) is None
            continue
        with pytest.raises(RecordError, match=f"{name} is"):
            from_record(Capture, {**RECORD, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", True),
        ("size", "1000"),
        ("trusted", 1),
        ("trusted", "true"),
        ("world_readable", "no"),
        ("id", 1),
        ("state", "perfect"),
        ("state", ""),
        ("layout", "SUSE"),
        ("format", "tar"),
        ("found_at", "yesterday"),
        ("found_at", ""),
        ("crashed_at", ""),
        ("crashed_at", 1795396414),
        ("found_at", "2026-11-23T01:13:34"),  # in which zone?
        ("crashed_at", "2026-11-23"),
        ("directory", "\ud800"),
    ],
)
def test_a_value_that_makes_no_sense(name: str, value: object) -> None:
    with pytest.raises(RecordError, match=f"{name} is"):
        from_record(Capture, {**RECORD, name: value})


def test_a_record_of_an_older_kdumpd() -> None:
    old = {key: value for key, value in RECORD.items() if key in NEEDED}
    known = from_record(Capture, old)
    assert [getattr(known, field.name) for field in ADDED] == [field.default for field in ADDED]


@given(
    before=st.builds(
        CoreFacts,
        format=st.sampled_from(Format),
        complete=st.booleans(),
        crashed_at=st.none() | TIMES,
        identity=st.binary(max_size=20),
        wrapper=TEXTS,
        dump_level=st.none() | st.integers(0, 31),
    )
)
@settings(deadline=None)
def test_what_was_read_of_a_core(before: CoreFacts) -> None:
    assert from_record(CoreFacts, json.loads(json.dumps(to_record(before)))) == before


@pytest.mark.parametrize("crash", [{"class_": "magic"}, {"pid": "1"}, [], "sysrq", None])
def test_a_crash_that_makes_no_sense(crash: object) -> None:
    with pytest.raises(RecordError):
        from_record(Capture, {**RECORD, "crash": crash})


def test_more_than_is_known() -> None:
    """A newer kdumpd may have written more."""
    assert from_record(Capture, {**RECORD, "signature": "abc"}) == as_listed(capture())


def test_bytes_that_are_no_text() -> None:
    before = as_listed(capture(directory=b"/var/crash/\xff\x80"))
    record = to_record(before)
    assert record["directory"] == "/var/crash/\udcff\udc80"
    assert from_record(Capture, record).directory == b"/var/crash/\xff\x80"


def test_plain_values() -> None:
    assert RECORD["state"] == "complete"
    assert RECORD["format"] == "flattened"
    assert RECORD["crashed_at"] == "2026-11-23T01:13:34+00:00"
    assert RECORD["trusted"] is True
    assert datetime.fromisoformat(str(RECORD["found_at"])).tzinfo is not None
