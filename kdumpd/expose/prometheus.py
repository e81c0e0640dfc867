# SPDX-License-Identifier: GPL-2.0-or-later
"""What a fleet's monitoring is told of a state: each number, under the name that it goes by.

What is not known has no sample: 0 would be a claim. docs/fleet/README.md lists them all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from kdumpd import __version__
from kdumpd.expose.textfile import TextFile
from kdumpd.model.crash_test import staleness
from kdumpd.model.events import unacknowledged
from kdumpd.model.formats.kdump_settings import DumpSettings
from kdumpd.model.formats.memory import MemoryUse
from kdumpd.model.readiness.report import checks_of
from kdumpd.model.state import State
from kdumpd.model.text import shown
from kdumpd.model.vocabulary import BootEnd, CaptureState, CrashTestVerdict, Readiness

Labels = tuple[tuple[str, str], ...]  # names and values
NO_LABELS: Labels = ()


class Metric(NamedTuple):
    """A gauge: its name without a prefix, and its value for each set of labels."""

    name: str
    help: str  # one plain sentence
    samples: Mapping[Labels, float]
    drifts: bool = False  # whether it changes all the time, which is no news


def exposition(prefix: str, metrics: Iterable[Metric]) -> str:
    """Return the metrics as text; those without a value are left out.

    node_exporter's textfile collector (1.5, 1.9) and `promtool check metrics` parse 0.0.4 alone
    (expfmt.TextParser of prometheus/common), which knows neither OpenMetrics' types info and
    stateset nor its "# UNIT", but takes "# EOF" for a comment. So everything is a gauge, the last
    line is "# EOF", and both parsers take the same text. No sample has a time: the collector
    refuses those.
    """
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


METRIC_PREFIX = "kdumpd_"


def measures(state: State) -> Iterator[Metric]:
    """Yield all that is told of a state, also what has no sample now."""
    for measure in MEASURES:
        yield from measure(state)


def _version(_: State) -> Iterator[Metric]:
    yield Metric(
        name="info",
        help="The running kdumpd; always 1.",
        samples={(("version", __version__),): 1},
    )


def _readiness(state: State) -> Iterator[Metric]:
    verdict = state.verdict
    yield Metric(
        name="readiness",
        help="Whether the next kernel panic would leave a dump: 1 for the word that is true.",
        samples=_words("state", Readiness, verdict.readiness) if verdict else {},
    )
    checks = checks_of(verdict.checks) if verdict else ()
    yield Metric(
        name="checks",
        help="How many checks of a code came to this outcome; kdumpd(8) explains each code.",
        samples=_counts((("code", one.code), ("outcome", one.outcome)) for one in checks),
    )
    yield Metric(
        name="checked_timestamp_seconds",
        help="When readiness was last judged, since 1970.",
        samples=_time(verdict.at if verdict else None),
        drifts=True,
    )


def _memory(state: State) -> Iterator[Metric]:
    reservation = state.verdict.reservation if state.verdict else None
    armed = reservation.armed if reservation else None
    yield Metric(
        name="crash_kernel_loaded",
        help="Whether a crash kernel is loaded, or fadump registered.",
        samples=_one(armed),
    )
    yield Metric(
        name="reserved_memory_bytes",
        help="Memory that the kernel holds for the crash kernel.",
        samples=_one(reservation.reserved if reservation else None),
    )
    yield Metric(
        name="expected_memory_bytes",
        help="Memory that the kernel should have reserved by its crashkernel= parameter.",
        samples=_one(reservation.expected if reservation else None),
    )
    yield Metric(
        name="suggested_memory_bytes",
        help="Memory that distributions reserve on such a machine.",
        samples=_one(reservation.suggested or None if reservation else None),
    )


def _dump_directories(state: State) -> Iterator[Metric]:
    storage = state.verdict.machine.storage if state.verdict else None
    settings = storage.settings if storage else None
    settings = settings if isinstance(settings, DumpSettings) else None
    left = settings.left_free if settings else 0
    directories = storage.directories if storage else ()
    yield Metric(
        name="dump_directory_available_bytes",
        help="Bytes that a dump may take in a directory that dumps are written to.",
        samples={
            (("directory", shown(one.path)),): max(0, one.free - left)
            for one in directories
            if isinstance(one.free, int)
        },
        drifts=True,
    )
    memory = storage.memory if storage else None
    needed = None
    if settings and isinstance(memory, MemoryUse):
        needed = memory.estimate(settings.level, compressed=settings.compressed)
    yield Metric(
        name="dump_needed_bytes",
        help="Bytes that a dump is likely to take now, by an estimate.",
        samples=_one(needed),
        drifts=True,
    )


def _captures(state: State) -> Iterator[Metric]:
    captures = state.captures.values()
    yield Metric(
        name="captures",
        help="Captures by what was saved of the crash, and what the kernel died of.",
        samples={
            (("state", str(saved)), ("class", str(class_))): count
            for (saved, class_), count in sorted(
                Counter((one.state, one.crash.class_) for one in captures).items()
            )
        },
    )
    waiting = Counter(state.captures[id_].state for id_ in unacknowledged(state))
    yield Metric(
        name="captures_unacknowledged",
        help="Crashes that nobody has taken note of, by what was saved; tests are no crashes.",
        samples={(("state", str(one)),): waiting[one] for one in CaptureState},
    )
    yield Metric(
        name="captures_settling",
        help="Captures that may still be being written.",
        samples=_one(len(state.settling)),
    )
    crashes = [one.happened_at for one in captures if one.trusted and not one.was_intended]
    yield Metric(
        name="last_crash_timestamp_seconds",
        help="When a kernel last crashed, not on purpose, or was found to have, since 1970.",
        samples=_time(max(crashes, default=None)),
    )


def _test(state: State) -> Iterator[Metric]:
    last = state.tests[0] if state.tests else None
    yield Metric(
        name="test_verdict",
        help="What the last crash test has proven: 1 for the word that is true.",
        samples=_words(
            "verdict", CrashTestVerdict, last.verdict if last else CrashTestVerdict.NONE
        ),
    )
    yield Metric(
        name="test_timestamp_seconds",
        help="When the last crash test was made, since 1970.",
        samples=_time(last.at if last else None),
    )
    yield Metric(
        name="test_stale",
        help="Whether something has changed since that the last crash test says nothing about.",
        samples=_one(
            bool(staleness(last, state.verdict.machine)) if last and state.verdict else None
        ),
    )
    yield Metric(
        name="test_duration_seconds",
        help="How long the last crash test took, from the crash to the complete capture.",
        samples=_one(last.seconds if last else None),
    )


def _previous_boot(state: State) -> Iterator[Metric]:
    end = state.previous.end if state.previous else BootEnd.UNKNOWN
    yield Metric(
        name="previous_boot",
        help="How the boot before ended: 1 for the word that is true.",
        samples=_words("end", BootEnd, end),
    )


MEASURES: tuple[Callable[[State], Iterator[Metric]], ...] = (
    _version,
    _readiness,
    _memory,
    _dump_directories,
    _captures,
    _test,
    _previous_boot,
)


def _one(value: float | None) -> Mapping[Labels, float]:
    return {} if value is None else {NO_LABELS: value}


def _time(at: datetime | None) -> Mapping[Labels, float]:
    return _one(None if at is None else at.timestamp())


def _words(label: str, words: Iterable[StrEnum], true: StrEnum) -> Mapping[Labels, float]:
    """Return a sample for each word that could be true, so that none is missing from a query."""
    return {((label, str(word)),): word is true for word in words}


def _counts(labels: Iterable[Labels]) -> Mapping[Labels, float]:
    return dict(sorted(Counter(labels).items()))


# A look is made each minute where nothing happens, and its time is taken before its end.
MAX_METRICS_AGE = timedelta(seconds=55)


class Metrics:
    """The file with the numbers.

    It is also a sign of life: while all stays as it is, it is written about once a minute.
    """

    def __init__(self, file: TextFile) -> None:
        self._file = file
        self._told: list[Metric] = []
        self._told_at: datetime | None = None

    async def show(self, state: State) -> None:
        """Tell what is new, at once; and that nothing is, from time to time."""
        metrics = list(measures(state))
        news = [one for one in metrics if not one.drifts]
        at = state.verdict.at if state.verdict else None
        if news == self._told and not is_due(self._told_at, at):
            return
        self._told, self._told_at = news, at
        self._file.put(exposition(METRIC_PREFIX, metrics))

    async def run(self) -> None:
        """Write what is told, for ever."""
        await self._file.run()


def is_due(told_at: datetime | None, at: datetime | None) -> bool:
    """Return whether a sign of life is due; a clock may also have been set back."""
    if told_at is None or at is None:
        return told_at is not at
    return not timedelta() <= at - told_at < MAX_METRICS_AGE
