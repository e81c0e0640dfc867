# SPDX-License-Identifier: GPL-2.0-or-later
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.captures.layouts import MAX_README_BYTES, Readme, parse_readme, with_readme
from tests.support.looks import CUT, FACTS
from tests.support.machine import PLACEHOLDER, README

OLD = b"""Kernel crashdump
----------------

Crash time     : 2012-11-23 01:13 (+0000)
Kernel version : 3.0.101-108-default
Host           : crashed.example
Dump level     : 31
Dump format    : compressed
"""


def test_the_placeholder() -> None:
    assert parse_readme(PLACEHOLDER.encode()) == Readme(finished=False, host="crashed")


def test_the_final_text() -> None:
    assert parse_readme(README.format(status="saved successfully").encode()) == Readme(
        finished=True,
        status="saved successfully",
        host="crashed",
        kernel_release="6.4.0-150600.23-default",
    )


def test_the_text_of_older_writers() -> None:
    assert parse_readme(OLD) == Readme(
        finished=True, host="crashed.example", kernel_release="3.0.101-108-default"
    )


def test_a_whole_core_is_whole() -> None:
    for readme in (Readme(finished=False), Readme(finished=True, status="error while saving")):
        assert with_readme(FACTS, readme, has_core=True) == FACTS


def test_what_the_core_says_counts_more() -> None:
    readme = Readme(finished=True, host="other", kernel_release="other", status="skipped")
    facts = with_readme(CUT, readme, has_core=True)
    assert (facts.host, facts.kernel_release) == (CUT.host, CUT.kernel_release)
    assert facts.problem == "has no end record; README.txt says 'skipped'"


def test_a_text_without_a_status() -> None:
    assert with_readme(CUT, parse_readme(OLD), has_core=True).problem == CUT.problem


@given(text=st.binary(max_size=200) | st.binary().map(lambda tail: b"vmcore status: " + tail))
def test_any_text(text: bytes) -> None:
    readme = parse_readme(text + bytes(MAX_README_BYTES))
    assert all(
        value.isascii() and value.isprintable()
        for value in (readme.status, readme.host, readme.kernel_release)
    )
