# SPDX-License-Identifier: GPL-2.0-or-later
"""A ledger in which bits turned, or that was cut: it is as it was, or it is noticed."""

import logging
from pathlib import Path
from random import Random

import pytest

from kdumpd.ledger.database import ForeignLedgerError
from kdumpd.ledger.ledger import opened_ledger
from kdumpd.model.events import Event
from kdumpd.model.state import State
from tests.endurance.conftest import Say
from tests.ledger.test_ledger import ALL, aside, crash, events_of, keep, write

pytestmark = pytest.mark.endurance

FEW, MANY = 60, 1_000
CAPTURES = 12
MOST_BITS = 3
NOTICED, AS_IT_WAS = "noticed", "as it was"


def damaged(content: bytes, random: Random) -> bytes:
    """Return the content with some bits turned, or without its end."""
    if random.random() < 0.2:
        return content[: random.randrange(1, len(content))]  # an empty file is a new one
    changed = bytearray(content)
    for _ in range(random.randint(1, MOST_BITS)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


async def known(path: Path) -> tuple[State, list[Event]]:
    async with opened_ledger(path) as ledger:
        return await ledger.load(), await ledger.untold(ALL)


async def outcome(path: Path, content: bytes, before: tuple[State, list[Event]]) -> str:
    """Return whether the damage is noticed, or has changed nothing that the ledger says."""
    for old in path.parent.iterdir():
        old.unlink()
    write(path, content)
    try:
        after = await known(path)
    except ForeignLedgerError:
        return NOTICED  # of a newer version, it seems: left alone, and said
    if aside(path):
        return NOTICED
    return AS_IT_WAS if after == before else f"{after}"


@pytest.mark.parametrize("times", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
async def test_no_damage_goes_unnoticed(
    times: int, tmp_path: Path, random: Random, say: Say, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    path = tmp_path / "state/ledger.sqlite"
    crashes = [crash(number) for number in range(CAPTURES)]
    await keep(path, *crashes)
    async with opened_ledger(path) as ledger:
        await ledger.mark_told(events_of(*crashes[: CAPTURES // 2]))
    before, content = await known(path), path.read_bytes()
    outcomes = []
    for _ in range(times):
        outcomes.append(await outcome(path, damaged(content, random), before))
        assert outcomes[-1] in {NOTICED, AS_IT_WAS}
    assert {NOTICED, AS_IT_WAS} == set(outcomes)
    say(
        f"{outcomes.count(NOTICED)} damages noticed, {outcomes.count(AS_IT_WAS)} were of no content"
    )
