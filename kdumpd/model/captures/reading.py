# SPDX-License-Identifier: GPL-2.0-or-later
"""Which cores are to be read through by kdumpd-inspect, what came of it, and when to give up.

A look reads some headers of a core. What stands deeper in it, its kernel log or a whole core inside
a compressed file, is read in a child process, one core at a time. A core can kill whoever reads it:
each attempt is counted, and the count kept, before it begins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from kdumpd.model.captures.capture import Sighting, capture_id
from kdumpd.model.captures.core import CoreFacts, FileStamp
from kdumpd.model.vocabulary import Crash

MAX_READ_ATTEMPTS = 2
RETRY_PAUSE_S = 30.0  # until what could not be begun is tried again
READING_KEY_DIGITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is known of the reading of one core."""

    attempts: int = 0
    under_way: bool = False
    done: bool = False
    not_before: float = 0.0  # on the clock of the looks: when to try again
    facts: CoreFacts | None = None  # of what lies inside a compressed file
    crash: Crash | None = None  # what the kernel log in the core says
    problem: str = ""  # why the core could not be read, or gave no kernel log
    tools: str = ""  # what there was to read it with

    @property
    def ended(self) -> bool:
        """Whether it will not be tried (again)."""
        return self.done or (self.attempts >= MAX_READ_ATTEMPTS and not self.under_way)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A core to be read through; the files' names lead to it from the crash directory."""

    key: str
    directory: bytes
    core: FileStamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a reading ended; `done` is False when the reader died, or took too long.

    One that never `began` says nothing about the core.
    """

    key: str
    done: bool
    began: bool = True
    facts: CoreFacts | None = None
    crash: Crash | None = None
    problem: str = ""
    tools: str = ""


Readings = Mapping[str, Reading]


def reading_key(sighting: Sighting) -> str:
    """Return what names a core's content without reading it: it changes when the file does."""
    core = sighting.core
    if core is None:
        return ""
    parts = (sighting.filesystem, core.inode, core.size, core.modified_ns)
    return sha256(repr(parts).encode("ascii")).hexdigest()[:READING_KEY_DIGITS]


def needs_reading(sighting: Sighting) -> bool:
    """Return whether a look at the core's headers leaves something to be read in it."""
    if sighting.core is None or not sighting.trusted or sighting.problem:
        return False
    return sighting.facts.wrapped or _without_log(sighting)


def is_awaited(sighting: Sighting, readings: Readings) -> bool:
    """Return whether the core is still to be read through."""
    return needs_reading(sighting) and not readings.get(reading_key(sighting), Reading()).ended


def read_through(sighting: Sighting, readings: Readings) -> Sighting:
    """Return the sighting with what reading its core through has brought so far."""
    if not needs_reading(sighting):
        return sighting
    reading = readings.get(reading_key(sighting), Reading())
    if not reading.ended:
        return replace(sighting, log_awaited=_without_log(sighting))
    facts = sighting.facts
    if facts.wrapped:
        facts = reading.facts or replace(facts, complete=False, problem=_ending(reading))
    elif reading.crash is None and sighting.crash is None and not facts.problem:
        facts = replace(facts, problem=f"gives no kernel log: it {_ending(reading)}")
    return replace(
        sighting,
        facts=facts,
        crash=reading.crash or sighting.crash,
        id=capture_id(facts.identity) if facts.identity else sighting.id,
    )


def with_answers(readings: Readings, answers: Iterable[Answer], clock: float) -> dict[str, Reading]:
    """Return the readings after these answers."""
    after = dict(readings)
    for answer in answers:
        known = after.get(answer.key)
        if known is not None:
            after[answer.key] = replace(
                known if answer.began else _not_counted(known, clock + RETRY_PAUSE_S),
                under_way=False,
                done=answer.done,
                facts=answer.facts,
                crash=answer.crash,
                problem=answer.problem,
                tools=answer.tools,
            )
    return after


def worth_keeping(readings: Readings, tools: str) -> dict[str, Reading]:
    """Return the readings without those that came to nothing with other tools than there are now.

    Whoever is told to install one does not have to touch the core as well.
    """
    return {
        key: reading
        for key, reading in readings.items()
        if not reading.done or reading.crash is not None or reading.tools == tools
    }


def put_down(readings: Readings) -> dict[str, Reading]:
    """Return the readings when whoever reads is told to stop: that is no fault of the core's."""
    return {
        key: _not_counted(reading, 0.0) if reading.under_way else reading
        for key, reading in readings.items()
    }


def sighted(readings: Readings, sightings: Iterable[Sighting]) -> dict[str, Reading]:
    """Return the readings of what is still there, also where it is not trusted now."""
    keys = {
        reading_key(sighting)
        for sighting in sightings
        if needs_reading(sighting) or not sighting.trusted
    }
    return {key: reading for key, reading in readings.items() if key in keys or reading.under_way}


def next_job(readings: dict[str, Reading], wanted: Iterable[Sighting], clock: float) -> Job | None:
    """Choose the core to read next, and count the attempt; None when one is under way.

    What was not tried yet comes first, of that the small: what is quickly done waits for no other.
    """
    if any(reading.under_way for reading in readings.values()):
        return None
    jobs = [_job(sighting) for sighting in wanted]
    due = [job for job in jobs if _is_due(readings.get(job.key, Reading()), clock)]
    if not due:
        return None
    job = min(due, key=lambda one: _order(one, readings.get(one.key, Reading())))
    known = readings.get(job.key, Reading())
    readings[job.key] = replace(known, attempts=known.attempts + 1, under_way=True)
    return job


def _is_due(reading: Reading, clock: float) -> bool:
    return not reading.ended and reading.not_before <= clock


def _not_counted(reading: Reading, not_before: float) -> Reading:
    attempts = reading.attempts - 1
    return replace(reading, attempts=attempts, under_way=False, not_before=not_before)


def _job(sighting: Sighting) -> Job:
    if sighting.core is None:
        raise ValueError("a capture without a core has none to read")
    return Job(key=reading_key(sighting), directory=sighting.directory, core=sighting.core)


def _order(job: Job, reading: Reading) -> tuple[int, int, int]:
    return reading.attempts, job.core.size, -job.core.modified_ns


def _without_log(sighting: Sighting) -> bool:
    """Return whether the log that is needed can only be in the core.

    Of two crashes in one minute, kdump-tools keep the first's log beside the second's core.
    """
    crashed_at, logged_at = sighting.facts.crashed_at, sighting.logged_at
    of_another = crashed_at is not None and logged_at is not None and logged_at < crashed_at
    known = sighting.facts.wrapped or sighting.facts.kernel_release
    return (sighting.crash is None or of_another) and bool(known)


def _ending(reading: Reading) -> str:
    if reading.done:
        return reading.problem
    why = reading.problem or "kdumpd itself ended both times"
    return f"was set aside after {MAX_READ_ATTEMPTS} attempts to read it: {why}"
