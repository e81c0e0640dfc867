# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers as Prometheus' text format, version 0.0.4, which is OpenMetrics 1.0 as well.

node_exporter's textfile collector (1.5, 1.9) and `promtool check metrics` parse 0.0.4 alone
(expfmt.TextParser of prometheus/common), which knows neither OpenMetrics' types info and stateset
nor its "# UNIT", but takes "# EOF" for a comment. So everything is a gauge, the last line is
"# EOF", and both parsers take the same text. No sample has a time: the collector refuses those.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Labels = tuple[tuple[str, str], ...]  # names and values
NO_LABELS: Labels = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A gauge: its name without a prefix, and its value for each set of labels."""

    name: str
    help: str  # one plain sentence
    samples: Mapping[Labels, float]
    drifts: bool = False  # whether it changes all the time, which is no news


def exposition(prefix: str, metrics: Iterable[Metric]) -> str:
    """Return the metrics as text; those without a value are left out."""
    lines = [line for one in metrics if one.samples for line in _lines(prefix + one.name, one)]
    return "".join(f"{line}\n" for line in (*lines, "# EOF"))


def _lines(name: str, metric: Metric) -> Iterator[str]:
    yield f"# HELP {name} {metric.help}"
    yield f"# TYPE {name} gauge"
    for labels, value in metric.samples.items():
        yield f"{name}{_braced(labels)} {_number(value)}"


def _braced(labels: Labels) -> str:
    words = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{words}}}" if words else ""


def _escaped(value: str) -> str:
    r"""Return a label's value with \, " and the newline escaped; both formats escape no other."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
