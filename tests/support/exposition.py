# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers that a text tells, by the parsers of Prometheus' client."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

Read = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def read_plain(text: str) -> Read:
    """Return the samples of the text format 0.0.4."""
    return _samples(text_string_to_metric_families(text))


def read_openmetrics(text: str) -> Read:
    """Return the samples of OpenMetrics 1.0; ValueError for a text that does not end as it must."""
    return _samples(openmetrics.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # has no types


def _samples(families: Iterable[Any]) -> Read:
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in families
        for one in family.samples
    }
