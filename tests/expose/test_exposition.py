# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever the labels say, both parsers read the same numbers out of the text."""

from hypothesis import given
from hypothesis import strategies as st

from kdumpd.expose.prometheus import NO_LABELS, Labels, Metric, exposition
from tests.support.exposition import Read, read_openmetrics, read_plain

values = st.one_of(
    st.integers(min_value=-(2**53), max_value=2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)
# node_exporter refuses what is no UTF-8; the names of labels are our own.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
labels = st.builds(lambda directory, code: (("directory", directory), ("code", code)), texts, texts)
metrics = st.builds(
    lambda samples: Metric(name="a_thing", help="A thing.", samples=samples),
    st.dictionaries(labels, values, max_size=5),
)


def meant(metric: Metric) -> Read:
    return {
        (f"kdumpd_{metric.name}", frozenset(labels)): float(value)
        for labels, value in metric.samples.items()
    }


@given(metrics)
def test_both_parsers_read_what_was_meant(metric: Metric) -> None:
    text = exposition("kdumpd_", [metric])
    assert read_plain(text) == read_openmetrics(text) == meant(metric)


def test_it_reads_as_it_should() -> None:
    samples: dict[Labels, float] = {
        (("path", 'a\\b"c\nd'),): 1.5,
        (("path", "plain"), ("code", "x")): True,
    }
    bytes_ = Metric(name="some_bytes", help="Some.", samples={NO_LABELS: 1 << 40})
    path = Metric(name="path", help="A path.", samples=samples)
    absent = Metric(name="absent", help="Nothing.", samples={})
    assert exposition("kdumpd_", [bytes_, absent, path]) == (
        "# HELP kdumpd_some_bytes Some.\n"
        "# TYPE kdumpd_some_bytes gauge\n"
        "kdumpd_some_bytes 1099511627776\n"
        "# HELP kdumpd_path A path.\n"
        "# TYPE kdumpd_path gauge\n"
        'kdumpd_path{path="a\\\\b\\"c\\nd"} 1.5\n'
        'kdumpd_path{path="plain",code="x"} 1\n'
        "# EOF\n"
    )
