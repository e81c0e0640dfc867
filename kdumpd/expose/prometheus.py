# SPDX-License-Identifier: GPL-2.0-or-later
"""What a fleet's monitoring is told of a state: each number, under the name that it goes by.

What is not known has no sample: 0 would be a claim. docs/fleet/README.md lists them all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from kdumpd import __version__
from kdumpd.expose.exposition import NO_LABELS, Labels, Metric
from kdumpd.model.crash_test import staleness
from kdumpd.model.events import unacknowledged
from kdumpd.model.formats.kdump_settings import DumpSettings
from kdumpd.model.formats.memory import MemoryUse
from kdumpd.model.readiness.report import checks_of
from kdumpd.model.state import State
from kdumpd.model.text import shown
from kdumpd.model.vocabulary import BootEnd, CaptureState, Proof, Readiness

PREFIX = "kdumpd_"


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


def _dump_folders(state: State) -> Iterator[Metric]:
    storage = state.verdict.machine.storage if state.verdict else None
    settings = storage.settings if storage else None
    settings = settings if isinstance(settings, DumpSettings) else None
    left = settings.left_free if settings else 0
    folders = storage.folders if storage else ()
    yield Metric(
        name="dump_folder_available_bytes",
        help="Bytes that a dump may take in a folder that dumps are written to.",
        samples={
            (("folder", shown(one.path)),): max(0, one.free - left)
            for one in folders
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
        samples=_words("verdict", Proof, last.verdict if last else Proof.NONE),
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
    _dump_folders,
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
