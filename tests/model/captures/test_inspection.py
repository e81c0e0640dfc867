# SPDX-License-Identifier: GPL-2.0-or-later
import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.captures.core import (
    MAX_ANSWER_BYTES,
    CoreFacts,
    Format,
    Inspected,
    InspectionError,
    Part,
    parse_inspected,
    to_answer,
)
from kdumpd.model.crashlog.lines import MAX_LOG_BYTES

FACTS = CoreFacts(
    format=Format.FLATTENED,
    compression="zlib",
    complete=True,
    crashed_at=datetime(2026, 11, 23, 1, 13, 34, tzinfo=UTC),
    host="crashed.example",
    kernel_release="6.1.0-56-amd64",
    architecture="x86_64",
    build_id="ab" * 20,
    identity=b"OSRELEASE=6.1.0\n\0\xff",
    dump_level=31,
    wrapper="gzip",
)
INSPECTED = Inspected(
    facts=FACTS,
    log=b"[    0.000000] \xff\xfe caf\xc3\xa9 \xf0\x9f\x98\x80\xff\n",
    log_problem="",
    log_source="drgn",
)


def answer(**changes: object) -> bytes:
    return json.dumps(json.loads(to_answer(INSPECTED)) | changes).encode()


def answer_with_facts(**changes: object) -> bytes:
    return answer(facts=json.loads(to_answer(INSPECTED))["facts"] | changes)


@pytest.mark.parametrize(
    "inspected",
    [
        INSPECTED,
        Inspected(facts=None, log=None, log_problem="has none"),
        Inspected(facts=CoreFacts(problem="is empty"), log=b"", log_problem=""),
        replace(INSPECTED, log=bytes(range(256)) * 64),
        replace(INSPECTED, facts=replace(FACTS, crashed_at=None, dump_level=None)),
    ],
)
def test_what_is_said_is_understood(inspected: Inspected) -> None:
    said = to_answer(inspected)
    assert said.isascii()
    assert parse_inspected(said) == inspected


def test_of_a_split_core_is_said_what_all_parts_say() -> None:
    part = replace(FACTS, part=Part(start=0, end=8, frames=24))
    answer = to_answer(replace(INSPECTED, facts=part))
    assert parse_inspected(answer) == INSPECTED


@given(st.binary(max_size=64))
def test_every_log_comes_through(log: bytes) -> None:
    assert parse_inspected(to_answer(replace(INSPECTED, log=log))).log == log


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b"9" * 5000,
        to_answer(INSPECTED)[:-20],
        to_answer(INSPECTED) * 2,
        to_answer(INSPECTED).ljust(MAX_ANSWER_BYTES + 1),
        answer(more=1),
        answer(facts=[]),
        answer(facts={}),
        answer(log=1),
        answer(log=["line"]),
        answer(log="\ud800"),
        answer(log="x" * (MAX_LOG_BYTES + 1)),
        answer(log_source="somebody"),
        answer(log_problem=None),
        answer(log_problem="a\nline"),
        answer_with_facts(complete=1),
        answer_with_facts(complete=False),
        answer_with_facts(problem="is cut off"),
        answer_with_facts(problem="is cut\n off", complete=False),
        answer_with_facts(format="zip"),
        answer_with_facts(format=None),
        answer_with_facts(host="\x1b[2J"),
        answer_with_facts(host="h\u00f6st"),
        answer_with_facts(host="h" * 513),
        answer_with_facts(kernel_release=6.1),
        answer_with_facts(crashed_at="yesterday"),
        answer_with_facts(crashed_at="2026-11-23T01:13:34"),
        answer_with_facts(crashed_at="2026-11-23T01:13:34+01:00"),
        answer_with_facts(crashed_at=1795396414),
        answer_with_facts(identity="0g"),
        answer_with_facts(identity="00" * (1 << 18)),
        answer_with_facts(identity=None),
        answer_with_facts(dump_level=True),
        answer_with_facts(dump_level=32),
        answer_with_facts(dump_level=-1),
        answer_with_facts(dump_level=31.0),
        answer_with_facts(wrapped=False),
    ],
)
def test_what_is_no_answer(said: bytes) -> None:
    with pytest.raises(InspectionError):
        parse_inspected(said)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.data())
def test_any_value_in_any_place(data: st.DataObject) -> None:
    content = json.loads(to_answer(INSPECTED))
    place = data.draw(st.sampled_from([content, content["facts"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values)
    with contextlib.suppress(InspectionError):
        parse_inspected(json.dumps(content).encode())
