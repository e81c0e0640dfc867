# SPDX-License-Identifier: GPL-2.0-or-later
"""The file is written when there is news, and now and then when there is none."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kdumpd.expose.prometheus import MAX_METRICS_AGE, Metrics, is_due
from kdumpd.expose.textfile import TextFile, WriteOutcome
from kdumpd.model.readiness.verdict import verdict_of
from kdumpd.model.state import State
from tests.support.looks import START, as_listed, capture
from tests.support.machine_facts import DUMP_DIRECTORY, HEALTHY, STORAGE

SECOND = timedelta(seconds=1)
READY = State(verdict=verdict_of(HEALTHY, START))


class Here:
    """Works at once, and counts."""

    def __init__(self) -> None:
        self.done = asyncio.Semaphore(0)

    async def run(self, work: Callable[[], WriteOutcome]) -> WriteOutcome:
        outcome = work()
        self.done.release()
        return outcome


def seen(after: timedelta, free: int = 20 << 30) -> State:
    storage = replace(STORAGE, directories=(replace(DUMP_DIRECTORY, free=free),))
    return State(verdict=verdict_of(replace(HEALTHY, storage=storage), START + after))


async def test_news_is_written_at_once_and_drift_each_minute(tmp_path: Path) -> None:
    path, here = tmp_path / "kdumpd.prom", Here()
    metrics = Metrics(TextFile(path, here))
    running = asyncio.create_task(metrics.run())
    await metrics.show(seen(0 * SECOND))
    await here.done.acquire()
    first = path.read_text()

    await metrics.show(seen(SECOND, free=19 << 30))
    await asyncio.sleep(0)
    assert here.done.locked()
    assert path.read_text() == first

    await metrics.show(seen(60 * SECOND, free=19 << 30))
    await here.done.acquire()
    assert f'available_bytes{{directory="/var/crash"}} {19 << 30}\n' in path.read_text()

    crash = as_listed(capture())
    await metrics.show(replace(seen(61 * SECOND), captures={crash.id: crash}))
    await here.done.acquire()
    assert 'kdumpd_captures_unacknowledged{state="complete"} 1\n' in path.read_text()
    running.cancel()
    await asyncio.wait([running])


@pytest.mark.parametrize(
    ("passed", "due"),
    [
        (timedelta(), False),
        (MAX_METRICS_AGE - SECOND, False),
        (MAX_METRICS_AGE, True),
        (-SECOND, True),  # the clock was set back
    ],
)
def test_a_sign_of_life(passed: timedelta, *, due: bool) -> None:
    assert is_due(START, START + passed) is due


def test_the_first_look_is_told() -> None:
    assert is_due(None, START)
    assert not is_due(None, None)
